"""The way back is walked before it is needed; each thing that can go wrong on it is told."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.lanes import Serving
from plumbline.deployment.core.signature import Feature
from plumbline.deployment.core.verdicts import Outcome
from plumbline.deployment.pipeline.rehearsal import Answer, Rehearsal


class Staging:
    """Servers in a dictionary: a lane that obeys, and writes down what it was told."""

    epoch = 1

    def __init__(self, *sides):
        self.models = {side.model.digest: side.model for side in sides if side is not None}
        self.ready, self.serving_now, self.told = set(), None, []

    @property
    def lane(self):
        return self

    def serving(self):
        return Serving({self.serving_now: 1.0} if self.serving_now else {}, self.epoch, frozenset(self.ready))

    def prepare(self, digest, *, epoch):
        self.told.append(("prepare", digest, epoch))
        self.ready.add(digest)

    def share(self, shares, *, epoch):
        self.told.append(("share", *shares, epoch))
        (self.serving_now,) = shares

    def retire(self, digest, *, epoch):
        self.told.append(("retire", digest, epoch))

    def ask(self, inputs):
        return Answer(self.serving_now, self.models[self.serving_now].predict(inputs))


@pytest.fixture
def rehearse(a_situation):
    def judge(situation=None, kind=Staging):
        situation = situation or a_situation()
        staging = kind(situation.candidate, situation.production)

        @contextmanager
        def twin(asked):
            assert asked is situation
            yield staging

        return list(Rehearsal(twin)(situation)), staging

    return judge


def test_there_and_back_with_the_answers_from_before(rehearse, a_situation):
    situation = a_situation(settings={"requests": 3})
    (walked, callers), staging = rehearse(situation)
    assert walked.passed
    assert callers.passed
    assert (walked.measured["requests"], walked.measured["failed"], walked.measured["stale"]) == (9, 0, 0)
    new, old = situation.candidate.model.digest, situation.production.model.digest
    switched = [one[:2] for one in staging.told]
    assert switched == [
        ("prepare", old),
        ("share", old),
        ("prepare", new),
        ("share", new),
        ("prepare", old),
        ("share", old),
        ("retire", new),
    ]


def test_a_first_deployment_is_switched_and_has_no_way_back(rehearse, a_situation):
    (walked,), staging = rehearse(a_situation(production=None))
    assert walked.passed
    assert "no version to go back to" in walked.sentence
    assert len(staging.told) == 2


def test_deploying_what_serves_already_retires_nothing(rehearse, a_situation):
    situation = a_situation()
    (walked, _), staging = rehearse(replace(situation, candidate=situation.production))
    assert walked.passed
    assert "retire" not in {one[0] for one in staging.told}


class Stale(Staging):
    """A server that goes on answering with the first version."""

    def ask(self, inputs):
        first = self.told[0][1]
        return Answer(first, self.models[first].predict(inputs))


class Refusing(Staging):
    """A server that cannot load the candidate."""

    def prepare(self, digest, *, epoch):
        if self.told:
            raise InvalidError("the graph wants another opset")
        super().prepare(digest, epoch=epoch)


class NoWayBack(Staging):
    """A server that has thrown the old version away and cannot load it again."""

    def prepare(self, digest, *, epoch):
        if sum(one[0] == "prepare" for one in self.told) == 2:
            raise InvalidError("it is gone")
        super().prepare(digest, epoch=epoch)


class Dropping(Staging):
    """A server that loses a request after the switch."""

    def ask(self, inputs):
        if sum(one[0] == "share" for one in self.told) == 2:
            raise LostRequestError("connection reset")
        return super().ask(inputs)


class LostRequestError(InvalidError):
    """A request that was lost."""


class Forgetful(Staging):
    """A server whose old version answers otherwise after the way back."""

    def ask(self, inputs):
        answer = super().ask(inputs)
        if sum(one[0] == "share" for one in self.told) == 3:
            return Answer(answer.digest, {**answer.outputs, "score": answer.outputs["score"] + 0.01})
        return answer


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Stale, "a request was answered by"),
        (Refusing, "preparing the candidate failed on the staging twin: the graph wants another opset"),
        (NoWayBack, "preparing production's version again failed on the staging twin: it is gone"),
        (Dropping, "a request failed on the staging twin: connection reset"),
        (Forgetful, "output 'score' differs from the answers from before the switch by 0.01"),
    ],
)
def test_what_goes_wrong_on_the_way_is_told(rehearse, kind, said):
    (walked, _), _ = rehearse(kind=kind)
    assert walked.outcome is Outcome.FAIL
    assert said in walked.sentence


def test_a_candidate_that_answers_otherwise_than_when_it_was_registered_fails(rehearse, a_situation, a_side):
    spoilt = a_side("1.0.1", after=lambda answers: {**answers, "score": np.clip(answers["score"] + 0.1, 0, 1)})
    (walked, _), _ = rehearse(a_situation(candidate=spoilt))
    assert "differs from the candidate's golden answers" in walked.sentence


class Away(Staging):
    """Staging servers that do not answer."""

    def prepare(self, digest, *, epoch):
        raise UnavailableError("nobody listens on the socket")


def test_a_twin_that_does_not_answer_shows_nothing(rehearse):
    (walked, _), _ = rehearse(kind=Away)
    assert walked.outcome is Outcome.INCONCLUSIVE


def test_without_a_twin_nothing_was_rehearsed(a_situation):
    (walked,) = Rehearsal()(a_situation())
    assert walked.outcome is Outcome.INCONCLUSIVE


def test_a_target_whose_bytes_are_gone_fails_before_anything_is_switched(rehearse, a_situation):
    situation = a_situation()
    (situation.production.folder / "model.onnx").unlink()
    (target,), staging = rehearse(situation)
    assert (target.gate, target.outcome) == ("rehearsal/target", Outcome.FAIL)
    assert staging.told == []


def test_callers_that_have_moved_on_close_the_way_back(rehearse, a_situation):
    recent = {**a_situation().evaluation.inputs, "region": np.full(1_000, "eu", dtype=object)}
    (_, callers), _ = rehearse(a_situation(recent=recent))
    assert callers.gate == "rehearsal/callers"
    assert callers.outcome is Outcome.FAIL
    assert "'region' is not known in 1000" in callers.sentence


def test_the_old_version_must_answer_todays_callers_with_numbers(rehearse, a_situation, a_side):
    recent = dict(a_situation().evaluation.inputs)
    assert rehearse(a_situation(recent=recent))[0][1].passed
    few = {"score": np.nan}
    old = a_side("1.0.0")
    old.model.after = lambda answers: (
        {**answers, "score": np.full(len(answers["score"]), few["score"])} if len(answers["score"]) > 5 else answers
    )
    (_, callers), _ = rehearse(a_situation(recent=recent, production=old))
    assert "not finite" in callers.sentence


def test_without_recent_requests_the_contracts_decide(rehearse, a_situation, a_side):
    base = a_situation().candidate.manifest.signature
    wider = replace(base, inputs=(*base.inputs, Feature("region", kind="string", required=False, default="eu")))
    (_, callers), _ = rehearse(a_situation(candidate=a_side("1.1.0", wider)))
    assert callers.outcome is Outcome.INCONCLUSIVE
    assert "input 'region' is gone" in callers.sentence
