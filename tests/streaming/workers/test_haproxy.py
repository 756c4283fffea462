"""HAProxy, the real one, in front of two gateways: spread, health, and one of them drained with nobody lost."""

import pytest
from click.testing import CliRunner

from plumbline.cli.main import main
from plumbline.streaming.probes.adminclient import ask

PATIENCE_S = 30


def test_least_connections_fills_the_emptier_one_and_a_drained_one_loses_nobody(front, until, reader):
    proxy, (first, second) = front
    readers = [reader(proxy.url, 3, channel=str(number)) for number in range(20)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in readers)
    assert (first.connections, second.connections) == (10, 10)
    assert "ready" not in proxy.say("set server gateways/g1 state drain")
    until(lambda: proxy.states()["g1"] == "DRAIN")
    more = [reader(proxy.url, 1, channel="more") for _ in range(4)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in more)
    assert (first.connections, second.connections) == (10, 14)
    first.child.terminate()
    assert first.child.wait(PATIENCE_S) == 0
    until(lambda: second.connections == 24)  # all have come back, by way of the front
    log = first.log_path.read_text()
    assert "drained connections=10 left=" in log
    assert "lost=0" in log
    assert {end for one in readers for end in one.ends} == {1012}  # nobody was refused
    first.child.stdout.close()
    first.start()
    proxy.say("set server gateways/g1 state ready")
    until(lambda: proxy.states()["g1"] == "UP")
    last = [reader(proxy.url, 1, channel="last") for _ in range(6)]
    assert all(one.subscribed.wait(PATIENCE_S) for one in last)
    assert first.connections == 6  # the emptier one


def test_a_gateway_that_drains_by_itself_is_seen_by_its_readiness(front, until):
    proxy, (first, _) = front
    ask(first.admin, {"set": {"drain_grace_s": 5}})
    first.child.terminate()
    until(lambda: proxy.states()["g1"] == "DOWN")
    assert first.child.poll() is None  # /readyz said it, before the port was closed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--backend", "nowhere"], "no address"),
        (["--backend", "127.0.0.1:1", "--heartbeat", "0"], "without a heartbeat"),
    ],
)
def test_what_cannot_be_written_is_said(words, says):
    done = CliRunner().invoke(main, ["gateway", "haproxy-config", *words])
    assert done.exit_code == 2
    assert says in done.output
