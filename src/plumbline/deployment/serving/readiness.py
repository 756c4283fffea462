"""Ready means: each version with a share has just answered its golden rows, through the queue that requests take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.serving import golden
from plumbline.deployment.serving.slots import Slot, Slots

KEPT_S = 1.0  # an answer is good for so long: probes must not become the load
WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests should come here.

    Args:
        ready: They should.
        reason: For machines; empty when ready.
        sentence: What was asked and what came of it.
    """

    ready: bool
    reason: str
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"ready": True, "detail": self.sentence} if self.ready else self._refusal()

    def _refusal(self) -> dict[str, Any]:
        return {"ready": False, "reason": self.reason, "error": self.sentence}


class Probe:
    """Asks golden rows.

    Args:
        slots: Versions in memory.
        now: Clock in seconds.
        within_s: How long a golden prediction may take.
    """

    def __init__(self, slots: Slots, now: Callable[[], float] = time.monotonic, within_s: float = WITHIN_S) -> None:
        self._slots = slots
        self._now = now
        self._within_s = within_s
        self._known: dict[str, tuple[float, Readiness]] = {}
        self._asking: dict[str, asyncio.Task[Readiness]] = {}

    async def server(self) -> Readiness:
        """Say whether every version with a share is ready."""
        serving = [self._slots.loaded[key] for key in self._slots.shares]
        if not serving:
            return Readiness(False, "no_version", "no version serves yet")
        sentences = []
        for slot in serving:
            found = await self.version(slot)
            if not found.ready:
                return found
            sentences.append(found.sentence)
        return Readiness(True, "", "; ".join(sentences))

    async def version(self, slot: Slot) -> Readiness:
        """Say whether one version answers as it should; asked at most once a second."""
        at, known = self._known.get(slot.key, (0.0, None))
        if known is not None and self._now() - at < KEPT_S:
            return known
        task = self._asking.get(slot.key)
        if task is None:
            task = self._asking[slot.key] = asyncio.create_task(self._ask(slot))
            task.add_done_callback(lambda _: self._asking.pop(slot.key, None))
        return await asyncio.shield(task)

    async def _ask(self, slot: Slot) -> Readiness:
        found = await self._found(slot)
        self._known = {key: one for key, one in self._known.items() if key in self._slots.loaded}
        self._known[slot.key] = (self._now(), found)
        return found

    async def _found(self, slot: Slot) -> Readiness:
        try:
            async with asyncio.timeout(self._within_s):
                inputs, rows = slot.rows
                outputs = slot.runner.at_once(inputs, rows) or await slot.runner.later(inputs, rows)
        except TimeoutError:
            sentence = f"{slot.series} has not answered its golden rows within {self._within_s:g} s"
            return Readiness(False, "slow", sentence)
        except DeploymentError as error:
            return Readiness(False, str(error.as_dict()["reason"]), f"{slot.series}: {error.sentence}")
        except Exception as error:  # noqa: BLE001 - whatever the model raises, it is not ready
            return Readiness(False, "failed", f"{slot.series}: {error}")
        slot.golden = golden.compare(slot.found.manifest.golden, outputs)
        if slot.golden.same and slot.model.digest == slot.found.digest:
            return Readiness(True, "", f"{slot.series}: {slot.golden.sentence}")
        return Readiness(False, "golden_mismatch", f"{slot.series}: {slot.golden.sentence}")
