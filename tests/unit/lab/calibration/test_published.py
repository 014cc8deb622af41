"""The calibration that is published: whole, told on its page, and with its reasons."""

from __future__ import annotations

import re

from coord.lab.calibration.plan import STORES
from coord.lab.calibration.saved import MEASURED, UNFIT, read_calibration
from coord.lab.report import calibration_view
from tests.documents import ROOT

_FAULTS = ("kill", "pause", "sigterm", "wedge", "partition")
_FILE = ROOT / "docs" / "calibration.json"
_PAGE = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")


def test_every_fault_was_played_on_every_store_that_it_applies_to() -> None:
    states = {
        (pair["fault"], pair["store"]): pair["state"] for pair in read_calibration(_FILE)["pairs"]
    }
    expected = {(fault, store): MEASURED for fault in _FAULTS for store in STORES}
    assert states == {**expected, ("partition", "sqlite"): UNFIT}


def test_no_rule_was_broken_and_what_lies_beyond_has_its_reason() -> None:
    for pair in read_calibration(_FILE)["pairs"]:
        for side in ("real", "simulated") if pair["state"] == MEASURED else ():
            assert not pair[side]["broken"], pair["fault"]
        for cell in pair["cells"]:
            assert cell["within"] is not False or cell["why"], (pair["fault"], pair["store"])


def test_the_page_tells_the_medians_of_the_file() -> None:
    rows = set(re.findall(r"^\| (\w+) \| (\w+) \| (.*) \|$", _PAGE, re.MULTILINE))
    view = calibration_view(read_calibration(_FILE), str(_FILE))
    pairs = list(dict.fromkeys((one.fault, one.store) for one in view.rows))
    for fault, store in pairs:
        cells = {one.metric: one for one in view.rows if (one.fault, one.store) == (fault, store)}
        told = " | ".join(
            f"{cells[name].real_s:.3f} / {cells[name].simulated_s:.3f}"
            for name in ("gap", "split", "faux", "failover")
        )
        assert (fault, store, told) in rows, (fault, store, told)
