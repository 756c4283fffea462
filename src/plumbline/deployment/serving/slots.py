"""Loaded versions and who answers: a switch is one assignment, and its acknowledgement waits for requests in flight."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from plumbline.deployment.core.digests import short
from plumbline.deployment.core.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from plumbline.deployment.core.model import Arrays, Model
from plumbline.deployment.core.signature import Kind
from plumbline.deployment.serving import split
from plumbline.deployment.serving.batching import Runner
from plumbline.deployment.serving.checks import Checker
from plumbline.deployment.serving.forms import Forms
from plumbline.deployment.serving.golden import Compared
from plumbline.deployment.serving.source import Found
from plumbline.deployment.serving.tally import Tally

SUM_TOLERANCE = 1e-6


@dataclass(slots=True, eq=False)
class Slot:
    """One loaded version, or a further copy of it.

    Args:
        key: Manifest digest, or the name of a copy (`core.lanes.COPY`).
        found: What it is.
        model: Loaded.
        runner: Runs it.
        checker: Of requests.
        rows: Golden rows.
        golden: How the last golden prediction came out.
        tally: What it answered.
    """

    key: str
    found: Found
    model: Model
    runner: Runner
    checker: Checker
    rows: tuple[Arrays, int]
    golden: Compared
    tally: Tally
    flying: int = 0
    """Requests in flight that were sent here by the shares."""
    asked: int = 0
    """Requests in flight that asked for this version."""
    rest: asyncio.Event = field(default_factory=asyncio.Event)
    label: str = ""
    """`<semver>+<digest12>`: the response header."""
    header: bytes = b""
    names: tuple[str, ...] = ()
    """Its outputs, in the order of the signature."""
    kinds: dict[str, Kind] = field(default_factory=dict)
    forms: Forms = field(init=False)
    """Reads its requests."""

    def __post_init__(self) -> None:
        self.kinds = {one.name: one.kind for one in self.model.signature.outputs}
        self.names = tuple(self.kinds)
        self.forms = Forms(self.checker)
        self.label = f"{self.found.version}+{short(self.found.digest)}"
        self.header = self.label.encode()

    @property
    def series(self) -> str:
        """Name in metrics: the label, and the copy's name."""
        return self.label + self.key[len(self.found.digest) :]

    def leave(self, routed: bool) -> None:
        """Note that a request is answered."""
        if routed:
            self.flying -= 1
        else:
            self.asked -= 1
        if not self.flying or not self.asked:
            self.rest.set()


class Slots:
    """All versions in memory, and the shares of requests.

    Args:
        model: The model's name; salt of the split by key.
        chance: Returns a random number in [0, 1).
    """

    def __init__(self, model: str, chance: random.Random | None = None) -> None:
        self._model = model
        self._chance = chance or random.SystemRandom()
        self.loaded: dict[str, Slot] = {}
        self.shares: dict[str, float] = {}
        self.pin: str | None = None
        self._only: Slot | None = None  # the one that answers everything: most of the time
        self._table: list[tuple[str, float]] = []
        self.by_key = False
        """Whether a request's key matters now."""

    def enter(self, key: str | None = None) -> Slot:
        """Return the version that answers a request, which is in flight from now on: `leave` it.

        Raises:
            UnavailableError: None serves (`no_version`).
        """
        slot = self._only
        if slot is None:
            slot = self._drawn(key)
        slot.flying += 1
        return slot

    def enter_asked(self, ref: str) -> Slot:
        """Return the version that a request asks for, by number, label, or digest.

        Raises:
            NotFoundError: It is not loaded.
        """
        slot = self.find(ref)
        slot.asked += 1
        return slot

    def find(self, ref: str) -> Slot:
        """Return a loaded version by number, label, or digest; of several with a number the one with most requests.

        Raises:
            NotFoundError: It is not loaded.
        """
        fits = [one for one in self.loaded.values() if ref in (one.key, one.found.version, one.label, one.found.digest)]
        if not fits:
            raise NotFoundError(
                f"version '{ref[:80]}' of '{self._model}' is not loaded; there are "
                f"{', '.join(one.label for one in self.loaded.values()) or 'none'}",
                reason="unknown_version",
                version=ref[:80],
            )
        return max(fits, key=lambda one: self.shares.get(one.key, 0.0))

    def add(self, slot: Slot) -> None:
        """Take in a version that is ready."""
        self.loaded[slot.key] = slot

    async def share(self, shares: Mapping[str, float], pin: str | None, within_s: float) -> None:
        """Set who answers; return when no request is in flight that was sent elsewhere.

        Raises:
            InvalidError: A version is not ready, or shares do not add up to 1.
            UnavailableError: Requests to others still run after `within_s`; the shares are in force nevertheless.
        """
        wanted = {key: float(share) for key, share in shares.items() if share}
        self._check(shares, wanted)
        self._set(wanted, pin)
        await self._settled([slot for slot in self.loaded.values() if slot.key not in wanted], within_s)
        for _ in range(
            2
        ):  # what was answered is written at the end of the loop's turn: the acknowledgement comes after
            await asyncio.sleep(0)

    async def empty(self, within_s: float) -> None:
        """Let nobody answer; return when no request is in flight."""
        self._set({}, None)
        await self._settled(list(self.loaded.values()), within_s)

    async def retire(self, key: str, within_s: float) -> Slot | None:
        """Take out a version without a share, after its last request; return it to be closed, None if it is gone.

        Raises:
            ConflictError: It has a share.
            UnavailableError: Requests to it still run after `within_s`; no new ones reach it.
        """
        if key in self.shares:
            raise ConflictError(
                f"{key} answers {self.shares[key]:.0%} of the requests: give its share to another first", digest=key
            )
        slot = self.loaded.pop(key, None)
        if slot is not None:
            try:
                await self._settled([slot], within_s, everything=True)
            except UnavailableError:
                self.loaded[key] = slot
                raise
        return slot

    def _set(self, wanted: dict[str, float], pin: str | None) -> None:
        self.shares = wanted
        self.pin = None if pin is None else pin.lower()
        self._table = list(wanted.items())
        self._only = self.loaded[self._table[0][0]] if len(self._table) == 1 else None
        self.by_key = len(self._table) > 1

    def _check(self, shares: Mapping[str, float], wanted: Mapping[str, float]) -> None:
        for key, share in shares.items():
            if not 0 <= share <= 1:
                raise InvalidError(f"the share of {key} is {share:g}: it must be from 0 to 1", digest=key)
        for key in wanted:
            if key not in self.loaded:
                raise InvalidError(f"{key} is not loaded: prepare it first", reason="not_ready", digest=key)
            if not self.loaded[key].golden.same:
                raise InvalidError(f"{key}: {self.loaded[key].golden.sentence}", reason="not_ready", digest=key)
        if abs(sum(wanted.values()) - 1) > SUM_TOLERANCE:
            raise InvalidError(f"the shares add up to {sum(wanted.values()):g}, but must to 1", shares=dict(shares))

    def _drawn(self, key: str | None) -> Slot:
        if not self._table:
            raise UnavailableError("no version serves yet", reason="no_version", retry_after_s=1)
        if key:
            return self.loaded[self._table[split.winner(self._model, key, self._table)][0]]
        at, upper = self._chance.random(), 0.0
        for name, share in self._table:
            upper += share
            if at < upper:
                return self.loaded[name]
        return self.loaded[self._table[-1][0]]  # shares that add up to 1 only within rounding

    async def _settled(self, slots: list[Slot], within_s: float, *, everything: bool = False) -> None:
        try:
            async with asyncio.timeout(within_s):
                for slot in slots:
                    while slot.flying or (everything and slot.asked):
                        slot.rest.clear()
                        await slot.rest.wait()
        except TimeoutError:
            still = sum(slot.flying + (slot.asked if everything else 0) for slot in slots)
            raise UnavailableError(
                f"{still} requests are still in flight after {within_s:g} s", reason="in_flight", inflight=still
            ) from None
