"""One inference request from bytes to bytes: read, sent to a version, checked, predicted, checked again, written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from plumbline.deployment.core.errors import DeploymentError, InvalidError
from plumbline.deployment.serving import wire
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
        began = time.perf_counter()
        ref = asked.ref or asked.pin
        slot: Slot | None = None
        try:
            request = wire.request_of(body)
            slot = self._slots.enter(asked.key) if ref is None else self._slots.enter_asked(ref)
            return await self._predicted(slot, request, began)
        except DeploymentError as error:
            return self._refusal(error, slot)
        except Exception as error:  # noqa: BLE001 - a model's failure is an answer, and the server goes on
            return self._refusal(DeploymentError(f"the model failed: {type(error).__name__}: {error}"), slot)
        finally:
            if slot is not None:
                slot.leave(ref is None)

    async def _predicted(self, slot: Slot, request: wire.Request, began: float) -> Answer:
        names = _names(slot, request)
        inputs, rows = slot.checker.inputs(request)
        outputs = slot.runner.at_once(inputs, rows)
        if outputs is None:
            outputs = await slot.runner.later(inputs, rows)
        broken = finite(outputs)
        if broken is not None:
            raise NotFiniteError(
                f"the model answered output '{broken}' with a value that is no finite number", field=broken
            )
        body = wire.answer(self._model, slot.label, request, outputs, names, slot.kinds)
        slot.tally.answered(inputs, outputs, rows, time.perf_counter() - began)
        if self._recent is not None:
            self._recent.note(inputs, rows)
        return Answer(200, body, slot.header, "ok", rows)

    def _refusal(self, error: DeploymentError, slot: Slot | None) -> Answer:
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


def _names(slot: Slot, request: wire.Request) -> tuple[str, ...]:
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
