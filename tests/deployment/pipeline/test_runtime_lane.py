"""The runtime lane as a pipeline's file declares it: real HAProxy, real processes, callers that never send twice."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from deployers import MODEL, NEW, OLD, Counts, FileRegistry, consistent, controller, kill_here, plan
from lane_parts import STANDIN, wait_until
from test_deploy_cli import build

from plumbline.cli.main import main
from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.lanes import COPY
from plumbline.deployment.lanes.frontdoor import Address, FrontDoor, configuration
from plumbline.deployment.lanes.haproxy import Proxy
from plumbline.deployment.lanes.strict import Strict
from plumbline.deployment.pipeline import recovery
from plumbline.deployment.pipeline.closed import fit
from plumbline.deployment.pipeline.declaration import load
from plumbline.deployment.pipeline.grouped import runtime_lane
from plumbline.deployment.pipeline.journal import Journal
from plumbline.deployment.pipeline.lane_use import LaneUse
from plumbline.lab.parts.ports import free_port

EXAMPLES = Path(__file__).parents[3] / "examples/deployment"


def free_ports(count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


@contextmanager
def haproxy(text: str, folder: Path, state: Path):
    """Run HAProxy with a configuration until the block ends."""
    if not shutil.which("haproxy"):
        pytest.fail("these tests need haproxy")
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_text("1\n")
    (folder / "haproxy.cfg").write_text(text)
    proxy = Proxy(folder / "haproxy.sock")

    def answers():
        with suppress(UnavailableError):
            return proxy.ask("show info")

    with subprocess.Popen(["haproxy", "-db", "-f", folder / "haproxy.cfg"], stderr=subprocess.DEVNULL) as child:
        try:
            wait_until(answers, "HAProxy")
            yield proxy
        finally:
            child.kill()


def ended(lane) -> None:
    for group in lane._groups:
        group._grace_s = 1
        group.stop()


@pytest.fixture
def shop(tmp_path):
    """The example's lane with one process per group, a HAProxy of its own, and a way to say `plumb`."""
    front, *ports = free_ports(4)
    blue, green, fresh = ports
    text = (EXAMPLES / "runtime.yml").read_text()
    text = re.sub(r"build:\n.*?(?=gates)", "", text, flags=re.DOTALL)
    text = re.sub(r"gates:.*?(?=lane:)", GATES_AND_WATCH, text, flags=re.DOTALL)
    config = (EXAMPLES / "haproxy.cfg").read_text()
    for drop in ("        - {address: 127.0.0.1:9102}\n", "        - {address: 127.0.0.1:9104}\n"):
        assert drop in text
        text = text.replace(drop, "")
    config = re.sub(r".* (blue2|green2) .*\n", "", config)
    swaps = {"/tmp/churn": str(tmp_path / "run"), "9101": blue, "9103": green, "9105": fresh, ":8080": f":{front}"}
    for said, instead in swaps.items():
        text, config = text.replace(said, str(instead)), config.replace(said, str(instead))
    (tmp_path / "pipeline.yml").write_text(text)
    # The environment of each version is this one: nothing is fetched.
    plumb_here = Path(sys.executable).parent / "plumb"
    (tmp_path / "runtime.sh").write_text(
        f'mkdir -p "$1/bin"; echo "$1" >> installed; ln -sf {plumb_here} "$1/bin/plumb"\n'
    )

    def plumb(*words: str, code: int = 0) -> str:
        ran = CliRunner().invoke(main, list(words))
        assert ran.exit_code == code, ran.output + repr(ran.exception)
        return ran.output

    (tmp_path / "run").mkdir()
    with haproxy(config, tmp_path / "run", tmp_path / "run/servers.state"), ExitStack() as ends:
        lane = runtime_lane(load(tmp_path / "pipeline.yml").lane, tmp_path)
        ends.callback(ended, lane)
        yield tmp_path, plumb, lane, f"http://127.0.0.1:{front}/v2/models/churn/infer"


GATES_AND_WATCH = """\
gates: [signature]
strategy: {kind: canary, steps: [{share: 0.4, hold: 100ms}]}
watch: {least: 40, every: 50ms, drift: null}

"""


def test_a_new_runtime_is_shipped_watched_beside_a_fresh_copy_and_taken_back_without_a_lost_request(shop) -> None:
    folder, plumb, lane, url = shop
    pipeline, registry = str(folder / "pipeline.yml"), str(folder / "build/registry")
    build(folder / "build/model", 1.0)
    assert "churn-1: promoted" in plumb("deploy", pipeline, "--by", "ada")
    (old,) = lane.serving().shares
    manifest = json.loads((folder / "build/model/plumbline.json").read_text())
    names = list(manifest["golden"]["inputs"])
    row = {"inputs": [{"name": one, "datatype": "FP64", "shape": [1], "data": [44.0]} for one in names]}
    build(folder / "build/model", -1.0)
    with Strict(url, json.dumps(row).encode(), in_flight=4) as client:
        client.wait(20)
        (served_before,) = client.tally.versions
        told = plumb("deploy", pipeline, "--by", "ada", "--why", "new libraries")
        (new,) = lane.serving().shares
        client.wait(20)
        (served_now,) = set(client.tally.versions) - {served_before}
        client.expect([served_now])
        client.wait(40)
        client.expect([served_before, served_now])
        went_back = plumb("rollback", "churn", "--why", "baskets are abandoned", "--registry", registry)
        client.expect([served_before])
        client.wait(40)
    assert (client.tally.failed, client.tally.stale) == (0, 0), client.tally.examples
    assert new != old
    assert "churn-2: promoted" in told
    assert "the baseline is a freshly loaded copy of the version that serves" in told
    assert re.search(r"40% 1\.0\.0 \(fresh copy\)", told)
    assert re.search(r"no harm in \d+ requests beside \d+ of the baseline", told)
    assert "churn-3: promoted" in went_back
    assert lane.serving().shares == {old: 1.0}
    assert not [name for name in lane.serving().ready if name.endswith(COPY)]
    assert len(set((folder / "installed").read_text().split())) == 2


def stand_ins(folder: Path, ports: list[int], baseline: bool = True) -> LaneUse:
    """A lane whose servers are small programs that answer quickly."""
    names = iter(ports)
    lane = {
        "kind": "runtime",
        "haproxy": str(folder.parent / "haproxy.sock"),
        "backend": "model",
        "folder": str(folder),
        "groups": [{"name": name, "servers": [{"address": f"127.0.0.1:{next(names)}"}]} for name in ("blue", "green")],
        "start": {"run": f"{sys.executable} -IS {STANDIN} {{port}} {{digest}}", "time_limit": "30s"},
    }
    if baseline:
        lane["baseline"] = {"name": "fresh", "servers": [{"address": f"127.0.0.1:{next(names)}"}]}
    use, wrong = fit(LaneUse, lane)
    assert use is not None, wrong
    return use


@pytest.fixture(scope="module")
def front():
    """One HAProxy for all, and ports that it knows; in memory, for a journal waits for the disk."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield from _front(Path(name))


def _front(folder):
    own, *ports = free_ports(4)
    groups = {name: [Address("127.0.0.1", port)] for name, port in zip(("blue", "green", "fresh"), ports, strict=True)}
    door = FrontDoor(Address("127.0.0.1", own), str(folder / "haproxy.sock"), str(folder / "servers.state"))
    with haproxy(configuration(door, groups), folder, folder / "servers.state") as proxy:
        yield folder, proxy, ports, f"http://127.0.0.1:{own}/v2/models/churn/infer"


@pytest.fixture
def url(front):
    """Where callers ask."""
    return front[3]


@pytest.fixture
def world(front, request):
    """A registry in a file and a lane on which the old version serves: what survives a deployer."""
    folder, proxy, ports, _ = front
    place = folder / f"world{next(NUMBERS)}"
    place.mkdir()
    use = stand_ins(place, ports, getattr(request, "param", True))
    lane = runtime_lane(use, place)
    proxy.set_state("model", ["blue1", "green1", "fresh1"], "maint")
    registry = FileRegistry(place / "registry.json")
    registry.move(MODEL, "production", to=OLD.version, expect=None, by="", why="")
    lane.prepare(OLD.digest, epoch=0)
    lane.share({OLD.digest: 1.0}, epoch=0)
    yield place, registry, lane, use
    ended(lane)


def _wrong(answer) -> str | None:
    return None if answer.version.encode() in answer.body else "wrong body"


NUMBERS = itertools.count()
EFFECTS = (
    "prepare:candidate",
    "prepare:baseline",
    "shift:0",
    "promote:share",
    "settle:retire",
    "roll-back:share",
    "roll-back:retire",
)
MOMENTS = list(itertools.product(EFFECTS, ("before", "after")))


@pytest.mark.parametrize(("effect", "when"), MOMENTS, ids=[":".join(one) for one in MOMENTS])
def test_kill_9_around_every_effect_on_the_groups_loses_nothing_and_ends_consistently(world, url, effect, when) -> None:
    place, registry, lane, use = world
    errors = 60 if effect.startswith("roll-back") else 0

    def deployer(listen):
        journal = Journal(place / "deployments.db")
        own = runtime_lane(use, place)
        source = Counts(errors=errors)
        return journal, lambda _: controller(journal, registry, own, source=source, listen=listen, ttl_s=30)

    def die(moment):
        if (moment.what, moment.when) == (effect, when):
            kill_here()

    go, gone = os.pipe()
    pid = os.fork()  # before there is a thread
    if pid == 0:
        os.read(go, 1)
        journal, make = deployer(die)
        with suppress(BaseException):
            recovery.deploy(journal, plan(), make)
        os._exit(1)  # it was to be killed
    with Strict(url, b'{"inputs":[]}', in_flight=2, wrong=_wrong) as client:
        client.wait(2)
        os.write(gone, b".")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
        client.wait(2)
        journal, make = deployer(lambda _: None)
        (found,) = recovery.resume(journal, MODEL, make)
        client.expect([(OLD if errors else NEW).digest])
        client.wait(4)
    os.close(go)
    os.close(gone)
    assert (client.tally.failed, client.tally.stale) == (0, 0), client.tally.examples
    assert found[1].step == ("rolled-back" if errors else "promoted")
    consistent(registry, lane, found[1].step)
    journal.close()


@pytest.mark.parametrize("world", [False], indirect=True)
def test_without_a_group_for_copies_the_watch_says_that_it_compares_with_what_serves(world) -> None:
    place, registry, lane, _ = world
    journal, told = Journal(place / "deployments.db"), []
    made = controller(journal, registry, lane, listen=lambda moment: told.append(moment.sentence))
    assert recovery.deploy(journal, plan(), lambda _: made)[1].step == "promoted"
    assert any("no group of the lane is for a freshly started copy" in sentence for sentence in told)
    assert lane.serving().shares == {NEW.digest: 1.0}
    assert lane._groups[0].running() == OLD.digest  # the way back still runs
    journal.close()


def test_after_the_machine_was_gone_the_version_of_the_alias_is_brought_back_by_its_name(world) -> None:
    place, registry, lane, _ = world
    ended(lane)
    journal = Journal(place / "deployments.db")
    back = plan(kind="rollback", to=OLD.version, stages=())
    made = controller(journal, registry, lane, work=None)
    assert recovery.roll_back(journal, registry, back, lambda _: made)[1].step == "promoted"
    consistent(registry, lane, "promoted", new=OLD)
    journal.close()


def test_a_copy_never_takes_the_place_of_a_version_nor_a_version_that_of_a_copy(world) -> None:
    _, _, lane, _ = world
    lane.prepare(NEW.digest, epoch=1)
    lane.prepare(OLD.digest + COPY, epoch=1)
    assert [group.running() for group in lane._groups] == [OLD.digest, NEW.digest, OLD.digest + COPY]
    lane.share({OLD.digest: 0.9, NEW.digest: 0.05, OLD.digest + COPY: 0.05}, epoch=1)
    assert lane.serving().shares == pytest.approx(
        {OLD.digest: 0.9, NEW.digest: 0.05, OLD.digest + COPY: 0.05}, abs=0.002
    )
    with pytest.raises(InvalidError, match="no group is free"):
        lane.prepare(NEW.digest + COPY, epoch=1)
