"""The strict client hides nothing: what a client that tries again would swallow is counted."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest
from lane_parts import STANDIN, wait_until

from plumbline.deployment.lanes.strict import Strict


@pytest.fixture
def server():
    command = [sys.executable, STANDIN, "0", "v1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "DELAY_S": "0"}) as child:
        child.url = f"http://127.0.0.1:{child.stdout.readline().split()[1]}"
        yield child
        child.kill()


@pytest.fixture
def mute():
    """Accepts, and closes after each first request without a word; or says what it was given."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said = []

        def run():
            while True:
                try:
                    link, _ = listening.accept()
                except OSError:
                    return
                link.settimeout(5)
                link.recv(65536)
                for piece in said:
                    link.sendall(piece)
                link.close()

        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x", said
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/chunked", "/unframed"])
@pytest.mark.parametrize("fresh", [0, 1])
def test_answers_are_read_however_they_are_framed(path, fresh, server):
    with Strict(server.url + path, b"{}", in_flight=1, fresh=fresh) as client:
        client.expect(["v1", ""])
        client.wait(20)
    assert (client.tally.failed, client.tally.stale) == (0, 0), client.tally.examples
    assert client.tally.versions.total() == client.tally.requests >= 20
    assert 0 < client.tally.latency_s(50) <= client.tally.latency_s(100)


def test_a_server_that_is_killed_costs_requests_and_the_tally_says_how_many_and_how(server):
    with Strict(server.url + "/v2/models/m/infer", b"{}", in_flight=4) as client:
        client.wait(20)
        assert client.tally.failed == 0
        server.send_signal(signal.SIGKILL)
        wait_until(lambda: client.tally.failures["connect"])
    assert client.tally.failures["closed"] == 4  # one for each request that was in flight or found its connection dead
    assert any("Connection refused" in example or "Connect call failed" in example for example in client.tally.examples)
    told = client.tally.as_dict()
    assert told["failed"] == sum(told["failures"].values())


def test_an_answer_by_a_version_that_was_retired_before_the_request_is_stale(server):
    with Strict(server.url + "/v2/models/m/infer", b"{}", in_flight=2) as client:
        client.wait(5)
        client.expect(["v1"])
        client.wait(5)
        assert client.tally.stale == 0
        client.expect(["v2"])
        client.wait(10)
    assert client.tally.stale > 0
    assert client.tally.failed == 0


def test_a_wrong_body_and_another_status_are_failures(server):
    with Strict(server.url + "/x", wrong=lambda answer: "wrong body: " + answer.body.decode(), in_flight=1) as client:
        client.wait(3)
    assert client.tally.failures["wrong body"] == client.tally.requests
    assert client.tally.latency_s(99) == 0


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ([], "closed"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"], "closed"),
        ([b"nonsense\r\n\r\n"], "closed"),
        ([b"HTTP/1.1 503 no\r\ncontent-length: 2\r\n\r\nno"], "status 503"),
    ],
)
def test_an_answer_that_is_no_answer_is_a_failure(said, failure, mute):
    url, says = mute
    says.extend(said)
    with Strict(url, b"{}", in_flight=1) as client:
        client.wait(2)
    assert client.tally.failures[failure] >= 1, client.tally.examples


def test_an_answer_that_does_not_come_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with Strict(url, in_flight=1, timeout_s=0.05) as client:
            client.wait(1)
            client.stop()
            with pytest.raises(TimeoutError, match="requests ended"):
                client.wait(50, 0.01)
    assert client.tally.failures["time-out"] >= 1


def test_headers_are_sent_and_a_url_that_is_none_is_refused(server):
    client = Strict(server.url + "/x", headers={"x-request-key": "7"}, in_flight=1)
    assert b"x-request-key: 7\r\n" in client._request
    client.stop()
    assert asyncio.run(client.run()).requests == 0
    with pytest.raises(ValueError, match="no http://"):
        Strict("ftp://x")
