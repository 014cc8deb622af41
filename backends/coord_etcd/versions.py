"""Which releases of etcd have which fault. Owns the numbers."""

from __future__ import annotations

__all__ = ["revokes_wrongly"]

_MENDED = {(3, 4): 31, (3, 5): 13}
_FIRST_WITHOUT = (3, 6)


def revokes_wrongly(version: str) -> bool:
    """Whether a revived leader of this release may revoke leases that its successor keeps alive.

    A version that cannot be read is given the benefit of the doubt.
    """
    try:
        major, minor, patch = (int(part) for part in version.partition("-")[0].split("."))
    except ValueError:
        return False
    if (major, minor) >= _FIRST_WITHOUT:
        return False
    return patch < _MENDED.get((major, minor), patch + 1)
