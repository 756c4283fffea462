"""What the deployment benchmarks share; most of it is the streaming benchmarks' own `common.py`, loaded from there."""

import importlib.util
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("streaming_common", HERE.parent / "streaming" / "common.py")
assert _SPEC is not None  # for the type checker: the file is there
assert _SPEC.loader is not None
_SHARED = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_SHARED)

ROOT: Path = _SHARED.ROOT
RESULTS = HERE / "results"
BENCH: Path = _SHARED.BENCH
QUICK: Path = _SHARED.BENCH / "quick" / HERE.name
PACKAGES = ("plumbline", "numpy", "onnxruntime")

arguments = _SHARED.arguments
say = _SHARED.say
table = _SHARED.table
markdown = _SHARED.markdown


def save(
    name: str, quick: bool, started: float, results: Any, packages: Sequence[str] = PACKAGES, **more: Any
) -> dict[str, Any]:
    """Write one benchmark's results with what they depend on; quick ones stay out of the repository."""
    kept: dict[str, Any] = _SHARED.save(name, quick, started, results, here=HERE, packages=packages, **more)
    return kept


def spread(seconds: Iterable[float]) -> dict[str, float]:
    """Return how many, the median, the smallest and the largest, in the unit that was given."""
    values = sorted(seconds)
    return {
        "runs": len(values),
        "median": round(statistics.median(values), 6),
        "least": round(values[0], 6),
        "most": round(values[-1], 6),
    }
