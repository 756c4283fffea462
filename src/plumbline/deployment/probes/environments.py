"""Which Python distributions a running process has at hand: from its mapped files and folders; nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_SITE = re.compile(r"(/\S*/(?:site|dist)-packages)/")
NAMES = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "cv2": "opencv-python",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
}
"""Distributions that are called otherwise than the module they bring, and bring no list of modules."""


def folders(pid: int, proc: Path = Path("/proc")) -> list[Path]:
    """Return the folders of packages that a process has mapped extension modules from.

    Raises:
        FileNotFoundError: There is no such process.
        PermissionError: It belongs to another user.
    """
    found = _SITE.findall((proc / str(pid) / "maps").read_text())
    return [Path(one) for one in dict.fromkeys(found)]


def installed(places: Iterable[Path]) -> dict[str, str]:
    """Return versions by distribution, names in lower case and with `-`."""
    found: dict[str, str] = {}
    for place in places:
        for info in place.glob("*.dist-info"):
            name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def there(module: str, places: Iterable[Path], distributions: dict[str, str]) -> bool:
    """Tell whether a top-level module can be imported from these folders."""
    if re.sub(r"[-_.]+", "-", NAMES.get(module, module)).lower() in distributions:
        return True
    return any((place / module).is_dir() or any(place.glob(f"{module}.*")) for place in places)
