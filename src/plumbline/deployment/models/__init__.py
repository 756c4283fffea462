"""Models as files: loaded without running code of theirs, asked by name, compared by what they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.deployment.models.loading import load
from plumbline.deployment.models.preparing import Rows, prepare

if TYPE_CHECKING:
    from plumbline.deployment.models.behaviour import Judgement, judge
    from plumbline.deployment.models.inferring import Hints, infer
    from plumbline.deployment.models.packing import pack, pack_file

__all__ = ["Hints", "Judgement", "Rows", "infer", "judge", "load", "pack", "pack_file", "prepare"]
_LATER = {"Hints": "inferring", "infer": "inferring", "Judgement": "behaviour", "judge": "behaviour"}
_LATER |= {"pack": "packing", "pack_file": "packing"}


def __getattr__(name: str) -> Any:
    """Import on first use what a server has no need of (converters, scikit-learn)."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
