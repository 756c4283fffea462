"""Time `plumb check` over synthetic problems, all four files each: `.venv/bin/python benchmarks/handbook/check.py [N]`.

The example problem of docs/reference/writing-guides.md is written N times (300 unless told) under ids of its own, with
forty paragraphs that hold a link and a command each. Printed: the best of five runs, by the clock
and by the processor (which says more on a machine that is busy).
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

from plumbline.catalogue import Catalogue, locate
from plumbline.cli.main import main
from plumbline.handbook.check import check
from plumbline.handbook.fences import fences

TITLE = re.compile(r'title="([^"]+)"')
PARAGRAPH = "\nSee [the overview](../index.md) and `plumb diagnose {name}`; the limit is `queue_max_bytes`, in bytes.\n"
PARAGRAPHS = 40


def write(root: Path, count: int) -> int:
    """Write the problems and return how many bytes of guides there are."""
    page = (locate().root / "docs/reference/writing-guides.md").read_text("utf-8")
    files = [(title[1], fence.code or "") for fence in fences(page) if (title := TITLE.search(fence.info))]
    size = 0
    for number in range(count):
        slug = f"problem-{number}"
        for path, code in files:
            text = code.replace("message-too-big", slug)
            if path.endswith(".md"):
                text += PARAGRAPH.format(name=f"streaming.{slug}") * PARAGRAPHS
                size += len(text)
            target = root / path.replace("message-too-big", slug).replace("message_too_big", slug.replace("-", "_"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
    (root / "docs/troubleshooting/index.md").write_text("# Troubleshooting\n", "utf-8")
    return size


def run(count: int) -> None:
    """Write, check five times, print."""
    with tempfile.TemporaryDirectory() as folder:
        size = write(Path(folder), count)
        times = []
        for _ in range(5):
            began, used = time.perf_counter(), time.process_time()
            found = check(Catalogue(Path(folder)), main)
            times.append((time.perf_counter() - began, time.process_time() - used))
        clock, processor = min(time for time, _ in times), min(time for _, time in times)
        each = size / count / 1024
        print(f"{count} guides of {each:.1f} KiB, {len(found)} complaints: {clock:.2f} s ({processor:.2f} s of CPU)")
        for complaint in found[:5]:
            print(complaint)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
