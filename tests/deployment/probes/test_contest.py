"""Who holds a model's lease, whether they live, and which moves somebody else undid: on a real registry."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from deployers import plan
from small_artefacts import AGE, LOOKING, artefact

from plumbline.deployment.core.signature import Feature
from plumbline.deployment.evidence_contest import Contest, contest_from_registry
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.presence import RUN, holder
from plumbline.deployment.probes import contest
from plumbline.deployment.registry.store import Registry
from plumbline.evidence import Endpoint, UnavailableError

A, B = "1.0.0", "1.1.0"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A registry with two versions."""
    plans = Feature("plan", "string", required=False, default="basic")
    with Registry.open(tmp_path / "registry") as registry:
        for number, inputs in enumerate([(AGE,), (AGE, plans)]):
            manifest, files = artefact(tmp_path / str(number), bytes([number]) * 9, inputs)
            registry.register(manifest, files, by="me", looking=LOOKING)
    return tmp_path / "registry"


def read(place: Path) -> Contest:
    return contest_from_registry(Endpoint("any", registry=str(place), model="churn"))


def moved(place: Path, *moves: tuple[str, str], every_s: float = 30.0) -> None:
    """Let people move production, each so long after the one before."""
    now, at = time.time(), None
    for number, (to, by) in enumerate(moves):
        when = now - 3000 + number * every_s
        with Registry.open(place, clock=lambda when=when: when) as registry:
            registry.move("churn", "production", to=to, expect=at, by=by, why="mine")
        at = to


def leased(place: Path, who: str, term_s: float, ago_s: float = 0.0) -> None:
    with Registry.open(place, clock=lambda: time.time() - ago_s) as registry:
        registry.lease("churn", who, term_s)


def test_a_registry_in_which_nobody_deploys_and_nothing_moved(place: Path) -> None:
    assert read(place) == Contest()


def test_a_lease_tells_its_holder_its_rest_and_its_silence(place: Path) -> None:
    leased(place, "churn-41@build-7", 3600, ago_s=2400)
    found = read(place)
    assert (found.holder, found.lives, found.term_s) == ("churn-41@build-7", None, 3600)
    assert found.left_s == pytest.approx(1200, abs=60)
    assert found.silent_s == pytest.approx(2400, abs=60)


def test_a_lease_that_is_over_is_nobodys(place: Path) -> None:
    leased(place, "churn-41@build-7", 30, ago_s=31)
    assert read(place).holder == ""


@pytest.fixture
def journal(place: Path) -> Iterator[Journal]:
    found = Journal(place / "deployments.db")
    yield found
    found.close()


def test_a_holder_of_this_machine_is_looked_for_by_its_journal(place: Path, journal: Journal) -> None:
    leased(place, f"churn-9@{socket.gethostname()}", 30)
    assert read(place).lives is None  # the journal has no such deployment
    deployment = journal.begin(plan())
    leased_again(place, holder(deployment.id))
    assert read(place).lives is None  # nor which process runs it
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = psutil.Process(child.pid).create_time()
        who = {"host": socket.gethostname(), "pid": child.pid, "started": started}
        journal.append(deployment.id, RUN, "note", who)
        assert read(place).lives is True
        child.kill()
    assert read(place).lives is False


def leased_again(place: Path, who: str) -> None:
    with Registry.open(place) as registry:
        registry.lease("churn", who, 30, take_over=True)


def test_moves_that_somebody_else_undid_are_counted_with_their_names(place: Path) -> None:
    moved(place, (A, "ann"), (B, "nightly"), (A, "ann"), (B, "nightly"))
    found = read(place)
    assert (found.alias, found.undone, found.movers) == ("production", 2, ("nightly", "ann"))
    assert found.by_hand == 4


def test_going_back_on_ones_own_move_or_much_later_is_no_quarrel(place: Path) -> None:
    moved(place, (A, "ann"), (B, "ann"), (A, "ann"))
    assert read(place).undone == 0


def test_a_move_that_is_undone_after_a_while_is_a_decision(place: Path) -> None:
    moved(place, (A, "ann"), (B, "nightly"), (A, "ann"), every_s=900)
    assert read(place).undone == 0


def test_an_unknown_model_and_an_unreadable_registry_are_said(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no model 'fraud'"):
        contest_from_registry(Endpoint("any", registry=str(place), model="fraud"))
    with pytest.raises(UnavailableError):
        read(tmp_path / "nothing")


@pytest.fixture
def mlflow() -> Iterator[Callable[..., str]]:
    """MLflow's answer to registered-models/get; production points at these versions, one a look."""
    servers = []

    def serve(*versions: str) -> str:
        left = list(versions)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/api/2.0/mlflow/registered-models/get?name=churn"
                now = left.pop(0) if len(left) > 1 else left[0]
                body: Any = {"name": "churn"} | ({"aliases": [{"alias": "production", "version": now}]} if now else {})
                told = json.dumps({"registered_model": body}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("versions", "alias", "undone"),
    [(("7", "8", "7", "7", "8"), "production", 2), (("7", "7", "8"), "production", 0), (("",), "", 0)],
)
def test_mlflows_aliases_are_watched_for_they_have_no_history(mlflow, versions, alias, undone) -> None:
    target = Endpoint("any", registry=mlflow(*versions), model="churn")
    waits: list[float] = []
    found = Contest(**contest.contest(target, pause=waits.append))
    assert (found.alias, found.undone, found.watched_s) == (alias, undone, 3.0)
    assert len(waits) == contest.LOOKS - 1
