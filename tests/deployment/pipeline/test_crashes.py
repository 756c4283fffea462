"""Whatever is killed wherever, what is left can be brought to an end at which registry and servers agree."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
import traceback
from pathlib import Path

import pytest
from deployers import (
    MODEL,
    NEW,
    NEWER,
    OLD,
    Clock,
    Counts,
    Crash,
    FileRegistry,
    Lane,
    Server,
    Work,
    consistent,
    controller,
    kill_here,
    plan,
    serving_old,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import ConflictError, DeploymentError, FencedError
from plumbline.deployment.lanes.artefact import ArtefactLane
from plumbline.deployment.pipeline import recovery
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.plan import Stage

MOMENTS = [
    (effect, when)
    for effect in (
        "build",
        "gates",
        "prepare:candidate",
        "prepare:baseline",
        "shift:0",
        "promote:alias",
        "promote:share",
        "settle:retire",
        "roll-back:share",
        "roll-back:retire",
    )
    for when in ("before", "after")
]


def crashing(at: int):
    """Return a listener that crashes at the given moment of the run, counted over all effects."""
    count = itertools.count()

    def listen(moment):
        if moment.when != "told" and next(count) == at:
            raise Crash

    return listen


def finish(journal, registry, lane, **parts):
    for _ in range(3):
        recovery.resume(journal, MODEL, lambda _: controller(journal, registry, lane, **parts))
    (deployment,) = journal.deployments(MODEL)
    return deployment.ended


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    crashes=st.lists(st.integers(0, 40), max_size=4),
    errors=st.sampled_from([0, 60]),
    broken=st.dictionaries(st.sampled_from(["prepare", "share", "retire"]), st.integers(1, 2)),
    stages=st.sampled_from([(Stage(0.5, 1, 9),), (Stage(0.1, 1, 9), Stage(0.5, 1, 9)), ()]),
    copies=st.booleans(),
)
def test_any_interleaving_of_crashes_and_failures_ends_with_one_version_that_alias_and_servers_agree_on(
    quick, crashes, errors, broken, stages, copies
) -> None:
    with tempfile.TemporaryDirectory(dir=quick) as folder:
        journal = Journal(Path(folder) / "deployments.db")
        registry, lane = serving_old()
        lane.broken, lane.copies = dict(broken), copies
        journal.begin(plan(stages=stages))
        for at in [*crashes, 10_000, 10_000, 10_000, 10_000]:
            (deployment,) = journal.deployments(MODEL)
            if deployment.ended is None:
                try:
                    counts = Counts(errors=errors)
                    controller(journal, registry, lane, source=counts, listen=crashing(at)).run(deployment)
                except (Crash, DeploymentError):
                    registry.holder = registry.holder and f"{deployment.id}@{os.uname().nodename}"
        ended = journal.deployments(MODEL)[0].ended
        assert ended in ("promoted", "rolled-back", "rejected")
        wanted = NEW if ended == "promoted" else OLD
        assert registry.pointers == {"production": wanted.version}
        assert lane.shares == {wanted.digest: 1.0}
        if errors and stages:
            assert ended != "promoted"
        journal.close()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else tmp_path_factory.mktemp("journals")


@pytest.fixture
def world(quick_folder):
    """A registry in a file, a journal, and a server on a real socket: what survives a deployer."""
    registry = FileRegistry(quick_folder / "registry.json")
    registry.move(MODEL, "production", to=OLD.version, expect=None, by="", why="")
    server = Server(quick_folder / "admin.sock", Lane({OLD.digest: 1.0}, {OLD.digest}))
    yield quick_folder, registry, server
    server.close()


def deployer(folder, registry, *, listen=lambda _: None, errors=0, work=None):
    """Return what a process needs to deploy, opened in that process."""
    journal = Journal(folder / "deployments.db")
    lane = ArtefactLane([folder / "admin.sock"])

    def make(deployment):
        return controller(
            journal, registry, lane, source=Counts(errors=errors), listen=listen, work=work or Work(), ttl_s=30
        )

    return journal, make


def in_a_process(run) -> int:
    """Run in a process of its own; return how it ended, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
        except BaseException:  # noqa: BLE001 - the parent sees the code
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(("effect", "when"), MOMENTS, ids=[":".join(one) for one in MOMENTS])
def test_kill_9_at_every_step_before_and_after_its_effect_ends_consistently(world, effect, when) -> None:
    folder, registry, server = world
    errors = 60 if effect.startswith("roll-back") else 0

    def die(moment):
        if (moment.what, moment.when) == (effect, when):
            kill_here()

    def first() -> None:
        journal, make = deployer(folder, registry, listen=die, errors=errors)
        recovery.deploy(journal, plan(), make)

    assert in_a_process(first) == -9
    journal, make = deployer(folder, registry, errors=errors)
    (found,) = recovery.resume(journal, MODEL, make)  # at once: nobody waits for the dead one's lease
    assert found[1].ended
    consistent(registry, server.lane, journal.get(found[0].id).ended)
    assert journal.get(found[0].id).ended == ("rolled-back" if errors else "promoted")
    journal.close()


def test_of_two_processes_that_deploy_at_once_one_wins_and_the_other_says_who(world) -> None:
    folder, registry, server = world
    Journal(folder / "deployments.db").close()

    def compete(candidate):
        def run() -> None:
            journal, make = deployer(folder, registry, work=Work(candidate))
            while not (folder / "go").exists():
                time.sleep(0.001)
            recovery.deploy(journal, plan(why=candidate.version), make)

        pid = os.fork()
        if pid == 0:
            try:
                run()
            except ConflictError:
                os._exit(3)
            except BaseException:  # noqa: BLE001 - the parent sees the code, and why
                (folder / "why").write_text(traceback.format_exc())
                os._exit(1)
            os._exit(0)
        return pid

    pids = [compete(NEW), compete(NEWER)]
    (folder / "go").touch()
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
    why = (folder / "why").read_text() if 1 in codes else ""
    assert codes in ([0, 3], [0, 0]), why  # so quick that one began after the other's end: both won, in order
    journal, _ = deployer(folder, registry)
    ends = [one.ended for one in journal.deployments(MODEL)]
    assert None not in ends
    winner = next(one.plan.why for one in journal.deployments(MODEL) if one.ended == "promoted")
    assert registry.aliases(MODEL)["production"] == winner
    assert server.lane.shares == {(NEW if winner == NEW.version else NEWER).digest: 1.0}
    journal.close()


def test_a_deployer_that_hung_and_was_replaced_changes_nothing_when_it_wakes(world) -> None:
    folder, registry, server = world
    journal, make = deployer(folder, registry)
    began = journal.begin(plan())
    replaced = []

    def hang(moment):
        if (moment.what, moment.when) == ("shift:0", "before") and not replaced:
            replaced.append(make(began).run(began))  # a second deployer, while the first one hangs

    with pytest.raises(FencedError):
        controller(journal, registry, ArtefactLane([folder / "admin.sock"]), listen=hang).run(began)
    assert replaced[0].step == "promoted"
    consistent(registry, server.lane, "promoted")
    assert journal.get(began.id).ended == "promoted"
    journal.close()


def test_a_deployment_that_another_process_runs_is_left_to_it(world) -> None:
    folder, registry, _ = world
    reader, writer = os.pipe()

    def wait(moment):
        if moment.what == "gates":
            os.write(writer, b".")
            time.sleep(60)

    pid = os.fork()
    if pid == 0:
        journal, make = deployer(folder, registry, listen=wait)
        recovery.deploy(journal, plan(), make)
    os.read(reader, 1)
    journal, make = deployer(folder, registry)
    with pytest.raises(ConflictError, match=f"process {pid} on .* is at work"):
        recovery.resume(journal, MODEL, make)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert recovery.resume(journal, MODEL, make)[0][1].step == "promoted"
    journal.close()


def test_without_the_pipeline_a_crash_before_the_gates_ends_as_rejected(quick_folder) -> None:
    journal = Journal(quick_folder / "deployments.db")
    registry, lane = serving_old()
    began = journal.begin(plan())
    with pytest.raises(Crash):
        controller(journal, registry, lane, listen=crashing(0)).run(began)
    make = controller(journal, registry, lane, work=None, clock=Clock())
    assert recovery.resume(journal, MODEL, lambda _: make)[0][1].step == "rejected"
    consistent(registry, lane, "rejected")
    journal.close()
