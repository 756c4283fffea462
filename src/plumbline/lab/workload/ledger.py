"""The workload's ledger: what was due, what arrived, what connected; pure, its clock is passed."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from plumbline.lab.service import Service

HORIZON_S = 60.0
"""How long the ledger remembers, in seconds."""
SETTLE_S = 0.5
"""A message that has not arrived after this time counts as missing (until it does arrive), in seconds."""


@dataclass(slots=True)
class Message:
    """One message: when it was due, whether the server took it, and who has it since when."""

    due: float
    taken: bool = False
    arrivals: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One fresh connection or request: when it was tried, when it ended, whether it worked, whether it was right."""

    started: float
    ended: float
    worked: bool
    right: bool = True


def _note(attempts: deque[Attempt], one: Attempt) -> None:
    attempts.append(one)
    while attempts[0].ended < one.ended - HORIZON_S:
        attempts.popleft()


def _within(attempts: Iterable[Attempt], ended_after: float, started_after: float) -> list[Attempt]:
    return [each for each in attempts if each.ended >= ended_after and each.started >= started_after]


class Absences:
    """How long clients were without a connection that they had before."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._past: deque[tuple[float, float]] = deque()

    def began(self, name: str, moment: float) -> None:
        """Note that one has lost its connection."""
        self._since.setdefault(name, moment)

    def ended(self, name: str, moment: float) -> None:
        """Note that it has one; that it lost one before need not be."""
        if (since := self._since.pop(name, None)) is not None:
            self._past.append((since, moment))
        while self._past and self._past[0][1] < moment - HORIZON_S:
            self._past.popleft()

    def longest(self, start: float, now: float) -> float:
        """Return the longest absence within a window, in seconds; those that last count up to now."""
        spans = [*self._past, *((since, now) for since in self._since.values())]
        return max((end - max(since, start) for since, end in spans if end > start), default=0.0)


class Ledger:
    """Collects what the clients see.

    Args:
        audience: For each channel, the number of its subscribers.
        clients_wanted: Number of long-lived connections that should be open.
    """

    def __init__(self, audience: Sequence[int], clients_wanted: int) -> None:
        self.audience = tuple(audience)
        self.clients_wanted = clients_wanted
        self.connected: set[str] = set()
        self._messages: list[deque[Message]] = [deque() for _ in audience]
        self._first = [0] * len(self.audience)
        self._attempts: deque[Attempt] = deque()
        self._requests: deque[Attempt] = deque()
        self._absences = Absences()
        self._newest: dict[tuple[int, int], float] = {}
        self._closes: deque[tuple[float, int]] = deque()
        self._errors: deque[tuple[float, str]] = deque(maxlen=50)

    def due(self, channel: int, moment: float) -> int:
        """Note that a message is due now, and return its sequence number in the channel."""
        queue = self._messages[channel]
        queue.append(Message(moment))
        while queue and queue[0].due < moment - HORIZON_S:
            queue.popleft()
            self._first[channel] += 1
        return self._first[channel] + len(queue) - 1

    def taken(self, channel: int, number: int) -> None:
        """Note that the server acknowledged a message."""
        if (message := self._find(channel, number)) is not None:
            message.taken = True

    def arrived(self, channel: int, number: int, subscriber: int, moment: float) -> None:
        """Note an arrival; a second one of the same message at the same subscriber counts nothing."""
        if (message := self._find(channel, number)) is not None:
            message.arrivals.setdefault(subscriber, moment)
            before = self._newest.get((channel, subscriber), -math.inf)
            self._newest[channel, subscriber] = max(before, message.due)

    def attempt(self, started: float, ended: float, *, worked: bool) -> None:
        """Note the end of a fresh connection."""
        _note(self._attempts, Attempt(started, ended, worked))

    def request(self, started: float, ended: float, *, worked: bool, right: bool = True) -> None:
        """Note the end of an HTTP request, and whether its answer was the right one."""
        _note(self._requests, Attempt(started, ended, worked, right))

    def up(self, name: str, moment: float) -> None:
        """Note that a long-lived client is connected."""
        self.connected.add(name)
        self._absences.ended(name, moment)

    def down(self, name: str, moment: float) -> None:
        """Note that it is not; one that never was is not missed yet."""
        if name in self.connected:
            self.connected.discard(name)
            self._absences.began(name, moment)

    def closed(self, moment: float, code: int) -> None:
        """Note that the other side closed a long-lived connection."""
        self._closes.append((moment, code))
        while self._closes[0][0] < moment - HORIZON_S:
            self._closes.popleft()

    def error(self, moment: float, text: str) -> None:
        """Note an error as the client's library words it."""
        self._errors.append((moment, text))

    def stale(self, channel: int, number: int, moment: float) -> bool:
        """Tell whether a message was due before a moment."""
        message = self._find(channel, number)
        return message is None or message.due < moment

    def _find(self, channel: int, number: int) -> Message | None:
        index = number - self._first[channel]
        return self._messages[channel][index] if 0 <= index < len(self._messages[channel]) else None

    def _staleness(self, since: float, now: float) -> float:
        """Return the age of what the worst-off subscriber has, in seconds, but not what is older than `since`."""
        subscribers = [
            (channel, number * len(self.audience) + channel)  # they are dealt out in turn
            for channel, audience in enumerate(self.audience)
            for number in range(audience)
        ]
        return max((now - max(self._newest.get(one, since), since) for one in subscribers), default=0.0)

    def measure(self, now: float, window_s: float, since: float = -math.inf) -> Service:
        """Return the service level of the window that ends now, leaving out what began before `since`.

        A message is in the window by when it was due, a fresh connection by when it ended.
        """
        judged = list(self._judged(max(now - window_s - SETTLE_S, since), now - SETTLE_S))
        delays = [moment - message.due for _, message in judged for moment in message.arrivals.values()]
        for audience, message in judged:
            delays += [now - message.due] * (audience - len(message.arrivals))
        tries = _within(self._attempts, now - window_s, since)
        requests = _within(self._requests, now - window_s, since)
        codes = Counter(code for moment, code in self._closes if moment >= max(now - window_s, since))
        texts = dict.fromkeys(text for moment, text in self._errors if moment >= max(now - window_s, since))
        return Service(
            window_s=window_s,
            clients=len(self.connected),
            clients_wanted=self.clients_wanted,
            due=sum(audience for audience, _ in judged),
            delivered=sum(len(message.arrivals) for _, message in judged),
            published=sum(message.taken for _, message in judged),
            published_due=len(judged),
            p50_s=percentile(delays, 0.5),
            p99_s=percentile(delays, 0.99),
            connects_ok=sum(each.worked for each in tries),
            connects_failed=sum(not each.worked for each in tries),
            connect_p99_s=percentile([each.ended - each.started for each in tries], 0.99),
            requests_ok=sum(each.worked for each in requests),
            requests_failed=sum(not each.worked for each in requests),
            answers_wrong=sum(each.worked and not each.right for each in requests),
            request_p99_s=percentile([each.ended - each.started for each in requests], 0.99),
            away_s=self._absences.longest(max(now - window_s, since), now),
            staleness_s=self._staleness(max(now - HORIZON_S, since), now),
            unexpected_closes=codes.total(),
            close_codes=tuple(sorted(codes.items())),
            errors=tuple(texts)[-5:],
        )

    def _judged(self, start: float, end: float) -> Iterable[tuple[int, Message]]:
        for audience, queue in zip(self.audience, self._messages, strict=True):
            for message in queue:
                if start <= message.due <= end:
                    yield audience, message


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile, 0.0 of nothing.

    Args:
        values: In any order.
        share: 0 to 1.
    """
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
