"""What holds for all tests of deployments."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def quick_folder(tmp_path):
    """A folder in memory where there is one: for tests of order, which the disk only slows down."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


def programs() -> Path | None:
    """Where initdb and pg_ctl are: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str], str]]:
    """A real Postgres on a socket of its own: makes an empty database of a name and returns its URL."""
    programs_folder = programs()
    if programs_folder is None:
        pytest.skip("needs Postgres: apt-get install postgresql")
    root = os.getuid() == 0  # Postgres refuses to run as root
    user = "postgres" if root else None
    with tempfile.TemporaryDirectory(prefix="plumb-pg-") as made:  # a socket's path is short
        if root:
            shutil.chown(made, "postgres")

        def run(program: str, *words: str) -> None:
            command = (str(programs_folder / program), *words)
            subprocess.run(command, check=True, user=user, cwd=made, stdout=subprocess.DEVNULL)

        def database(name: str) -> str:
            run("createdb", "-h", made, "-U", "plumb", name)
            return f"postgresql://plumb@/{name}?host={made}"

        run("initdb", "-D", f"{made}/data", "-A", "trust", "-U", "plumb", "--no-sync")
        options = f"-c listen_addresses= -c fsync=off -k {made}"
        run("pg_ctl", "-D", f"{made}/data", "-w", "-l", f"{made}/log", "-o", options, "start")
        try:
            yield database
        finally:
            run("pg_ctl", "-D", f"{made}/data", "-m", "immediate", "stop")
