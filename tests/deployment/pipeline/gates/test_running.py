"""Whatever a gate does, it ends in a verdict, and only evidence is a pass."""

from __future__ import annotations

import sys
import threading
from importlib.metadata import EntryPoint

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.verdicts import Outcome, Verdict, together
from plumbline.deployment.pipeline.gates import offered
from plumbline.deployment.pipeline.gates.running import run_gates
from plumbline.deployment.pipeline.parts import GateUse
from plumbline.deployment.pipeline.rehearsal import Rehearsal


def fine(situation):
    return [Verdict("fine", Outcome.PASS, "all is well")]


def suite(situation):
    for name in ("rows", "schema"):
        yield Verdict(name, Outcome.PASS, f"{name} are as they were")


def broken(situation):
    raise ZeroDivisionError("a bug of the gate")


def halfway(situation):
    yield Verdict("halfway", Outcome.PASS, "so far so good")
    raise UnavailableError("the warehouse does not answer")


def exits(situation):
    sys.exit(0)


def silent(situation):
    return []


def talkative(situation):
    return ["pass"]


def alone(situation):
    return Verdict("alone", Outcome.FAIL, "no")


GATES = {
    "fine": fine,
    "suite": suite,
    "broken": broken,
    "halfway": halfway,
    "exits": exits,
    "silent": silent,
    "talkative": talkative,
    "alone": alone,
}


@pytest.fixture(scope="module")
def nothing():
    """A situation of which these gates want nothing but its settings."""
    from plumbline.deployment.core.gates import Situation

    return Situation(candidate=None, production=None)


def test_gates_answer_in_order_and_one_may_answer_with_a_suite(nothing):
    heard = []
    verdicts = run_gates(nothing, ["fine", "suite", "alone"], gates=GATES, told=lambda *one: heard.append(one))
    assert [verdict.gate for verdict in verdicts] == ["fine", "suite/rows", "suite/schema", "alone"]
    assert [name for name, _ in heard] == ["fine", "suite", "alone"]
    assert all(verdict.took_s > 0 for verdict in verdicts)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "ZeroDivisionError: a bug of the gate"),
        ("halfway", "the warehouse does not answer"),
        ("exits", "SystemExit: 0"),
        ("silent", "gave no verdict"),
        ("talkative", "answered with str"),
        ("nowhere", "there is no gate 'nowhere'"),
    ],
)
def test_a_gate_that_does_not_answer_is_inconclusive_and_the_others_still_do(nothing, name, said):
    last = run_gates(nothing, [name, "fine"], gates=GATES)
    assert last[-1].passed
    assert last[-2].outcome is Outcome.INCONCLUSIVE
    assert said in last[-2].sentence
    assert together(last) is Outcome.INCONCLUSIVE


def test_a_gate_that_never_returns_is_late_and_holds_nobody_up(nothing):
    released = threading.Event()

    def stuck(situation):
        released.wait()
        return fine(situation)

    verdicts = run_gates(nothing, [GateUse("stuck", {}, 0.05), "fine"], gates={"stuck": stuck, "fine": fine})
    released.set()
    assert [verdict.outcome for verdict in verdicts] == [Outcome.INCONCLUSIVE, Outcome.PASS]
    assert "within 0.05 s" in verdicts[0].sentence


def test_each_gate_sees_its_own_settings(nothing):
    seen = []

    def curious(situation):
        seen.append(dict(situation.settings))
        return fine(situation)

    run_gates(nothing, [GateUse("a", {"x": 1}), GateUse("b", {})], gates={"a": curious, "b": curious})
    assert seen == [{"x": 1}, {}]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(GATES)), max_size=6))
def test_all_together_pass_only_if_each_gave_evidence(nothing, names):
    verdicts = run_gates(nothing, names, gates=GATES)
    sound = bool(names) and set(names) <= {"fine", "suite"}
    assert (together(verdicts) is Outcome.PASS) == sound
    assert {verdict.gate.split("/")[0] for verdict in verdicts} == set(names)


@pytest.fixture
def brought(monkeypatch):
    """Let packages bring gates."""

    def bring(**points):
        found = [EntryPoint(name, value, offered.GROUP) for name, value in points.items()]
        monkeypatch.setattr(offered, "entry_points", lambda group: found)
        offered._brought.cache_clear()

    yield bring
    offered._brought.cache_clear()


class Suite:
    """A gate of another package, as a class."""

    def __call__(self, situation):
        return suite(situation)


def test_gates_of_other_packages_come_by_entry_point(nothing, brought, monkeypatch):
    monkeypatch.setitem(sys.modules, "their_gates", sys.modules[__name__])
    brought(validation="their_gates:suite", fairness="their_gates:Suite", parity="their_gates:fine")
    assert offered.gates()[-2:] == ("fairness", "validation")
    verdicts = run_gates(nothing, ["validation", "fairness"])
    assert [one.gate for one in verdicts] == [
        "validation/rows",
        "validation/schema",
        "fairness/rows",
        "fairness/schema",
    ]
    assert offered.gate("parity") is offered.BUILT_IN["parity"][0]  # nobody can replace a built-in gate
    assert offered.settings_of("validation") is None


def test_a_package_whose_gate_cannot_be_loaded_is_told(nothing, brought, monkeypatch):
    monkeypatch.setitem(sys.modules, "their_gates", sys.modules[__name__])
    brought(gone="no_such_package:gate", text="their_gates:GATES")
    (verdict,) = run_gates(nothing, ["gone"])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "cannot be loaded: No module named" in verdict.sentence
    with pytest.raises(InvalidError, match="is not callable"):
        offered.gate("text")


def test_the_built_in_gates_answer_on_a_real_situation(a_situation):
    uses = [
        "signature",
        "parity",
        GateUse("performance", {"metric": "roc_auc", "output": "score"}),
        GateUse("latency", {"calls": 100}),
        "robustness",
        GateUse("provenance", {"signed": False}),
        "rehearsal",
    ]
    verdicts = run_gates(a_situation(), uses, gates={"rehearsal": Rehearsal()})
    assert verdicts[0].gate == "signature"
    assert {one.gate.split("/")[0] for one in verdicts} == set(offered.BUILT_IN)
    inconclusive = {one.gate for one in verdicts if one.outcome is Outcome.INCONCLUSIVE} - {
        "latency/p50",
        "latency/p99",
    }
    assert inconclusive == {"parity", "rehearsal"}  # nothing was recorded, and there is no twin


def test_a_gate_with_wrong_settings_is_inconclusive(a_situation):
    (verdict,) = run_gates(a_situation(), [GateUse("performance", {"metric": "auc"})])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "there is no 'auc'; did you mean 'roc_auc'?" in verdict.sentence
