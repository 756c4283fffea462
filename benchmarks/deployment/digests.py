"""The same inputs give the same OCI digests: in another folder, at another time, in another process and time zone.

    python benchmarks/deployment/digests.py [--quick]

A forest of 100 trees is registered twice, in two registries, and packaged twice, by `plumb package --image`: the model
as an artefact and the server's image with everything that it runs on (`--quick`: the artefact alone). The processes
differ in folder, time zone, umask, hash seed and time. Every blob is compared. Bounds: two packages, 2 s apart, on one
machine; about a minute.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import forests

WORLDS = (
    {"TZ": "UTC", "PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "umask": "022"},
    {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2", "LC_ALL": "C", "umask": "077"},
)


def packaged(registry: Path, version: str, to: Path, world: dict[str, str], *, image: bool) -> dict[str, Any]:
    """Run `plumb package` in a process of its own and return what it said."""
    words = [str(Path(sys.executable).with_name("plumb")), "package", f"{forests.MODEL}@{version}"]
    words += ["--registry", str(registry), "--to", str(to), "--json", *(["--image"] if image else [])]
    env = {**os.environ, **{name: value for name, value in world.items() if name != "umask"}}
    env.pop("SOURCE_DATE_EPOCH", None)
    done = subprocess.run(words, env=env, umask=int(world["umask"], 8), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder, by path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    """Package twice and compare."""
    given = common.arguments(__doc__)
    started = time.time()
    told, files, took = [], [], []
    with tempfile.TemporaryDirectory(prefix="digests-", dir=common.BENCH) as folder:
        for number, world in enumerate(WORLDS):
            place = Path(folder) / f"world-{number}" / ("deeper" * number)
            place.mkdir(parents=True)
            (version,) = forests.registered(place, 1, 5 if given.quick else 100)
            began = time.perf_counter()
            to = place / "package"
            told.append(packaged(place / "registry", version.version, to, world, image=not given.quick))
            took.append(round(time.perf_counter() - began, 2))
            files.append(contents(to))
            size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
            time.sleep(0.1 if given.quick else 2)
    differ = sorted(name for name in {*files[0], *files[1]} if files[0].get(name) != files[1].get(name))
    results = {
        "artefact": [one["artefact"]["digest"] for one in told],
        "image": [one["image"]["digest"] for one in told if "image" in one],
        "model": [one["digest"] for one in told],
        "files": len(files[0]),
        "files_that_differ": differ,
        "bytes": size,
        "seconds": took,
    }
    common.save("digests", given.quick, started, results, worlds=WORLDS)
    rows = [[name, len(set(results[name])) == 1, results[name][0]] for name in ("model", "artefact", "image")
            if results[name]]  # fmt: skip
    common.table(["", "the same", "digest"], rows)
    common.say(f"{len(differ)} of {len(files[0])} files differ: {', '.join(differ) or 'none'}")


if __name__ == "__main__":
    main()
