"""A real server process is switched, killed and started again while clients that never retry ask it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plumbline.deployment.core.errors import ConflictError, FencedError, InvalidError, NotFoundError, UnavailableError
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server

BODY = json.dumps(
    {
        "inputs": [
            {"name": "age", "shape": [1], "datatype": "INT64", "data": [40]},
            {"name": "balance", "shape": [1], "datatype": "FP64", "data": [100]},
        ]
    }
)


class Strict:
    """Asks without end over one connection; an error of any kind is a failure, and is never tried again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: list[tuple[float, str]] = []
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            while not self._stopped.is_set():
                sent = time.monotonic()
                link.request("POST", "/v2/models/churn/infer", BODY)
                answer = link.getresponse()
                body = answer.read()
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {body!r}")
                self.answers.append((sent, answer.headers["x-model-version"]))
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        finally:
            link.close()


@pytest.fixture(scope="module")
def shared(options: Callable[..., Options]) -> Iterator[Server]:
    with Server(options()) as running:
        yield running


@pytest.fixture
def server(shared: Server, versions: tuple[Path, dict[str, str]]) -> Server:
    """The shared server with the old version alone, as it began."""
    shared.ask("prepare", digest=versions[1]["1.0.0"], epoch=1)
    shared.ask("share", shares={versions[1]["1.0.0"]: 1.0}, epoch=1)
    for key in shared.ask("status")["ready"]:
        if key != versions[1]["1.0.0"]:
            shared.ask("retire", digest=key, epoch=1)
    return shared


def _until(met: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not met():
        assert time.monotonic() < until
        time.sleep(0.001)


def _answered(server: Server, path: str = "/v2/models/churn/infer", body: str = BODY) -> tuple[int, Any, str | None]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    link.request("POST", path, body)
    answer = link.getresponse()
    found = json.loads(answer.read())
    link.close()
    return answer.status, found, answer.headers["x-model-version"]


def test_a_switch_under_load_fails_nobody_and_leaves_no_old_answer(server, versions):
    old, new = versions[1]["1.0.0"], versions[1]["1.1.0"]
    for digest in (old, new):
        server.ask("prepare", digest=digest, epoch=1)
    clients = [Strict(server.port) for _ in range(4)]
    stale = 0
    try:
        for turn in range(20):
            target, label = ((new, "1.1.0+"), (old, "1.0.0+"))[turn % 2]
            server.ask("share", shares={target: 1.0}, epoch=1)
            acknowledged = time.monotonic()
            seen = [len(client.answers) for client in clients]
            _until(
                lambda seen=seen: all(len(c.answers) > s + 2 or c.failures for c, s in zip(clients, seen, strict=True))
            )
            for client, since in zip(clients, seen, strict=True):
                later = [version for sent, version in client.answers[since:] if sent > acknowledged]
                stale += sum(not version.startswith(label) for version in later)
    finally:
        for client in clients:
            client.stop()
    assert [client.failures for client in clients] == [[], [], [], []]
    assert stale == 0


def test_kill_9_keeps_the_epoch(options, tmp_path, versions):
    new = versions[1]["1.1.0"]
    first = Server(options(), tmp_path)
    first.start()
    first.ask("prepare", digest=new, epoch=7)
    first.kill()
    with Server(options(), tmp_path) as again:
        assert again.ask("status")["epoch"] == 7
        with pytest.raises(FencedError, match="epoch 6 is older than 7"):
            again.ask("share", shares={new: 1.0}, epoch=6)
        assert again.ask("status")["shares"] == {versions[1]["1.0.0"]: 1.0}


def test_what_a_deployer_does_wrong_is_refused_and_the_old_version_serves(server, versions):
    old, new = versions[1]["1.0.0"], versions[1]["1.1.0"]
    with pytest.raises(InvalidError, match="prepare it first"):
        server.ask("share", shares={new: 1.0}, epoch=1)
    with pytest.raises(NotFoundError):
        server.ask("prepare", digest="sha256:" + "0" * 64, epoch=1)
    with pytest.raises(InvalidError, match="no digest"):
        server.ask("prepare", digest="latest", epoch=1)
    with pytest.raises(InvalidError, match="needs the epoch"):
        server.ask("prepare", digest=new)
    with pytest.raises(InvalidError, match="needs a digest"):
        server.ask("prepare", epoch=1)
    with pytest.raises(InvalidError, match="needs shares"):
        server.ask("share", epoch=1)
    with pytest.raises(InvalidError, match="there is no verb 'jump'"):
        server.ask("jump")
    with pytest.raises(InvalidError, match="no command"):
        server.ask("status", further=1)
    server.ask("prepare", digest=new, epoch=1)
    with pytest.raises(InvalidError, match=r"add up to 1\.5"):
        server.ask("share", shares={old: 1.0, new: 0.5}, epoch=1)
    with pytest.raises(InvalidError, match="must be from 0 to 1"):
        server.ask("share", shares={old: 1.5, new: -0.5}, epoch=1)
    with pytest.raises(ConflictError, match="give its share to another first"):
        server.ask("retire", digest=old, epoch=1)
    assert server.ask("retire", digest=new, epoch=1)["retired"]
    assert not server.ask("retire", digest=new, epoch=1)["retired"]
    assert _answered(server)[2].startswith("1.0.0+")


def test_shares_split_requests_and_a_key_always_meets_the_same_version(server, versions):
    old, new = versions[1]["1.0.0"], versions[1]["1.1.0"]
    server.ask("prepare", digest=new, epoch=1)
    server.ask("share", shares={old: 0.5, new: 0.5}, epoch=1, pin="X-Pin")
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def version(headers: dict[str, str]) -> str:
        link.request("POST", "/v2/models/churn/infer", BODY, headers)
        answer = link.getresponse()
        answer.read()
        return answer.headers["x-model-version"]

    assert {version({}) for _ in range(60)} == {version({"x-pin": "1.0.0"}), version({"x-pin": "1.1.0"})}
    keyed = {key: version({"x-request-key": key}) for key in "abcdefghijklmnop"}
    assert len(set(keyed.values())) == 2
    assert all(version({"x-request-key": key}) == met for key, met in keyed.items())
    link.close()


def test_a_copy_of_a_version_has_numbers_of_its_own(server, versions):
    old = versions[1]["1.0.0"]
    server.ask("prepare", digest=f"{old}#baseline", epoch=1)
    server.ask("share", shares={f"{old}#baseline": 1.0}, epoch=1)
    assert _answered(server)[2].startswith("1.0.0+")
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    link.request("GET", "/metrics")
    text = link.getresponse().read().decode()
    link.close()
    assert 'requests_total{outcome="ok",version="1.0.0+' in text
    assert '#baseline"} 1.0' in text


def test_a_server_drains_at_sigterm_without_losing_a_request(options, tmp_path):
    running = Server(options(drain_grace_s=0.3), tmp_path)
    running.start()
    client = Strict(running.port)
    _until(lambda: len(client.answers) > 5)
    assert running.stop() == 0
    client.stop()
    assert [one for one in client.failures if "refused" not in one] == []
    assert not running.admin.exists()
    with pytest.raises(UnavailableError, match="no server answers"):
        running.ask("status")


def test_a_version_that_does_not_answer_its_golden_rows_never_serves(options, tmp_path, write_version):
    write_version(tmp_path / "wrong", "2.0.0", bias=0.0, golden_bias=0.5)
    broken = Server(options(folder=str(tmp_path / "wrong"), ref="latest"), tmp_path)
    with pytest.raises(UnavailableError, match="golden_mismatch"):
        broken.start()
    assert "2.0.0 does not answer its golden rows as it should" in broken.log.read_text()
