"""No descriptors left: the gateway stays up, says so, answers its admin, and recovers."""

import resource
import socket
import sys

import pytest

NOFILE = 64


def small_limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE * 4))


@pytest.fixture
def exhausted(process, until):
    """A gateway process without descriptors, and the sockets that took them."""
    gateway = process("--set", "handshake_timeout_s=600", preexec_fn=small_limit)
    port = int(gateway.url.split(":")[2].rstrip("/"))
    crowd = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(NOFILE + 20)]
    until(lambda: "accept failed" in gateway.log, "the first failed accept")
    yield gateway, crowd, port
    for one in crowd:
        one.close()


def test_running_out_of_descriptors_is_logged_counted_and_survived(exhausted):
    gateway, _, _ = exhausted
    assert "plumbline.gateway accept failed: [Errno 24] Too many open files failures=1 retry_in_s=0.050" in gateway.log
    stats = gateway.ask(get="stats")
    assert stats["accept_failures"]["EMFILE"] >= 1
    assert stats["open_files_limit"] == NOFILE
    assert stats["handshakes_waiting"] < NOFILE
    if sys.platform == "linux":
        assert stats["accept_queue"] > 0, "those who were not accepted wait in the kernel"
    assert gateway.ask(get="queues")["resident_bytes"] > 0
    for _ in range(5):
        assert gateway.ask(set={"max_connections": 10})["max_connections"] == 10, "the reserve is refilled"
    assert gateway.child.poll() is None


def test_it_recovers_when_clients_leave(exhausted, client, until):
    gateway, crowd, _ = exhausted
    for one in crowd:
        one.close()
    until(lambda: "accept recovered" in gateway.log)
    assert client(gateway).ask(id=1, ping=1)["ok"]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="another process's limit can be raised on Linux only")
def test_it_recovers_when_the_limit_is_raised_and_nobody_has_to_leave(exhausted, client, until):
    gateway, crowd, _ = exhausted
    resource.prlimit(gateway.child.pid, resource.RLIMIT_NOFILE, (NOFILE * 4, NOFILE * 4))
    until(lambda: gateway.ask(get="stats")["handshakes_waiting"] == len(crowd))
    assert client(gateway).ask(id=1, ping=1)["ok"]
    assert gateway.ask(get="stats")["accept_queue"] in (0, None)


def test_failed_accepts_are_spaced_out_instead_of_spinning(exhausted, until):
    gateway, _, _ = exhausted
    until(lambda: "retry_in_s=0.400" in gateway.log)
    waits = [line.split("retry_in_s=")[1] for line in gateway.log.splitlines() if "accept failed" in line]
    assert waits[:4] == ["0.050", "0.100", "0.200", "0.400"]
