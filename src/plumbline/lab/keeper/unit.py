"""The gateway's unit: drop-in files that a guide's fix edits, in systemd's own syntax, read again at every start."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class UnitError(ValueError):
    """A drop-in file says something the keeper cannot follow."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What the drop-ins ask for: the keys of `[Service]` that a lab honours.

    Args:
        nofile: `LimitNOFILE=`, (soft, hard): one number is both, `SOFT:HARD` as systemd's default 1024:524288.
        memory_max: `MemoryMax=`, in bytes; -1 for `infinity`.
        restart_s: `RestartSec=`, in seconds.
        stop_s: `TimeoutStopSec=`, in seconds: who was asked to stop is killed after this time.
    """

    nofile: tuple[int, int] | None = None
    memory_max: int | None = None
    restart_s: float | None = None
    stop_s: float | None = None


def read(folder: Path) -> Unit:
    """Read all `*.conf` of the folder in the order of their names; the last word counts, as with systemd.

    Raises:
        UnitError: A file is no unit file, or a value is no number.
    """
    service: dict[str, str] = {}
    for path in sorted(folder.glob("*.conf")):
        parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys are case-sensitive
        try:
            parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
        except configparser.Error as error:
            raise UnitError(f"{path}: is no unit file: {error}") from None
        service |= dict(parser["Service"]) if parser.has_section("Service") else {}
    return Unit(
        nofile=_pair(folder, "LimitNOFILE", service),
        memory_max=_number(folder, "MemoryMax", service),
        restart_s=_seconds(folder, "RestartSec", service),
        stop_s=_seconds(folder, "TimeoutStopSec", service),
    )


def _seconds(folder: Path, key: str, service: dict[str, str]) -> float | None:
    """Read `0.5`, `500ms` or `2s`."""
    text = service.get(key, "").strip()
    digits, scale = (text[:-2], 1e-3) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        return float(digits) * scale if text else None
    except ValueError:
        raise UnitError(f"{folder}: {key}={text} is no time; write 0.5, 500ms or 2s") from None


def _pair(folder: Path, key: str, service: dict[str, str]) -> tuple[int, int] | None:
    soft, colon, hard = service.get(key, "").partition(":")
    low = _parsed(folder, key, soft.strip())
    high = _parsed(folder, key, hard.strip()) if colon else low
    return None if low is None or high is None else (low, high)


def _number(folder: Path, key: str, service: dict[str, str]) -> int | None:
    return _parsed(folder, key, service.get(key, "").strip())


def _parsed(folder: Path, key: str, text: str) -> int | None:
    if not text:
        return None
    if text == "infinity":
        return -1
    digits, scale = (text[:-1], _SUFFIXES[text[-1]]) if text[-1] in _SUFFIXES else (text, 1)
    if not digits.isdigit():
        raise UnitError(f"{folder}: {key}={text} is no number; write 65536, 512M or infinity")
    return int(digits) * scale
