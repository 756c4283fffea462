"""Let clients go: each is told when and how to come back, and closed when its time has come and all is sent."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from plumbline.streaming.core import answers
from plumbline.streaming.core.broker import Broker
from plumbline.streaming.core.closes import BALANCE, LIFETIME, REGION_GONE, SERVICE_RESTART
from plumbline.streaming.core.deadlines import Deadlines
from plumbline.streaming.core.farewell import Leave, lifetime, notice, slices
from plumbline.streaming.core.message import Message
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.elsewhere import Elsewhere
from plumbline.streaming.server.writing import Writing

CODES = {
    "drain": (SERVICE_RESTART, "the gateway restarts; come back, to whichever node answers"),
    "lifetime": (LIFETIME, "the connection has reached its age; come back, to whichever node answers"),
    "region": (REGION_GONE, "this region has lost its channels; come back, to another region if there is one"),
    "balance": (BALANCE, "others have more room; come back, to whichever node answers"),
}


class Owner(Protocol):
    """What farewells need of the gateway."""

    settings: Settings
    broker: Broker
    connections: dict[int, Writing]

    def now(self) -> float:
        """Return the clock in seconds."""

    def end(self, connection: Writing, code: int, sentence: str) -> int:
        """Close this connection now; return how many messages were not sent."""


class Farewells:
    """Who is to go, why and when.

    Args:
        owner: The gateway.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._ages: Deadlines[Writing] = Deadlines()
        self._due: Deadlines[Writing] = Deadlines()
        self._because: dict[Writing, str] = {}
        self._age_s = 0.0
        self.elsewhere = Elsewhere(owner, self._send_elsewhere, self._keep)
        self.lost = 0  # messages that waited for clients that were cut off at the end of their window

    def __len__(self) -> int:
        return len(self._because)

    def configure(self) -> None:
        """Take over changed settings: a changed age holds for those who are here, too."""
        age_s, self._age_s = self._age_s, self._owner.settings.max_connection_age_s
        if age_s != self._age_s:
            for connection in self._owner.connections.values():
                self.opened(connection)

    def opened(self, connection: Writing) -> None:
        """Note when a connection will have reached its age."""
        if not self._age_s:
            self._ages.drop(connection)
            return
        settings = self._owner.settings
        lives_s = lifetime(self._age_s, settings.connection_age_jitter, random.random())  # noqa: S311 - spreads ends
        self._ages.set(connection, connection.accepted_at + lives_s - notice(self._age_s))

    def gone(self, connection: Writing) -> None:
        """Forget a connection."""
        self._ages.drop(connection)
        self._due.drop(connection)
        self._because.pop(connection, None)

    def ask(self, connection: Writing, leave: Leave, because: str) -> None:
        """Tell a client to come back, and see that it goes. Who is on its way already is left alone.

        Args:
            connection: The client.
            leave: When.
            because: `drain`, `lifetime` or `balance`.
        """
        if connection in self._because and because != "drain":
            return
        self._because[connection] = because
        now = self._owner.now()
        self._ages.drop(connection)
        self._due.set(connection, now + leave.close_s)
        connection.deliver(Message(answers.reconnect(leave.after_s, leave.close_s, because)), now)

    def shed(self, count: int, within_s: float) -> int:
        """Ask so many clients, chosen at random, to come back elsewhere; return how many are asked."""
        here = [one for one in self._owner.connections.values() if one.live and one not in self._because]
        chosen = random.sample(here, min(count, len(here)))
        for connection, leave in zip(chosen, slices(len(chosen), within_s, random.shuffle), strict=True):
            self.ask(connection, leave, "balance")
        return len(chosen)

    def check(self, now: float) -> None:
        """Tell those whose age is near, and close those whose time has come."""
        self.elsewhere.check()
        for connection in self._ages.due(now):
            left_s = notice(self._age_s)
            self.ask(connection, Leave(left_s * random.random(), left_s), "lifetime")  # noqa: S311 - spreads ends
        for connection in self._due.due(now):
            connection.finish(*CODES[self._because[connection]])

    def _send_elsewhere(self) -> int:
        """Close all, in even slices; they are not asked to come back first, for there is nothing to come back to."""
        here = [one for one in self._owner.connections.values() if one.live]
        now = self._owner.now()
        for connection, leave in zip(
            here, slices(len(here), self._owner.settings.drain_s, random.shuffle), strict=True
        ):
            self._because[connection] = "region"
            self._ages.drop(connection)
            self._due.set(connection, now + leave.after_s)
        return len(here)

    def _keep(self) -> None:
        """Keep those who were to go to another region, and have not gone yet."""
        for connection in [one for one, because in self._because.items() if because == "region"]:
            del self._because[connection]
            self._due.drop(connection)
            self.opened(connection)

    def cut(self, connections: Sequence[Writing]) -> None:
        """Close these now, whatever waits for them: their window is over."""
        for connection in connections:
            code, sentence = CODES[self._because.get(connection, "drain")]
            self.lost += self._owner.end(connection, code, sentence)
