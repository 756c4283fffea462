"""One inference request from bytes to bytes: read, sent to a version, checked, predicted, checked again, written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from plumbline.deployment.core.errors import DeploymentError, InvalidError
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.serving import forms, wire
from plumbline.deployment.serving.batching import Outputs
from plumbline.deployment.serving.finite import finite
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.slots import Slot, Slots


class NotFiniteError(DeploymentError):
    """The model answered NaN, an infinity or nothing."""

    reason = "not_finite"
    status = 500


@dataclass(slots=True)
class Asked:
    """What a request says besides its body.

    Args:
        ref: Version of the path, if any.
        key: Of the split by key.
        pin: Version that the pinning header names.
        traceparent: Trace that it belongs to.
    """

    ref: str | None = None
    key: str | None = None
    pin: str | None = None
    traceparent: str | None = None


@dataclass(slots=True)
class Answer:
    """What goes back.

    Args:
        status: Of HTTP.
        body: JSON.
        version: Label of the version that answered, or refused.
        outcome: For metrics and traces.
        rows: Rows predicted.
        headers: Further headers.
    """

    status: int
    body: bytes
    version: bytes = b""
    outcome: str = "ok"
    rows: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Begun:
    """A request that was read, checked and sent to a version, where it is in flight until `Inferring.finish` is over.

    Args:
        slot: The version.
        routed: Whether the shares sent it there.
        began: When, by `time.perf_counter`.
        id: What the caller calls it.
        names: Outputs to write.
        inputs: For the model.
        rows: How many.
    """

    slot: Slot
    routed: bool
    began: float
    id: str | None
    names: tuple[str, ...]
    inputs: Arrays
    rows: int


class Inferring:
    """Answers inference requests.

    Args:
        model: The model's name.
        slots: Versions in memory.
        recent: Where feature values are kept, if they are.
        refused: Counts requests that reach no version, by outcome.
    """

    def __init__(self, model: str, slots: Slots, recent: Recent, refused: dict[str, int]) -> None:
        self._model = model
        self._slots = slots
        self._recent = recent if recent.limit else None
        self._refused = refused

    async def answer(self, body: bytes, asked: Asked) -> Answer:
        """Return the answer to one request; nothing is raised: what is refused is an answer, too."""
        begun = self.begin(body, asked)
        return begun if isinstance(begun, Answer) else await self.finish(begun)

    def begin(self, body: bytes, asked: Asked) -> Answer | Begun:
        """Return the answer to one request if that takes no waiting; else what `finish` must be called with."""
        began = time.perf_counter()
        ref = asked.ref or asked.pin
        slot: Slot | None = None
        try:
            request = forms.request_of(body)
            slot = self._slots.enter(asked.key) if ref is None else self._slots.enter_asked(ref)
            inputs, rows = slot.forms.inputs(request, body)
            names = _names(slot, request) if request.outputs else slot.names
            begun = Begun(slot, ref is None, began, request.id, names, inputs, rows)
            outputs = slot.runner.at_once(inputs, rows)
            if outputs is None:
                return begun
            answer = self._given(begun, outputs)
            slot.runner.took(rows, time.perf_counter() - began)
        except wire.MalformedError as error:  # that reached no version, even if it was chosen already
            answer = self._refusal(error, None)
        except Exception as error:  # noqa: BLE001 - a model's failure is an answer, and the server goes on
            answer = self._refusal(error, slot)
        if slot is not None:
            slot.leave(ref is None)
        return answer

    async def finish(self, begun: Begun) -> Answer:
        """Return the answer to a request that has to wait for the model."""
        slot = begun.slot
        try:
            return self._given(begun, await slot.runner.later(begun.inputs, begun.rows))
        except Exception as error:  # noqa: BLE001 - as above
            return self._refusal(error, slot)
        finally:
            slot.leave(begun.routed)

    def _given(self, begun: Begun, outputs: Outputs) -> Answer:
        slot = begun.slot
        broken = finite(outputs)
        if broken is not None:
            raise NotFiniteError(
                f"the model answered output '{broken}' with a value that is no finite number", field=broken
            )
        body = wire.answer(self._model, slot.label, begun.id, outputs, begun.names, slot.kinds)
        slot.tally.answered(begun.inputs, outputs, begun.rows, time.perf_counter() - begun.began)
        if self._recent is not None:
            self._recent.note(begun.inputs, begun.rows)
        return Answer(200, body, slot.header, "ok", begun.rows)

    def _refusal(self, error: Exception, slot: Slot | None) -> Answer:
        if not isinstance(error, DeploymentError):
            error = DeploymentError(f"the model failed: {type(error).__name__}: {error}")
        answer = refusal(error)
        if slot is None:
            self._refused[answer.outcome] = self._refused.get(answer.outcome, 0) + 1
        else:
            slot.tally.refused(answer.outcome)
            answer.version = slot.header
        return answer


def refusal(error: DeploymentError) -> Answer:
    """Return the answer that says why something was refused; `Retry-After` where coming back may help."""
    facts = error.as_dict()
    headers = []
    if "retry_after_s" in facts:
        headers.append((b"retry-after", str(facts["retry_after_s"]).encode()))
    outcome = "invalid" if isinstance(error, InvalidError) and error.status != 400 else str(facts["reason"])
    return Answer(error.status, wire.encoded(facts), outcome=outcome, headers=headers)


def _names(slot: Slot, request: forms.Request | wire.Request) -> tuple[str, ...]:
    """Return the outputs to write: those asked for, or all."""
    if not request.outputs:
        return slot.names
    for one in request.outputs:
        if one.name not in slot.kinds:
            raise InvalidError(
                f"the model has no output '{one.name[:80]}'; there are {', '.join(slot.names)}",
                reason="unknown_output",
                field=one.name[:80],
            )
    return tuple(dict.fromkeys(one.name for one in request.outputs))
