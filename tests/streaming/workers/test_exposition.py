"""The supervisor's own port, without a supervisor: what it serves of workers that answer, and of those that do not."""

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from plumbline.streaming.core.address import Address
from plumbline.streaming.workers.exposition import Exposition
from plumbline.streaming.workers.listeners import Listeners

TEXT = "# HELP b Is.\n# TYPE b gauge\nb 1\n"


@pytest.fixture
def worker(tmp_path):
    """Return the path of an admin socket that answers with metrics."""
    path = str(tmp_path / "a.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve():
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                if not link.recv(65536):
                    return
                link.sendall(json.dumps({"ok": True, "result": {"text": TEXT}}).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(path)
    thread.join()
    listener.close()


@pytest.fixture
def serve():
    opened = []

    def begin(workers):
        opened.append(Exposition(Address("127.0.0.1", 0), lambda: workers, lambda: {"worker_deaths": 2.0}))
        return f"http://{opened[-1].address}"

    yield begin
    for one in opened:
        one.close()


def read(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def test_samples_carry_the_workers_name_and_a_worker_that_does_not_answer_has_none(serve, worker, tmp_path):
    base = serve([("worker-0", "ready", worker), ("worker-1", "starting", str(tmp_path / "none"))])
    text = read(base + "/metrics")
    assert 'b{worker="worker-0"} 1.0' in text
    assert "worker-1" not in text
    assert 'plumbline_supervisor_workers{state="ready"} 1.0' in text
    assert 'plumbline_supervisor_workers{state="starting"} 1.0' in text
    assert "plumbline_supervisor_worker_deaths 2.0" in text


def test_it_is_ready_while_one_worker_is(serve):
    base = serve([("worker-0", "ready", "/x"), ("worker-1", "draining", "/y")])
    assert json.loads(read(base + "/readyz")) == {
        "status": "ok",
        "workers": {"worker-0": "ready", "worker-1": "draining"},
    }


@pytest.mark.parametrize(("path", "code"), [("/readyz", 503), ("/else", 404)])
def test_without_a_ready_worker_it_is_not(serve, path, code):
    base = serve([("worker-0", "starting", "/x")])
    assert json.loads(read(base + "/healthz"))["status"] == "not ready"
    with pytest.raises(urllib.error.HTTPError) as failed:
        read(base + path)
    assert failed.value.code == code
    failed.value.close()


def test_workers_that_cannot_have_a_socket_each_share_one():
    listeners = Listeners(Address("127.0.0.1", 0), 16, spread=False)
    one, other = listeners.open(), listeners.open()
    with socket.create_connection((listeners.address.host, listeners.address.port)):
        other.settimeout(20)
        other.accept()[0].close()
    one.close()
    other.close()
    listeners.close()


def test_a_port_of_somebody_else_is_not_shared():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            Listeners(Address("127.0.0.1", other.getsockname()[1]), 16)
