"""The page in a real browser, without a window: its controls, its keys and what it exports."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from coord.lab.report.palette import DARK, LIGHT
from tests.support import require_server
from tests.unit.lab.report.pages import made_up, parsed

_LISTEN = """<script>
window.pageErrors = [];
addEventListener("error", (event) => window.pageErrors.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => window.pageErrors.push(event.blockedURI));
</script>"""
_NARROW, _BROAD = 480, 1280
_BOUND_S = 90
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
)


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    require_server(found, name="chromium", cure="apt-get install chromium fonts-dejavu-core")
    assert found is not None
    return found


class _Site(ThreadingHTTPServer):
    """Serves one page on 127.0.0.1, and takes what the page sends."""

    def __init__(self, page: str) -> None:
        super().__init__(("127.0.0.1", 0), _Visitor)
        self.page = page.encode()
        self.sent: Queue[str] = Queue()


class _Visitor(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        self._answer(self.server.page if self.path == "/" else b"")

    def do_POST(self) -> None:
        self.server.sent.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._answer(b"")

    def log_message(self, *_: object) -> None:
        """Nothing is told on stderr."""

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def _site(page: str) -> Iterator[_Site]:
    with _Site(page) as site:
        serving = threading.Thread(target=site.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield site
        finally:
            site.shutdown()
            serving.join(10)


def _visit(chromium: str, page: str, folder: Path, width: int) -> dict[str, Any]:
    """What `browsing.js` found out at the end of the page."""
    acts = Path(__file__).with_name("browsing.js").read_text()
    watched = page.replace("<head>", f"<head>{_LISTEN}", 1)
    with _site(watched.replace("</body>", f"<script>{acts}</script></body>", 1)) as site:
        command = [
            chromium,
            *_QUIET,
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},900",
            f"http://127.0.0.1:{site.server_port}/",
        ]
        with (folder / "told.txt").open("wb") as told:
            browser = subprocess.Popen(command, stdout=told, stderr=told)
        try:
            sent = site.sent.get(timeout=_BOUND_S)
        except Empty:
            pytest.fail(f"nothing in {_BOUND_S} s: {(folder / 'told.txt').read_text()[-2000:]}")
        finally:
            browser.terminate()
            browser.wait(20)
    found: dict[str, Any] = json.loads(sent.partition("=")[2])
    assert "failed" not in found, found
    return found


@pytest.mark.parametrize("width", [_NARROW, _BROAD])
def test_the_page_can_be_used_with_keys_and_exported(
    chromium: str, tmp_path: Path, width: int
) -> None:
    runs, page = made_up(tmp_path)
    found = _visit(chromium, page, tmp_path, width)
    assert found["errors"] == []
    assert found["wide"] <= 0, "the page itself never scrolls sideways"
    assert found["shown"] == [1, 1], "one chart of each run at a time"
    assert found["grounds"] == [_rgb(LIGHT["ground"]), _rgb(DARK["ground"])]
    assert found["opened"] == [True, True]
    length_s = runs[0].rounds[0].length_s
    assert found["start"].startswith("0.00 s: led · a could act (token 10)")
    assert found["end"].startswith(f"{length_s:.2f} s: ")
    assert found["back"].startswith(f"{length_s * 199 / 200:.2f} s: ")
    assert found["names"] == ["run1-round1-shard1-svg.svg", "run1-round1-shard1-svg.png"]
    assert found["types"] == ["image/svg+xml", "image/png"]
    assert "var(" not in found["svg"], "an exported figure carries its colours"
    _, _, drawn_width, drawn_height = parsed(found["svg"]).attrib["viewBox"].split()
    *size, colours = found["png"]
    assert size == [int(2 * float(drawn_width)), int(2 * float(drawn_height))]
    assert colours > 5


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"
