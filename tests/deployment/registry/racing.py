"""Processes that want the same alias at the same moment: `racing.py URL BLOBS ROUNDS` prints the winners per round."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from plumbline.deployment.core.errors import ConflictError
from plumbline.deployment.registry import Registry

RACERS = 4


def race(url: str, blobs: Path, expect: str | None, to: str) -> int:
    """Let the racers go at once; return how many of them won."""
    gate, opener = os.pipe()
    children = []
    for number in range(RACERS):
        child = os.fork()
        if child == 0:
            os.close(opener)
            os._exit(_try(url, blobs, gate, (expect, to, f"racer {number}")))
        children.append(child)
    os.close(gate)
    os.close(opener)  # all of them wait for this
    codes = [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children]
    assert set(codes) <= {0, 1}, codes
    return codes.count(0)


def _try(url: str, blobs: Path, gate: int, wish: tuple[str | None, str, str]) -> int:
    expect, to, who = wish
    try:
        with Registry.open(url, blobs) as registry:
            os.read(gate, 1)
            registry.move("churn", "production", to=to, expect=expect, by=who, why="race")
    except ConflictError:
        return 1
    except BaseException as error:  # noqa: BLE001 - a forked process must never return into the parent's code
        print(f"{who}: {error!r}", file=sys.stderr, flush=True)
        return 2
    return 0


def main(url: str, blobs: Path, rounds: int) -> None:
    now: str | None = None
    for number in range(rounds):
        to = ("1.0.0", "1.0.1")[number % 2]
        print(race(url, blobs, now, to))
        now = to


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
