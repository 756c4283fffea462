"""Clients of several workers: messages reach all of them, and whoever loses its worker, or the supervisor, knows it."""

import contextlib
import json
import os
import signal
import threading

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from plumbline.streaming.probes.adminclient import AdminError

PATIENCE_S = 30


def until_closed(link):
    """Read on, and return what was said before the end."""
    seen = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            seen.append(json.loads(link.recv(timeout=PATIENCE_S)))
    return seen


class Publisher:
    """A client that publishes with keys: what was not answered is published again, and stored once."""

    def __init__(self, url):
        self.url, self.link = url, None

    def publish(self, number, channel="a"):
        while True:
            try:
                if self.link is None:
                    self.link = connect(self.url, compression=None, proxy=None, legacy=True)
                self.link.send(json.dumps({"id": number, "publish": channel, "data": number, "key": str(number)}))
                while (told := json.loads(self.link.recv(timeout=PATIENCE_S))).get("id") != number:
                    pass
                if "ok" in told:
                    return told["offset"]
            except (ConnectionClosed, WebSocketException, OSError):
                self.close()

    def close(self):
        if self.link is not None:
            self.link.close()
            self.link = None


@pytest.fixture
def publisher():
    opened = []

    def begin(url):
        opened.append(Publisher(url))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def test_what_is_published_on_one_worker_reaches_the_readers_of_all(fleet, publisher, reader):
    gateway = fleet("--workers", "3")
    readers = [reader(gateway.url, 20) for _ in range(12)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    assert min(row["connections"] for row in gateway.rows()) >= 0
    source = publisher(gateway.url)
    offsets = [source.publish(number) for number in range(20)]
    for one in readers:
        one.join(PATIENCE_S)
    assert offsets == list(range(1, 21))
    assert all(one.data == list(range(20)) for one in readers)
    rows = gateway.rows()
    busy = [row for row in rows if row["deliveries"]]
    assert sum(row["deliveries"] for row in rows) == 12 * 20
    assert all(row["relay_messages"] == 20 for row in busy)  # once to each worker, however many readers it has


def test_a_worker_killed_under_load_loses_nothing(fleet, publisher, reader):
    gateway = fleet("--workers", "2")
    count = 400
    readers = [reader(gateway.url, count) for _ in range(10)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    source = publisher(gateway.url)
    for number in range(count):
        source.publish(number)
        if number == count // 2:
            os.kill(max(gateway.rows(), key=lambda row: row["connections"])["pid"], signal.SIGKILL)
    for one in readers:
        one.join(PATIENCE_S)
    assert all(one.data == list(range(count)) for one in readers)  # 0 lost, 0 twice, in order
    assert any(one.ends for one in readers)
    assert all(all(one.recovered) for one in readers)
    assert gateway.ask(get="workers")["deaths"] == 1


def test_a_rolling_restart_under_load_loses_nothing(fleet, publisher, reader):
    gateway = fleet("--workers", "2")
    count = 300
    readers = [reader(gateway.url, count) for _ in range(8)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    source = publisher(gateway.url)
    restart = threading.Thread(target=lambda: gateway.ask(restart={}))
    for number in range(count):
        source.publish(number)
        if number == 50:
            restart.start()
        if number == count - 10:  # the last ones come when all has been replaced
            restart.join(PATIENCE_S)
    for one in readers:
        one.join(PATIENCE_S)
    assert all(one.data == list(range(count)) for one in readers)
    assert {end for one in readers for end in one.ends} == {1012}  # nobody was refused or reset
    assert all(len(one.ends) <= 2 for one in readers)  # twice: from the first worker to the second's old one
    assert all(all(one.recovered) for one in readers)


def test_history_presence_and_keys_are_the_same_on_every_worker(fleet, until):
    gateway = fleet("--workers", "3")
    links = gateway.connect(8)
    for number, link in enumerate(links):
        link.send(json.dumps({"id": 1, "publish": "h", "data": number, "key": "once"}))
        assert json.loads(link.recv(timeout=PATIENCE_S))["offset"] == 1  # stored once, whoever is asked
    for link in links:
        link.send(json.dumps({"id": 2, "history": "h", "limit": 5}))
        assert json.loads(link.recv(timeout=PATIENCE_S))["messages"] == [{"offset": 1, "data": 0}]
    links[0].send(json.dumps({"id": 3, "subscribe": "p", "join": True}))
    while "ok" not in json.loads(links[0].recv(timeout=PATIENCE_S)):
        pass

    def present(link):
        link.send(json.dumps({"id": 4, "presence": "p"}))
        return json.loads(link.recv(timeout=PATIENCE_S))["count"] == 1

    for link in links[1:]:
        until(lambda link=link: present(link))


def test_after_a_killed_supervisor_the_epoch_is_another_and_nobody_is_told_that_he_recovered(fleet, publisher, until):
    first = fleet("--workers", "2")
    source = publisher(first.url)
    link = first.connect(1)[0]
    link.send(json.dumps({"id": 1, "subscribe": "a"}))
    told = json.loads(link.recv(timeout=PATIENCE_S))
    for number in range(5):
        source.publish(number)
    first.child.kill()
    seen = until_closed(link)
    assert link.close_code == 1012
    assert any("reconnect" in one for one in seen)  # told when to come back, before the end
    port = first.url.rsplit(":", 1)[1].strip("/")
    until(lambda: first.log.count("drained") == 2)
    second = fleet("--workers", "2", "--listen", f"127.0.0.1:{port}")
    assert second.url == first.url
    again = second.connect(1)[0]
    again.send(json.dumps({"id": 1, "subscribe": "a", "since": {"epoch": told["epoch"], "offset": 5}}))
    answer = json.loads(again.recv(timeout=PATIENCE_S))
    assert answer["recovered"] is False
    assert answer["epoch"] != told["epoch"]


def test_shedding_moves_clients_to_the_worker_that_came_late(fleet, until, reader):
    gateway = fleet("--workers", "1", settings=("balance_tolerance=0.2", "max_connections=1000"))
    readers = [reader(gateway.url, 1) for _ in range(40)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    gateway.ask(scale=2)
    assert gateway.ask(get="workers")["spread"] == 2.0
    answer = gateway.ask(balance={"within_s": 0.2})
    assert answer["asked_to_leave"] == {"worker-0": 8}  # a fifth at most

    def even():
        gateway.ask(balance={"within_s": 0.2})
        found = gateway.ask(get="workers")
        return found["spread"] <= 1.25 and sum(row["connections"] for row in found["workers"]) == 40

    until(even)
    assert gateway.ask(get="stats")["closes"].keys() <= {"balance", "normal", "no-code", "going-away"}
    for wrong in ({"within_s": -1}, {"within": 1}, 5):
        with pytest.raises(Exception, match="within_s"):
            gateway.ask(balance=wrong)
    publisher = Publisher(gateway.url)
    publisher.publish(0)
    publisher.close()
    for one in readers:
        one.join(PATIENCE_S)
    assert all(one.data == [0] for one in readers)


def test_balancing_by_itself_is_a_setting(fleet, until, reader):
    gateway = fleet("--workers", "1")
    readers = [reader(gateway.url, 1) for _ in range(20)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    gateway.ask(scale=2)
    gateway.ask(set={"balance_interval_s": 1})
    until(lambda: "balancing spread=" in gateway.log and gateway.ask(get="workers")["spread"] < 2.0)
    publisher = Publisher(gateway.url)
    publisher.publish(0)
    publisher.close()
    for one in readers:
        one.join(PATIENCE_S)


def test_the_autoscaler_scales_real_workers_by_real_connections(fleet, until, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "max_replicas: 3\nsync_period_s: 0.2\nmetrics: [{name: connections, average_value: 10}]\n"
        "down: {stabilization_s: 0, rates: [{type: pods, value: 1, period_s: 1}]}\n"
    )
    gateway = fleet("--workers", "1..3", "--autoscale", str(policy))
    links = gateway.connect(25)
    until(lambda: len(gateway.pids()) == 3, "three workers for 25 connections")
    decisions = gateway.ask(get="autoscaler")["decisions"]
    assert any("on average, target 10: ceil(" in "; ".join(one["reasons"]) for one in decisions)
    right = policy.read_text()
    policy.write_text(right.replace("max_replicas: 3", "max_replicas: none"))
    with pytest.raises(AdminError, match="max_replicas"):
        gateway.ask(**{"reload-policy": {}})
    gateway.child.send_signal(signal.SIGHUP)
    until(lambda: "reload failed" in gateway.log)
    policy.write_text(right.replace("max_replicas: 3", "max_replicas: 4"))
    assert gateway.ask(**{"reload-policy": {}})["policy"]["max_replicas"] == 4
    assert gateway.ask(get="autoscaler")["policy"]["max_replicas"] == 4
    for link in links:
        link.close()
    gateway.settled(1)
    assert "scaling workers=3 to=2" in gateway.log
    assert "scaling workers=2 to=1" in gateway.log
    assert gateway.log.count("worker left") == 2
