"""`restart-NAME`: it returns when the server accepts connections again, whatever its admin socket speaks."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from plumbline.lab.restart import restart

REFUSAL = {"error": {"reason": "invalid", "error": "the line is no command"}}


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found.getsockname()[1]


@pytest.fixture
def admin(tmp_path):
    """A socket that answers each line as a model server answers a gateway's question."""
    path = tmp_path / "m.sock"
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(str(path))
        found.listen()
        threading.Thread(target=answer, args=(found,), daemon=True).start()
        yield path
        found.shutdown(socket.SHUT_RDWR)


def answer(listening: socket.socket) -> None:
    while True:
        try:
            link, _ = listening.accept()
        except OSError:
            return
        with link:
            link.recv(4096)
            link.sendall(json.dumps(REFUSAL).encode() + b"\n")


@pytest.fixture
def supervised(tmp_path):
    """A process whose file names this one as soon as it is gone: it was started again."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pidfile = tmp_path / "m.pid"
    pidfile.write_text(str(process.pid))

    def again() -> None:
        process.wait()
        written = tmp_path / "m.pid.new"
        written.write_text(str(os.getpid()))
        written.replace(pidfile)

    watcher = threading.Thread(target=again)
    watcher.start()
    yield pidfile
    process.kill()
    watcher.join()


def environment(pidfile: Path, port: int) -> dict[str, str]:
    return {"MODEL_PIDFILE": str(pidfile), "MODEL_PORT": str(port), "MODEL_LOG": "m.log"}


def test_a_model_server_whose_admin_socket_speaks_another_language_is_back_when_it_listens(supervised, listener, admin):
    told = restart(environment(supervised, listener) | {"MODEL_ADMIN": str(admin)}, "model")
    assert told.startswith(f"restarted: process {os.getpid()}")


def test_a_server_without_an_admin_socket_is_back_when_it_listens(supervised, listener):
    assert restart(environment(supervised, listener), "model").startswith("restarted")


def test_a_server_that_does_not_come_back_is_an_error_that_names_its_log(supervised, admin):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and nobody listens
        around = environment(supervised, nobody.getsockname()[1]) | {"MODEL_ADMIN": str(admin)}
        with pytest.raises(TimeoutError, match=r"m\.log"):
            restart(around, "model", patience_s=1.0)
