"""Is the computed version number the right one? Pairs of real models, each with the bump that a caller would expect.

    python benchmarks/deployment/bumps.py [--quick]

The pairs are the table of tests/deployment/models/test_behaviour.py: scikit-learn models, packed, loaded and asked. A
pair is right if the bump is, and the change that is named is the expected one. Bounds: all pairs of the table, one CPU,
about 20 s.
"""

import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import common

from plumbline.deployment.models import judge

TABLE = common.ROOT / "tests" / "deployment" / "models" / "test_behaviour.py"


def pairs() -> ModuleType:
    """Return the module that holds the pairs."""
    spec = importlib.util.spec_from_file_location("pairs_of_models", TABLE)
    assert spec is not None  # for the type checker: the file is there
    assert spec.loader is not None
    sys.path.insert(0, str(TABLE.parent))  # where it has its models from
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(module: ModuleType, pair: tuple[Any, ...], folder: Path) -> dict[str, Any]:
    """Return how one pair was judged."""
    what, old, new, expected, code = pair
    began = time.perf_counter()
    sides = [module.side(make(), folder / name) for name, make in (("old", old), ("new", new))]
    found = judge(*sides)
    codes = sorted({change.code for change in found.changes})
    return {
        "pair": what,
        "expected": expected.name.lower(),
        "found": found.bump.name.lower(),
        "changes": codes,
        "right": found.bump is expected and (code in codes if code else not codes),
        "seconds": round(time.perf_counter() - began, 3),
    }


def main() -> None:
    """Judge all pairs and print those that are wrong."""
    given = common.arguments(__doc__)
    started = time.time()
    module = pairs()
    rows = []
    for number, pair in enumerate(module.PAIRS[:3] if given.quick else module.PAIRS):
        with tempfile.TemporaryDirectory(prefix=f"pair-{number}-") as folder:
            rows.append(judged(module, pair, Path(folder)))
    by_bump = {
        bump: {
            "pairs": sum(row["expected"] == bump for row in rows),
            "right": sum(row["expected"] == bump and row["right"] for row in rows),
        }
        for bump in ("patch", "minor", "major")
    }
    results = {"pairs": len(rows), "right": sum(row["right"] for row in rows), "by_bump": by_bump, "rows": rows}
    packages = ("plumbline", "scikit-learn", "skl2onnx", "onnxruntime", "skops")
    common.save("bumps", given.quick, started, results, packages)
    common.table(["expected", "pairs", "right"], [[bump, *one.values()] for bump, one in by_bump.items()])
    for row in rows:
        if not row["right"]:
            common.say(f"wrong: {row['pair']}: {row['found']} {row['changes']}, expected {row['expected']}")


if __name__ == "__main__":
    main()
