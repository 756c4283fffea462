"""What benchmarks share: arguments, where results go, and the words in which they are printed; and streaming's own."""

import argparse
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from plumbline.streaming.load.records import Second, machine
from plumbline.streaming.load.scenario import Scenario, scenario

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BENCH = ROOT / ".plumbline" / "bench"
RESULTS = HERE / "results"
VERSIONS = ("httptools", "uvloop", "plumbline")


def arguments(about: str | None, **more: Any) -> argparse.Namespace:
    """Read `--quick` and what a script has besides; its docstring is the help text."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seconds and few connections: checks that it works")
    for name, options in more.items():
        parser.add_argument("--" + name, **options)
    return parser.parse_args()


def say(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def save(
    name: str,
    quick: bool,
    started: float,
    results: Any,
    *,
    here: Path = HERE,
    packages: Sequence[str] = VERSIONS,
    **more: Any,
) -> dict[str, Any]:
    """Write one benchmark's results with what they depend on; quick ones stay out of the repository.

    `here` is the folder of the script, `packages` are those whose versions matter.
    """
    kept = BENCH / "quick" if here == HERE else BENCH / "quick" / here.name
    folder = kept if quick else here / "results"
    folder.mkdir(parents=True, exist_ok=True)
    versions = {package: importlib.metadata.version(package) for package in packages}
    whole = {
        "schema": "plumbline.benchmark/1",
        "name": name,
        "command": f"python benchmarks/{here.name}/{name}.py" + (" --quick" if quick else ""),
        "date": time.strftime("%Y-%m-%d", time.gmtime(started)),
        "took_s": round(time.time() - started, 1),
        "commit": commit(),
        "machine": machine(),
        "load_average_before": os.environ.get("BENCH_LOAD"),
        "versions": versions | more.pop("versions", {}),
        **more,
        "results": results,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    say(f"wrote {path.relative_to(ROOT)}")
    return whole


def commit() -> str:
    """Return the commit that was measured, with a plus if files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unknown"


def ramp(per_s: float, seconds: float = 240) -> dict[str, Any]:
    """Return the phase in which all connect."""
    return {"name": "ramp", "seconds": seconds, "connect_per_s": per_s, "until_connected": True}


def quiet(seconds: float = 2.0) -> dict[str, Any]:
    """Return a phase in which nothing happens: what was on its way arrives."""
    return {"name": f"quiet{seconds:g}".replace(".", "-"), "seconds": seconds}


def plan(**values: Any) -> Scenario:
    """Return a checked scenario."""
    return scenario(values, "the benchmark")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print an aligned table."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table: numbers to the right, words to the left."""
    words = [any(len(re.findall(r"[A-Za-z]{2,}", str(row[at]))) > 1 for row in rows) for at in range(len(head))]
    ruler = ["---" if at == 0 or left else "---:" for at, left in enumerate(words)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ruler, *rows))


def progress(second: Second, _totals: dict[str, float]) -> None:
    """Say every fifth second how a run is going."""
    if int(second.at) % 5 == 0:
        say(f"  {second.at:5.0f} s  {second.phase:<10} up {second.up:,}  deliveries {second.deliveries:,}")
