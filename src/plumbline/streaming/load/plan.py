"""Who reads and who publishes what: computed from the scenario alone, so that all generator processes agree."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.streaming.load.dialects import DIALECTS
from plumbline.streaming.load.dialects.plain import EVERYBODY
from plumbline.streaming.load.scenario import PER_PROCESS, Group, Scenario


@dataclass(frozen=True, slots=True)
class Role:
    """One connection.

    Args:
        number: Of the connection, unique in the run; readers first, then publishers.
        reads: Channels, with the group's mode.
        group: The group that it publishes into; None for a reader.
        part: Which of the group's publishers it is.
    """

    number: int
    reads: tuple[tuple[str, str], ...] = ()
    group: str | None = None
    part: int = 0


class Plan:
    """The run's roles and channels.

    Args:
        scenario: What is to be done.
        run: Prefix of all channels: two runs against one server do not meet.
    """

    def __init__(self, scenario: Scenario, run: str) -> None:
        self.scenario = scenario
        self.run = run
        self.groups = {group.name: group for group in scenario.groups}
        self._everybody = DIALECTS[scenario.dialect].everybody
        self._dealt: list[list[tuple[str, str]]] | None = None

    def channel(self, group: str, index: int) -> str:
        """Return a channel's name."""
        return EVERYBODY if self._everybody else f"{self.run}.{group}.{index}"

    def roles(self, process: int, processes: int) -> list[Role]:
        """Return the connections of one of the generator's processes."""
        readers = range(process, self.scenario.connections, processes)
        found = [Role(number, tuple(self._reads(number))) for number in readers]
        return found + [role for role in self._publishers() if role.number % processes == process]

    def readers_of(self, group: Group) -> int:
        """Return how many connections read each channel of a group."""
        return group.readers or self.scenario.connections

    def _reads(self, number: int) -> list[tuple[str, str]]:
        if self._dealt is None:
            self._dealt = self._deal()
        return self._dealt[number]

    def _deal(self) -> list[list[tuple[str, str]]]:
        dealt: list[list[tuple[str, str]]] = [[] for _ in range(self.scenario.connections)]
        following = 0
        for group in self.scenario.groups:
            each = min(self.readers_of(group), self.scenario.connections)
            for index in range(group.channels):
                entry = (self.channel(group.name, index), group.mode)
                for step in range(each):
                    dealt[(following + step) % len(dealt)].append(entry)
                following += each
        return dealt

    def _publishers(self) -> list[Role]:
        number = self.scenario.connections
        found = []
        for group in self.scenario.groups:
            for part in range(group.publishers):
                found.append(Role(number, (), group.name, part))
                number += 1
        return found


def processes(scenario: Scenario, at_least: int = 1) -> int:
    """Return how many generator processes it takes: each holds fewer sockets than a process may have descriptors."""
    return max(at_least, -(-(scenario.connections + scenario.publishers) // PER_PROCESS))
