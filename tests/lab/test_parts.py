"""Each part of a topology does what it is for, can be told otherwise, and goes with the lab."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from plumbline.lab import LabError, MissingError, Population, Topology, Workload, needs
from plumbline.lab.keeper import namespace
from plumbline.lab.lab import RunningLab
from plumbline.lab.parts import Clock, Cpu, Disk, Dns, Nats, Node, Server, Tls, builder
from plumbline.lab.parts import nats as nats_part
from plumbline.lab.parts.part import fill
from plumbline.lab.proof import health
from plumbline.lab.running import running

Until = Callable[[Callable[[], object]], None]
linux_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="namespaces and cgroups without further set-up need root on Linux",
)
pytestmark = pytest.mark.timeout(120)


def lab_of(topology: Topology) -> AbstractContextManager[RunningLab]:
    return running(topology, purpose="prove", isolated=True)


def web(path: str, *parts: object, **config: object) -> Topology:
    """A plain server as the victim, and requests to one of its paths."""
    return Topology(
        victim="web",
        parts=(*parts, Server("web", "web", config=config)),  # type: ignore[arg-type]  # parts of several kinds
        workload=Workload(requests_hz=20.0, request_path=path),
    )


def healthy(lab: RunningLab) -> bool:
    plan = lab.workload
    return not health.complaints(
        lab.service(1.0),
        connects=plan.connects_hz > 0,
        messages=plan.channels > 0,
        requests=plan.requests_hz > 0,
    )


def failing(lab: RunningLab) -> bool:
    return lab.service(1.0).requests_failed > 0


def test_a_plain_server_stands_instead_of_the_gateway(until: Until) -> None:
    with lab_of(web("/healthz")) as lab:
        until(lambda: healthy(lab))
        assert lab.endpoint.pid == lab.part("web").pid
        assert str(lab.endpoint.url).startswith("http://")
        assert lab.endpoint.admin is None
        with pytest.raises(LookupError, match="'web' stands instead of it"):
            _ = lab.gateway
        assert "requests worked" in str(lab.service())
    assert lab.leftovers() == []


def test_a_servers_command_restarts_it(until: Until) -> None:
    with lab_of(web("/healthz")) as lab:
        before = lab.part("web").pid
        outcome = lab.run("restart-web", timeout_s=30)
        assert outcome.code == 0, outcome.output
        until(lambda: lab.endpoint.pid not in (0, before))
        lab.part("web").restart()
        assert lab.part("web").starts == 3


@linux_root
def test_a_cpu_quota_throttles_its_server_until_it_is_lifted(until: Until) -> None:
    with lab_of(web("/work?ms=5", Cpu(cores=2.0))) as lab:
        until(lambda: healthy(lab))
        lab.part("cpu").tell(cores=0.02)
        until(lambda: failing(lab))
        assert int((Path(lab.environment["CPU_CGROUP"]) / "cpu.stat").read_text().split("nr_throttled ")[1].split()[0])
        lab.part("cpu").tell(cores=2.0)
        until(lambda: healthy(lab))
        with pytest.raises(LabError, match="takes cores="):
            lab.part("cpu").tell(speed=1)
        group = Path(lab.environment["CPU_CGROUP"])
    assert not group.exists()
    assert lab.leftovers() == []


@linux_root
def test_a_small_disk_fills_up_for_the_lab_only(until: Until) -> None:
    with lab_of(web("/write?bytes=20000", Disk(bytes=200_000, inodes=64), data="{folder}/disk")) as lab:
        until(lambda: failing(lab))
        assert "No space left on device" in lab.logs()
        disk = Path(lab.environment["DISK"])
        assert list(disk.iterdir()) == []  # seen from outside
        assert list(Path(f"/proc/{lab.endpoint.pid}/root{disk}").iterdir())
        outcome = lab.run('find "$DISK" -type f -delete', timeout_s=30)
        assert outcome.code == 0, outcome.output
    assert lab.leftovers() == []


@linux_root
def test_names_resolve_by_the_labs_own_server_as_slowly_as_it_is_told(until: Until) -> None:
    topology = web(
        "/lookup",
        Dns(names={"features.lab": "127.0.0.1"}),
        Server("db", "upstream"),
        upstream_host="features.lab",
        upstream_port="{db.port}",
        upstream_path="/value?key=a",
    )
    machine = Path("/etc/resolv.conf").read_text()
    with lab_of(topology) as lab:
        until(lambda: healthy(lab))
        assert lab.run("cat /etc/resolv.conf", timeout_s=30).output == lab.part("dns").resolv.read_text()
        lab.part("dns").tell(names={})
        until(lambda: "cannot resolve features.lab" in lab.logs())
        lab.part("dns").tell(names={"features.lab": "127.0.0.1"}, delay_s=1.2)
        until(lambda: "resolving features.lab took" in lab.logs())
    assert Path("/etc/resolv.conf").read_text() == machine
    assert lab.leftovers() == []


def test_a_source_of_time_can_be_wrong_without_touching_the_machines_clock(until: Until) -> None:
    with lab_of(web("/token", Clock(), time_url="{clock.url}")) as lab:
        until(lambda: healthy(lab))
        lab.part("clock").tell(offset_s=90.0)
        until(lambda: failing(lab))
        assert "ImmatureSignatureError: The token is not yet valid" in lab.logs()


def test_a_cache_without_protection_sends_everybody_to_its_upstream(until: Until) -> None:
    topology = Topology(
        victim="cache",
        parts=(
            Server("db", "upstream", config={"connections": 2, "delay_s": 0.2}),
            Server("cache", "cache", admin=True, config={"upstream": "{db.url}", "ttl_s": 0.3, "admin": "{admin}"}),
        ),
        workload=Workload(requests_hz=40.0, request_path="/get?key=a"),
    )
    with lab_of(topology) as lab:
        until(lambda: healthy(lab))
        assert waited(lab) == 1  # many ask for the same key, one question goes on
        assert lab.endpoint.admin == lab.environment["CACHE_ADMIN"]
        lab.part("cache").tell(protection=False)
        until(lambda: waited(lab) > 2)
        set_back = lab.run('plumb gateway set --admin "$CACHE_ADMIN" protection=true', timeout_s=30)
        assert set_back.output == "protection = True\n"
        asked = json.loads(lab.run('curl -s "${CACHE_URL}stats"', timeout_s=30).output)
        assert asked["protection"]
        assert asked["most_at_once"] > 2
        assert asked["hits"] > 0


def waited(lab: RunningLab) -> int:
    """Return how many questions waited at the upstream at the worst moment."""
    told = lab.run('curl -s "${DB_URL}stats"', timeout_s=30)
    assert told.code == 0, told.output
    return int(json.loads(told.output)["most_waiting"])


def test_two_gateways_of_a_cluster_share_their_channels(until: Until) -> None:
    parts = (Nats(), Node("gateway-b", broker="nats"))
    topology = Topology(broker="nats", parts=parts, workload=Workload(subscribers=4, subscribe_at=("gateway-b",)))
    with lab_of(topology) as lab:
        until(lambda: healthy(lab))
        lab.gateway.restart()
        until(lambda: healthy(lab))
        assert lab.run("restart-nats", timeout_s=60).code == 0
        until(lambda: healthy(lab))
    assert lab.leftovers() == []


def test_two_regions_mirror_each_other_over_a_leaf_node(until: Until) -> None:
    parts = (
        Nats(domain="east"),
        Nats("nats-b", domain="west", leaf_of="nats"),
        Node("gateway-b", broker="nats-b"),
    )
    plan = Workload(subscribers=4, subscribe_at=("gateway-b",))
    with lab_of(Topology(broker="nats", monitored="nats-b", parts=parts, workload=plan)) as lab:
        until(lambda: healthy(lab))
        assert lab.endpoint.metrics == lab.environment["NATS_B_MONITOR"]
        shown = lab.run('plumb gateway region show east west --broker "$NATS_B_URL" --json', timeout_s=60)
        assert [one["role"] for one in json.loads(shown.output)] == ["home", "mirror"]
        lab.part("nats").stop()
        until(lambda: lab.service(1.0).delivery_ratio < 0.5)


def test_regions_that_cannot_be_made_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "regions", lambda _: {"a": "nats", "b": "nats"})  # domains that the server has not
    with pytest.raises(LabError, match="the regions cannot be made"), lab_of(Topology(broker="nats", parts=(Nats(),))):
        pass


def test_clients_trust_the_labs_own_authority_over_tls(until: Until) -> None:
    with lab_of(Topology(parts=(Tls(),))) as lab:
        until(lambda: healthy(lab))
        assert lab.url.startswith("wss://")
        assert lab.endpoint.ca == lab.environment["TLS_CA"]
        before = lab.part("tls").cert.read_bytes()
        lab.part("tls").tell(days=-1.0)
        assert lab.part("tls").cert.read_bytes() != before
        assert Path(lab.environment["TLS_KEY"]).stat().st_mode & 0o777 == 0o600


def test_a_supervisor_tells_of_its_workers(until: Until) -> None:
    with lab_of(Topology(workers=2)) as lab:
        until(lambda: lab.service().clients == lab.service().clients_wanted)
        assert len(lab.workers()) == 2
        assert lab.endpoint.metrics != f"http://127.0.0.1:{lab.gateway.port}/metrics"


def test_populations_come_stay_churn_dawdle_and_publish(until: Until) -> None:
    here = Population(name="herd", count=20, addresses=2, jitter=0.0, retry_s=0.1)
    with lab_of(Topology(populations=(here,))) as lab:
        lab.populate(Population(name="churn", kind="churners", count=20, rate_hz=30.0, stay_s=0.1))
        lab.populate(Population(name="slow", kind="slow", count=2))
        lab.populate(Population(name="sips", kind="slow", count=1, read_bytes_hz=10_000.0))
        lab.populate(Population(name="pub", kind="publishers", count=2, rate_hz=20.0))
        until(lambda: lab.population("herd").connected == 20 and lab.population("herd").received > 0)
        until(lambda: lab.population("churn").connects > 5)
        until(lambda: lab.population("slow").connected == 2)
        until(lambda: lab.population("sips").received > 0)
        until(lambda: lab.population("pub").sent > 5)
        lab.mark()
        lab.gateway.restart()
        until(lambda: lab.population("herd", 30.0).closed == 20 and lab.population("herd").connected == 20)
        assert lab.population("herd", 30.0).away_s > 0
        assert lab.service(30.0).away_s > 0
        lab.disperse("herd")
        with pytest.raises(LabError, match="the population does not answer"):
            lab.population("herd")
    assert lab.leftovers() == []


@linux_root
def test_nothing_of_the_parts_outlives_a_killed_keeper(until: Until) -> None:
    parts = (Cpu(), Disk(), Dns(), Clock(), Nats(), Server("web", "web"))
    with lab_of(Topology(victim="web", parts=parts, workload=Workload(requests_hz=5.0))) as lab:
        os.kill(lab.link.pid, signal.SIGKILL)
        until(lambda: not namespace.inhabitants(str(lab._namespace)))
    assert lab.leftovers() == []


def test_what_a_part_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    unsound = Topology(parts=(Tls(key="dsa"),))
    with pytest.raises(LabError, match=r"Tls\(key='dsa'\) is none of ec-p256"), lab_of(unsound):
        pass
    double = Topology(parts=(Clock(), Clock()))
    with pytest.raises(LabError, match="two parts of this topology are called 'clock'"), lab_of(double):
        pass
    with lab_of(Topology(parts=(Tls(),))) as lab:
        with pytest.raises(LookupError, match="no part 'cpu'; there are: tls"):
            lab.part("cpu")
        with pytest.raises(LabError, match=r"\{host\}: there are \{port\}"):
            fill("{host}", lab, {"port": "1"})
        assert fill(["{port}", {"a": 1}], lab, {"port": "7"}) == ["7", {"a": 1}]
        assert lab.part("gateway") is lab.gateway
        with pytest.raises(LabError):
            lab.workers()
    monkeypatch.setattr(nats_part, "program", lambda: None)
    monkeypatch.setattr(needs, "program", lambda: None)
    with pytest.raises(MissingError, match="nats-server"), lab_of(Topology(parts=(Nats(),))):
        pass


def test_a_node_is_one_more_gateway(until: Until) -> None:
    topology = Topology(parts=(Node("gateway-b"),), populations=(Population(name="far", count=3, at="gateway-b"),))
    with lab_of(topology) as lab:
        until(lambda: healthy(lab))
        until(lambda: lab.population("far").connected == 3)
        assert lab.environment["GATEWAY_B_ADMIN"] != lab.environment["PLUMBLINE_ADMIN"]
        assert lab.run("restart-gateway-b", timeout_s=30).code == 0
