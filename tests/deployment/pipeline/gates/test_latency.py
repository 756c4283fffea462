"""Both models are timed in turn by one clock; the clock of these tests moves only when a model works."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.gates.latency import Latency


@pytest.fixture
def timed(a_situation, a_side):
    """Let both models take given times; returns the verdicts by name."""

    def judge(new, old=None, **settings):
        now = [0.0]

        def working(times):
            endless = itertools.cycle(times)

            def before(rows):
                now[0] += next(endless)
                return rows

            return before

        production = None if old is None else a_side("1.0.0", before=working(old))
        situation = a_situation(candidate=a_side("1.0.1", before=working(new)), production=production)
        verdicts = Latency(lambda: now[0])(type(situation)(**{**fields(situation), "settings": settings}))
        return {verdict.gate: verdict for verdict in verdicts}

    return judge


def fields(situation):
    return {name: getattr(situation, name) for name in situation.__dataclass_fields__}


def outcomes(verdicts):
    return {name: verdict.outcome for name, verdict in verdicts.items()}


def test_a_model_that_is_as_quick_passes(timed):
    assert outcomes(timed([1e-3], [1e-3])) == {"latency/p50": Outcome.PASS, "latency/p99": Outcome.PASS}


def test_a_model_that_takes_three_times_as_long_fails_and_says_so(timed):
    verdicts = timed([3e-3], [1e-3])
    assert outcomes(verdicts) == {"latency/p50": Outcome.FAIL, "latency/p99": Outcome.FAIL}
    assert "p50 3 ms against 1 ms in production: 3.00 times" in verdicts["latency/p50"].sentence


def test_a_slow_tail_is_seen_though_the_median_is_equal(timed):
    tail = [1e-3] * 15 + [9e-3]
    assert outcomes(timed(tail, [1e-3])) == {"latency/p50": Outcome.PASS, "latency/p99": Outcome.FAIL}


def test_a_noisy_measurement_is_inconclusive(timed):
    noisy = np.repeat(np.random.default_rng(5).choice([0.8e-3, 2.6e-3], 20), 20)  # the machine changes block by block
    assert outcomes(timed(noisy, [1e-3]))["latency/p50"] is Outcome.INCONCLUSIVE


def test_nobody_waits_for_microseconds(timed):
    tiny = timed([30e-6], [8e-6])
    assert outcomes(tiny) == {"latency/p50": Outcome.PASS, "latency/p99": Outcome.PASS}
    assert "0.008 ms in production, counted as 1 ms: 0.03 times" in tiny["latency/p50"].sentence
    assert outcomes(timed([30e-6], [8e-6], negligible=0))["latency/p50"] is Outcome.FAIL


def test_one_pause_of_the_machine_does_not_decide(timed):
    assert outcomes(timed([*[1e-3] * 404, 0.5], [1e-3], p99=2.0, calls=400))["latency/p50"] is Outcome.PASS


def test_what_cannot_be_measured_within_the_budget_is_inconclusive(timed):
    (verdict,) = timed([0.1], [0.1], budget=3.0).values()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "only 1 of 20 blocks" in verdict.sentence


def test_a_first_deployment_needs_a_limit_of_its_own(timed):
    assert outcomes(timed([1e-3])) == {"latency": Outcome.INCONCLUSIVE}
    assert outcomes(timed([1e-3], at_most="2ms")) == {"latency/at_most": Outcome.PASS}
    assert outcomes(timed([3e-3], at_most="2ms")) == {"latency/at_most": Outcome.FAIL}


def test_batches_have_the_size_that_the_pipeline_says(a_situation, a_side):
    sizes = set()
    side = a_side("1.0.1", before=lambda rows: sizes.add(len(rows["age"])) or rows)
    now = itertools.count()
    situation = a_situation(candidate=side, settings={"rows": 16, "calls": 100, "budget": "1h"})
    assert len(list(Latency(lambda: next(now) * 1e-3)(situation))) == 2
    assert sizes == {16}
