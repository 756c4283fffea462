"""The benchmarks run: seconds and few connections; what they find is not judged here."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ("hold", "fanout", "broadcast", "saturation", "scaling", "storm", "soak", "sizing")


def script(name, *words, **options):
    command = [sys.executable, str(ROOT / "benchmarks/streaming" / f"{name}.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


@pytest.mark.skipif(sys.platform != "linux", reason="the floor is made of epoll, costs of schedstat")
def test_the_gateway_and_the_bare_c_server_meet_the_same_generator():
    done = script("broadcast", "--quick", "--peers", "floor,plumbline")
    assert done.returncode == 0, done.stderr
    kept = json.loads((ROOT / ".plumbline/bench/quick/broadcast.json").read_text())
    assert set(kept["results"]) == {"floor", "plumbline"}
    for row in kept["results"].values():
        assert row["deliveries"] == 200 * 3
        assert row["lost"] == 0
        assert row["cpu_us_per_delivery"] > 0
    assert kept["machine"]["load_average"]


@pytest.mark.skipif(sys.platform != "linux", reason="the readers are made of epoll")
def test_the_readers_in_c_get_every_message_of_the_gateway_once():
    done = script("saturation", "--quick", "--peers", "floor,plumbline")
    assert done.returncode == 0, done.stderr
    kept = json.loads((ROOT / ".plumbline/bench/quick/saturation.json").read_text())
    for rows in kept["results"].values():
        assert set(rows) == {"floor", "plumbline"}, kept["missing"]
        for row in rows.values():
            assert row["deliveries_per_s"] > 0
            assert row["lost"] == row["repeated"] == 0


def send_back(listener, altered):
    """Serve one client: its frames come back, each as often as `altered` says of its number."""
    with listener.accept()[0] as sock, sock.makefile("rb") as stream:
        while stream.readline() not in (b"\r\n", b""):
            pass
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        while head := stream.read(6):
            payload = stream.read(head[1] & 0x7F)  # the mask is of zeros
            for _ in range(altered.get(int(payload[:12]), 1)):
                sock.sendall(head[:1] + bytes((len(payload),)) + payload)


@pytest.mark.skipif(sys.platform != "linux", reason="the readers are made of epoll")
def test_the_readers_in_c_say_what_was_lost_and_what_came_twice(tmp_path):
    program = tmp_path / "readers"
    subprocess.run(["cc", "-o", program, ROOT / "benchmarks/streaming/readers.c"], check=True, timeout=60)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=send_back, args=(listener, {3: 0, 4: 0, 7: 2}), daemon=True)
        server.start()
        words = ["broadcast", listener.getsockname()[1], "/", 1, 4, 64, 0.05]
        done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=60, check=True)
        server.join(20)
    assert done.stdout.splitlines()[:2] == ["began", "ended"]
    account = json.loads(done.stdout.splitlines()[2])
    assert (account["lost"], account["repeated"]) == (2, 1)
    assert account["delivered"] == account["published"] - 2


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_does_and_where_it_ends(name):
    source = (ROOT / "benchmarks/streaming" / f"{name}.py").read_text(encoding="utf-8")
    compile(source, name, "exec")
    about = source.split('"""')[1]
    assert f"python benchmarks/streaming/{name}.py" in about
    assert "Bounds:" in about


def test_the_page_of_the_benchmarks_is_made_of_their_results():
    done = script("page", "--check")
    assert done.returncode == 0, done.stderr
