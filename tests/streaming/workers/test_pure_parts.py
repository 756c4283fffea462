"""What workers are made of, without processes: restarts, sums, balance, counts, the front's configuration."""

import random
import subprocess

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming import Settings
from plumbline.streaming.autoscaling.policy import PolicyError
from plumbline.streaming.core.address import Address
from plumbline.streaming.workers import sums
from plumbline.streaming.workers.balance import spread, surplus
from plumbline.streaming.workers.exposition import labelled
from plumbline.streaming.workers.haproxy import Front, config
from plumbline.streaming.workers.restarts import CRASH_LOOP, FIRST_DELAY_S, LONGEST_DELAY_S, STABLE_S, Restarts
from plumbline.streaming.workers.serve import Count, policy_for, processors, words


def test_early_deaths_double_the_delay_up_to_a_limit_and_a_long_life_forgives_them():
    restarts = Restarts()
    delays = [restarts.delay_s(0.0) for _ in range(12)]
    assert delays[:3] == [FIRST_DELAY_S, 2 * FIRST_DELAY_S, 4 * FIRST_DELAY_S]
    assert delays[-1] == LONGEST_DELAY_S
    assert restarts.crash_loop
    assert restarts.delay_s(STABLE_S) == FIRST_DELAY_S
    assert not restarts.crash_loop
    assert restarts.total == 13
    loops = [restarts.delay_s(1.0) and restarts.crash_loop for _ in range(CRASH_LOOP)]
    assert loops.index(True) == CRASH_LOOP - 2  # the one that was forgiven counts as the first


def test_counters_are_summed_and_of_lags_the_worst_counts():
    one = {"connections": 3, "loop_lag_s": 0.2, "closes": {"normal": 1}, "pid": 1, "accept_queue": None, "x_s": 0.5}
    other = {"connections": 4, "loop_lag_s": 0.1, "closes": {"normal": 2, "lost": 1}, "pid": 2, "accept_queue": 5}
    found = sums.stats([one, other, {"x_s": 0.25, "accept_queue": None, "name": "a", "nested": {"a": "b"}}])
    assert found["connections"] == 7
    assert found["loop_lag_s"] == 0.2
    assert found["closes"] == {"normal": 3, "lost": 1}
    assert (found["pid"], found["accept_queue"], found["x_s"], found["name"]) == (1, 5, 0.75, "a")
    assert sums.stats([{"nested": {"a": "b"}}, {"nested": {"c": 1}}])["nested"] == {"a": "b", "c": 1}
    assert sums.stats([]) == {}


def test_queues_of_all_workers_are_named_by_worker_fullest_first():
    def answer(sizes):
        rows = [
            {"connection": f"#{n}", "queued_bytes": size, "kernel_unsent_bytes": None} for n, size in enumerate(sizes)
        ]
        sums_ = {"connections": len(sizes), "queued_bytes": sum(sizes), "resident_bytes": 10, "held_publishers": 0}
        return {**sums_, "overflow": "wait", "queues": rows}

    found = sums.queues({"worker-0": answer([5, 1]), "worker-1": answer([9])})
    assert [row["connection"] for row in found["queues"]] == ["worker-1:#0", "worker-0:#0", "worker-0:#1"]
    assert (found["connections"], found["queued_bytes"], found["resident_bytes"]) == (3, 15, 20)


def test_closes_of_all_workers_are_newest_first():
    answers = {
        "worker-0": {"heartbeat_interval_s": 5, "connections": 1, "recent": [{"ago_s": 3}, {"ago_s": 9}]},
        "worker-1": {"heartbeat_interval_s": 5, "connections": 2, "recent": [{"ago_s": 4}] * 300},
    }
    found = sums.closes(answers)
    assert [item["ago_s"] for item in found["recent"]][:3] == [3, 4, 4]
    assert (found["connections"], len(found["recent"])) == (3, sums.RECENT)


loads = st.dictionaries(st.integers(0, 8), st.integers(0, 5000), max_size=9)


@given(loads, st.floats(0.01, 2))
def test_only_overloaded_workers_let_go_never_below_the_mean_and_never_many_at_once(connections, tolerance):
    going = surplus(connections, tolerance)
    mean = sum(connections.values()) / len(connections) if connections else 0
    for worker, count in going.items():
        assert connections[worker] > mean * (1 + tolerance)
        assert 0 < count <= connections[worker] * 0.2
    assert spread(connections) >= 1


@given(st.integers(0, 2**32), st.integers(2, 8), st.integers(1000, 20_000))
def test_a_worker_that_came_late_is_filled_in_a_few_rounds(seed, workers, clients):
    """Those who come back are spread over all workers by a hash, the full ones too."""
    hashed, connections = random.Random(seed), dict.fromkeys(range(workers), 0)
    connections[0] = clients
    for _ in range(40):
        if not (going := surplus(connections, 0.1)):
            break
        for worker, count in going.items():
            connections[worker] -= count
            for _ in range(count):
                connections[hashed.randrange(workers)] += 1
    assert not surplus(connections, 0.1)
    assert sum(connections.values()) == clients
    assert spread(connections) <= 1.1 + workers / clients


@pytest.mark.parametrize(
    ("text", "low", "high"), [("3", 3, 3), ("2..8", 2, 8), ("auto", processors(), processors()), ("1..1", 1, 1)]
)
def test_the_number_of_workers(text, low, high):
    assert Count.parse(text) == Count(low, high)


@pytest.mark.parametrize("text", ["0", "2..", "..3", "5..2", "257", "x", "-1", "1..x"])
def test_what_is_no_number_of_workers(text):
    with pytest.raises(ValueError, match="is no number of workers"):
        Count.parse(text)


def test_workers_get_the_words_of_the_command_line_but_for_those_of_the_supervisor(monkeypatch):
    monkeypatch.setenv("FROM_ENV", "kept out")
    found = []

    @click.command()
    @click.option("--listen")
    @click.option("--config")
    @click.option("--set", "overrides", multiple=True)
    @click.option("--flag", is_flag=True)
    @click.option("--on/--off", default=True)
    @click.option("--env", envvar="FROM_ENV")
    @click.option("--default", default=3)
    @click.argument("rest", nargs=-1)
    @click.pass_context
    def command(context, **_):
        found.extend(words(context))

    command(
        ["--listen", "a:1", "--set", "a=1", "--set", "b=2", "--flag", "--off", "--config", "f.toml", "x"],
        standalone_mode=False,
    )
    assert found == ["--config", "f.toml", "--set", "a=1", "--set", "b=2", "--flag", "--off"]


def test_between_two_numbers_there_is_a_default_policy_that_takes_one_worker_at_a_time(tmp_path):
    policy = policy_for(Count(2, 6), None, Settings(max_connections=1000))
    assert (policy.min_replicas, policy.max_replicas) == (2, 6)
    assert {metric.name: metric.target for metric in policy.metrics}["connections"] == 700
    [rate] = policy.down.rates
    assert (rate.type, rate.value) == ("pods", 1)
    assert policy_for(Count(2, 2), None, Settings()) is None
    (tmp_path / "scale.yaml").write_text("max_replica: 3")
    with pytest.raises(PolicyError, match="did you mean 'max_replicas'"):
        policy_for(Count(2, 2), tmp_path / "scale.yaml", Settings())


def test_expositions_become_one_with_a_label_and_one_head_for_each_family():
    text = (
        '# HELP a_total Counts.\n# TYPE a_total counter\na_total{{reason="x"}} {}\n# HELP b Is.\n# TYPE b gauge\nb 1\n'
    )
    found = {family.name: family for family in labelled([("w0", text.format(1)), ("w1", text.format(2))])}
    assert set(found) == {"a", "b"}
    assert [(one.labels, one.value) for one in found["a"].samples] == [
        ({"worker": "w0", "reason": "x"}, 1.0),
        ({"worker": "w1", "reason": "x"}, 2.0),
    ]


FRONT = Front(Address("127.0.0.1", 8080), "/tmp/none.sock")


def test_the_fronts_idle_time_outs_are_longer_than_two_heartbeats():
    text = config(FRONT, [Address("127.0.0.1", 1), Address("127.0.0.1", 2)])
    assert "balance leastconn" in text
    assert "server g1 127.0.0.1:1" in text
    assert text.count("60s") == 3  # client, server, tunnel: 2 x 25 + 10
    assert "option httpchk GET /readyz" in text


def test_haproxy_accepts_it(tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(config(FRONT, [Address("::1", 1)]))
    subprocess.run(["haproxy", "-c", "-f", str(file)], check=True, capture_output=True)


@pytest.mark.parametrize("backends", [[], [Address("127.0.0.1", 1)] * 2])
def test_each_gateway_behind_the_front_is_named_once(backends):
    with pytest.raises(ValueError, match="and once"):
        config(FRONT, backends)


def test_a_front_without_heartbeat_is_refused():
    with pytest.raises(ValueError, match="without a heartbeat"):
        Front(Address("127.0.0.1", 1), "/x", heartbeat_s=0)
