"""The autoscaler's loop on a fake clock: metrics from counters, one worker at a time, decisions with reasons."""

import asyncio
import itertools
import logging

from plumbline.streaming.autoscaling.policy import Down, Policy
from plumbline.streaming.autoscaling.proposals import State
from plumbline.streaming.workers.autoscaler import KEPT, Autoscaler, Rates, Seen

POLICY = Policy.read(
    {
        "min_replicas": 1,
        "max_replicas": 8,
        "metrics": [
            {"name": "connections", "average_value": 100},
            {"name": "deliveries_per_second", "average_value": 1000},
        ],
        "down": {"stabilization_s": 30},
    }
)


class World:
    """Workers that share a load evenly; the clock goes on when it is told to."""

    def __init__(self, workers=1, policy=POLICY, drain_s=20.0):
        self.now, self.workers, self.leaving = 1000.0, workers, 0
        self.connections, self.delivered, self.rate = 0, 0.0, 0.0
        self.silent = set()
        self.scaler = Autoscaler(policy, self.look, self.scale, drain_s=lambda: drain_s, clock=lambda: self.now)

    async def look(self):
        def seen(number, state):
            stats = {"connections": self.connections / self.workers, "deliveries": self.delivered / self.workers}
            return Seen(f"worker-{number}", state, 100 + number, None if number in self.silent else stats)

        return [seen(number, State.READY) for number in range(self.workers)] + [
            seen(100 + number, State.LEAVING) for number in range(self.leaving)
        ]

    async def scale(self, count):
        self.workers = count

    def step(self, seconds=15.0):
        self.now += seconds
        self.delivered += self.rate * seconds
        return asyncio.run(self.scaler.step())

    @property
    def last(self):
        return self.scaler.decisions[-1]


def test_it_grows_with_the_connections():
    world = World()
    world.connections = 50
    world.step()  # the rate of deliveries is known from the second look on: growing does not wait for it
    world.connections = 450
    assert world.step() == 5
    assert "connections is 450 on average, target 100: ceil(4.5 x 1) = 5" in world.last["reasons"]
    assert (world.last["from"], world.last["to"]) == (1, 5)


def test_it_grows_with_the_deliveries_when_the_connections_are_few():
    world = World(workers=2)
    world.connections = 200
    world.step()
    world.rate = 4000
    assert world.step() == 4
    assert any("deliveries_per_second is 2000 on average" in reason for reason in world.last["reasons"])


def test_it_shrinks_one_worker_in_a_drain_window_after_the_window_of_stabilization():
    world = World(workers=4)
    world.connections = 380
    for _ in range(3):
        assert world.step() == 4
    world.connections = 40
    found = [(world.step(5.0), world.now) for _ in range(24)]
    assert found[0][0] == 4
    changes = [at for (before, _), (after, at) in itertools.pairwise(found) if after != before]
    assert [world.workers, len(changes)] == [1, 3]
    assert all(later - earlier >= 20 for earlier, later in itertools.pairwise(changes))
    reasons = [reason for decision in world.scaler.decisions for reason in decision["reasons"]]
    assert "one worker at a time" in reasons
    assert "the last worker went less than 20 s ago: wait" in reasons


def test_while_a_worker_drains_no_other_goes():
    world = World(workers=4)
    world.connections = 40
    world.leaving = 1
    for _ in range(6):
        assert world.step() == 4
    assert world.last["reasons"][-1] == "a worker is still draining: wait for it"
    world.leaving = 0
    assert world.step() == 3


def test_a_worker_that_does_not_answer_is_missing_and_holds_shrinking_back():
    world = World(workers=3)
    world.connections = 210
    world.step()
    world.silent = {2}
    for _ in range(4):
        assert world.step() == 3
    assert "1 missing" in "; ".join(world.last["reasons"])


def test_when_nobody_answers_nothing_is_done():
    world = World(workers=3)
    world.silent = {0, 1, 2}
    assert world.step() == 3
    assert world.last["code"] == "FailedGetMetrics"


def test_a_metric_over_the_total_is_the_sum_of_all():
    policy = POLICY.model_copy(
        update={
            "metrics": Policy.read(
                {
                    "max_replicas": 8,
                    "metrics": [{"name": "connections", "over": "total", "average_value": 100}],
                }
            ).metrics
        }
    )
    world = World(workers=2, policy=policy)
    world.connections = 450
    assert world.step() == 5


def test_a_hundred_decisions_are_kept_newest_first_with_the_policy():
    world = World()
    for _ in range(KEPT + 20):
        world.step(1.0)
    view = world.scaler.view()
    assert len(view["decisions"]) == KEPT
    assert view["decisions"][0]["at"] > view["decisions"][-1]["at"]
    assert view["policy"]["metrics"][0] == {"name": "connections", "over": "pods", "average_value": 100, "value": None}


def test_scaling_is_logged_with_its_reason(caplog):
    world = World()
    world.connections = 450
    with caplog.at_level(logging.INFO, "plumbline.gateway"):
        world.step()
    assert "scaling workers=1 to=5 code=DesiredWithinRange" in caplog.text


def test_rates_begin_anew_with_another_process():
    rates = Rates()
    assert rates.values(Seen("w", State.READY, 1, {"connections": 2, "deliveries": 50}), 0.0) == {"connections": 2}
    found = rates.values(Seen("w", State.READY, 1, {"connections": 2, "deliveries": 150}), 10.0)
    assert found["deliveries_per_second"] == 10
    assert rates.values(Seen("w", State.READY, 2, {"connections": 0, "deliveries": 5}), 20.0) == {"connections": 0}
    assert rates.values(Seen("w", State.UNREADY, 2, None), 30.0) == {}


def test_a_round_that_fails_does_not_end_the_loop(caplog):
    calls = []

    async def scale(count):
        raise AssertionError(count)

    async def main():
        done = asyncio.Event()

        async def look():
            calls.append(1)
            if len(calls) == 1:
                raise OSError("no descriptors")
            done.set()
            return []

        policy = POLICY.model_copy(update={"sync_period_s": 0.001})
        scaler = Autoscaler(policy, look, scale, drain_s=lambda: 1.0, clock=asyncio.get_running_loop().time)
        task = asyncio.create_task(scaler.run())
        async with asyncio.timeout(20):
            await done.wait()
        task.cancel()

    asyncio.run(main())
    assert "internal error: autoscaler" in caplog.text


def test_changes_are_kept_with_the_load_and_who_must_go_elsewhere():
    world = World(workers=1, policy=POLICY.model_copy(update={"down": Down(stabilization_s=0)}), drain_s=1.0)
    world.connections = 190
    world.step()
    world.connections = 40
    world.step()
    last, first = world.scaler.view()["changes"]
    assert (first["from"], first["to"], first["moved"]) == (1, 2, 0)
    assert first["load"]["connections"] == 190
    assert (last["from"], last["to"], last["moved"]) == (2, 1, 20)
    assert world.scaler.view()["now"] >= last["at"] > first["at"]


def test_another_policy_holds_from_the_next_decision_on():
    world = World(workers=4)
    world.connections = 40
    assert world.step() == 4  # the window of 30 s
    world.scaler.take(POLICY.model_copy(update={"down": Down(stabilization_s=0)}))
    assert world.step() == 3
