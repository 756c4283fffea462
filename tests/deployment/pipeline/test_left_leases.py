"""A deployer that was killed just after its end leaves the lease behind: the next one need not wait for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import psutil
import pytest
from deployers import MODEL, NEW, OLD, consistent, controller, plan, serving_old

from plumbline.deployment.core.errors import ConflictError
from plumbline.deployment.pipeline import recovery
from plumbline.deployment.pipeline.journal import Entry, Journal
from plumbline.deployment.pipeline.machine import Step
from plumbline.deployment.pipeline.presence import RUN, here, holder, running


@pytest.fixture
def journal(quick_folder):
    journal = Journal(quick_folder / "deployments.db")
    yield journal
    journal.close()


@pytest.fixture
def other():
    """A process of this machine that is not us."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield {"host": here()["host"], "pid": child.pid, "started": psutil.Process(child.pid).create_time()}
        child.kill()


def left_behind(journal, registry, who, *, ended):
    """Leave what a deployer leaves that was killed with the lease in its hands."""
    deployment = journal.begin(plan())
    registry.lease(MODEL, holder(deployment.id), 30)
    journal.append(deployment.id, RUN, "note", who)
    if ended:
        journal.append(deployment.id, Step.REJECTED, "failed", {"result": "fail"}, ended=Step.REJECTED)
    return deployment


def deploy(journal, registry, lane):
    return recovery.deploy(journal, plan(), lambda _: controller(journal, registry, lane))


def test_the_lease_of_one_that_ended_and_is_dead_is_not_waited_for(journal, other) -> None:
    registry, lane = serving_old()
    left_behind(journal, registry, other | {"started": 1.0}, ended=True)  # its pid is somebody else's by now
    _, state = deploy(journal, registry, lane)
    assert state.step is Step.PROMOTED
    consistent(registry, lane, "promoted")
    assert registry.pointers["production"] == NEW.version
    assert registry.holder == ""


def test_one_that_ended_and_still_lives_lets_go_by_itself(journal, other) -> None:
    registry, lane = serving_old()
    left_behind(journal, registry, other, ended=True)
    with pytest.raises(ConflictError):
        deploy(journal, registry, lane)
    assert lane.shares == {OLD.digest: 1.0}


@pytest.mark.parametrize("name", ["churn-7@elsewhere", "somebody", holder("churn-7")])
def test_a_holder_that_is_not_known_here_is_waited_for(journal, name) -> None:
    registry, lane = serving_old()
    registry.lease(MODEL, name, 30)
    with pytest.raises(ConflictError):
        deploy(journal, registry, lane)
    assert registry.holder == name


def test_a_deployment_that_has_just_begun_is_not_taken_for_one_that_was_left(journal) -> None:
    """Between its beginning and its lease another deployer looks for what is not over."""
    registry, lane = serving_old()
    seen = []

    def make(deployment):
        first = journal.entries(deployment.id)[0]
        seen.append((first.step, first.kind, first.data))
        return controller(journal, registry, lane)

    recovery.deploy(journal, plan(), make)
    assert seen == [(RUN, "note", here())]


def test_a_process_that_lives_on_but_has_left_a_deployment_is_not_waited_for() -> None:
    parent = psutil.Process(os.getppid())
    here = {"host": socket.gethostname(), "pid": parent.pid, "started": parent.create_time()}
    notes = [here, {**here, "left": True}, here, {**here, "pid": 1, "left": True}]
    entries = [Entry("churn-1", number, RUN, "note", 0, "", 0.0, data) for number, data in enumerate(notes, 1)]
    at_work = f"process {parent.pid} on {socket.gethostname()}"
    assert [running(entries[:count]) for count in range(5)] == [None, at_work, None, at_work, at_work]
