"""Gateway processes over NATS, seen by their clients: gateways die, the server dies, a region dies."""

import asyncio
import json
import subprocess
import sys

import pytest
from cluster.gatewaylab import Gateway
from cluster.natslab import PATIENCE_S, eventually
from cluster.twolab import LIMITS
from websockets.sync.client import connect

from plumbline.streaming.cluster import regions
from plumbline.streaming.cluster.link import Link


class Client:
    """A client that keeps apart what is answered and what is told."""

    def __init__(self, gateway):
        self._open = connect(gateway.url, compression=None, proxy=None)
        self.link = self._open.__enter__()
        self.told = []
        self.answers = {}
        self._last = 0

    def send(self, **request):
        self._last += 1
        self.link.send(json.dumps({"id": self._last, **request}))
        return self._last

    def read(self):
        said = json.loads(self.link.recv(timeout=PATIENCE_S))
        if "id" in said:
            self.answers[said["id"]] = said
        else:
            self.told.append(said)

    def answer(self, number):
        while number not in self.answers:
            self.read()
        return self.answers.pop(number)

    def ask(self, **request):
        return self.answer(self.send(**request))

    def offsets(self, channel):
        return [said["offset"] for said in self.told if said.get("channel") == channel and "offset" in said]

    def until(self, channel, offset):
        while offset not in self.offsets(channel):
            self.read()
        return self.offsets(channel)

    def close(self):
        self._open.__exit__(None, None, None)


@pytest.fixture
def world(tmp_path):
    """Start gateways and clients; all are gone after the test."""
    started = []

    class World:
        def gateway(self, name, server, *words):
            started.append(Gateway(tmp_path, name, server, *words))
            return started[-1]

        def client(self, gateway):
            started.append(Client(gateway))
            return started[-1]

    yield World()
    for one in reversed(started):
        if isinstance(one, Client):
            one.close()
        elif one.child.poll() is None:
            one.kill()


def test_a_client_of_a_dead_gateway_goes_on_at_another_one_where_it_was(nats, world):
    server = nats()
    first, second = world.gateway("first", server), world.gateway("second", server)
    reader, writer = world.client(first), world.client(second)
    began = reader.ask(subscribe="c")
    assert began["offset"] == 0
    for number in range(3):
        assert writer.ask(publish="c", data=number)["offset"] == number + 1
    assert reader.until("c", 3) == [1, 2, 3]
    first.kill()
    for number in range(3, 6):
        writer.ask(publish="c", data=number)
    again = world.client(second)
    answer = again.ask(subscribe="c", since={"epoch": began["epoch"], "offset": 3})
    assert (answer["recovered"], answer["messages"], answer["offset"]) == (True, 3, 6)
    assert again.until("c", 6) == [4, 5, 6]


def test_when_the_server_dies_under_load_readers_miss_nothing_that_was_acknowledged(nats, world):
    server = nats()
    reading, writing = world.gateway("reading", server), world.gateway("writing", server)
    reader, writer = world.client(reading), world.client(writing)
    began = reader.ask(subscribe="c")
    acknowledged, refused = {}, 0
    for round_ in range(12):
        asked = {
            writer.send(publish="c", data=[round_, number], key=f"{round_}-{number}"): number for number in range(20)
        }
        if round_ == 4:
            server.kill()
        if round_ == 6:
            server.start()
        for request, number in asked.items():
            answer = writer.answer(request)
            if answer.get("ok"):
                acknowledged[answer["offset"]] = [round_, number]
            else:
                assert answer["error"]["code"] == "unavailable"
                refused += 1
    assert refused > 0
    while not (last := writer.ask(publish="c", data="end", key="end")).get("ok"):
        pass
    reader.until("c", last["offset"])
    heard = {said["offset"]: said["data"] for said in reader.told if "offset" in said}
    assert reader.offsets("c") == list(range(began["offset"] + 1, last["offset"] + 1))  # once each, in order
    assert {offset: heard[offset] for offset in acknowledged} == acknowledged
    assert not [said for said in reader.told if "ended" in said]


def test_a_client_of_a_lost_region_recovers_in_the_other_and_is_told_when_positions_are_void(nats, world):
    a = nats(domain="a")
    b = nats(domain="b", leaf_of=a)

    async def set_up():
        there, here = Link([a.url]), Link([b.url])
        await there.open()
        await here.open()
        await regions.create(there, "a", LIMITS)

        async def joined():
            return all(state.role != "unreachable" for state in await regions.states(here, ("a", "b")))

        await eventually(joined)
        await regions.follow(here, "b", "a")
        await there.close()
        await here.close()

    async def promote():
        link = Link([b.url])
        await link.open()
        await regions.promote(link, "b", lost=True)
        await link.close()

    asyncio.run(set_up())
    at_a = world.gateway("a", a, "--region", "a", "--peer", "b")
    at_b = world.gateway("b", b, "--region", "b", "--peer", "a")
    reader, writer, far = world.client(at_a), world.client(at_a), world.client(at_b)
    began = reader.ask(subscribe="c")
    far.ask(subscribe="c")
    for number in range(6):
        writer.ask(publish="c", data=number)
    reader.until("c", 6)
    far.until("c", 6)  # the mirror has all
    a.kill()
    at_a.kill()
    moved = world.client(at_b)
    answer = moved.ask(subscribe="c", since={"epoch": began["epoch"], "offset": 4})
    assert (answer["recovered"], answer["messages"], answer["offset"]) == (True, 2, 6)
    assert moved.until("c", 6) == [5, 6]
    assert moved.ask(publish="c", data="x")["error"]["code"] == "unavailable"
    asyncio.run(promote())
    late = world.client(at_b)

    def void():
        answer = late.ask(subscribe="c", since={"epoch": began["epoch"], "offset": 4})
        late.ask(unsubscribe="c")
        return answer.get("recovered") is False

    asyncio.run(eventually(void))
    while not (stored := late.ask(publish="c", data="new")).get("ok"):
        pass
    assert stored["offset"] == 7
    assert stored["epoch"] != began["epoch"]
    for one in (moved, far):  # those who stayed are told too: by an end, or by nothing older than the new epoch
        while not [said for said in one.told if "ended" in said]:
            one.read()
        assert one.told[-1]["ended"]["code"] == "insufficient-state"


def test_a_gateway_without_its_cluster_says_so_and_exits(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "plumbline.streaming", "--listen", "127.0.0.1:0", "--broker", "nats://127.0.0.1:9"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "no NATS server answers at 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
