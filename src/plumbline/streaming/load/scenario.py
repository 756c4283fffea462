"""What a run does: connections, channels, and phases one after the other. Read from TOML or made from options."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from plumbline.streaming.load.dialects import DIALECTS
from plumbline.streaming.load.errors import LoadError
from plumbline.streaming.load.stamp import SMALLEST

MOST_CONNECTIONS = 200_000
LONGEST_S = 86_400.0  # one day: a run always ends
PER_PROCESS = 19_000  # sockets of one generator process: 20,000 file descriptors, less what it needs itself

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class Part(BaseModel):
    """A table of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Group(Part):
    """Channels of one kind.

    Attributes:
        name: Of the group; channels are `<run>.<name>.<index>`.
        channels: How many there are.
        readers: Connections that read each channel; 0: all of them. Readers are dealt out round robin.
        publishers: Connections that publish into it, besides the readers; each channel has one of them.
        mode: `all` messages, or only the `latest` one (holes are then counted as skipped, not lost).
    """

    name: Name
    channels: int = Field(default=1, ge=1, le=1_000_000)
    readers: int = Field(default=0, ge=0, le=MOST_CONNECTIONS)
    publishers: int = Field(default=1, ge=1, le=64)
    mode: Literal["all", "latest"] = "all"


class Publish(Part):
    """Messages into a group.

    Attributes:
        group: Its name.
        per_s: Messages per second over all channels of the group.
        bytes: Size of each.
        arrivals: `even` gaps, or `random` (exponential) ones.
        window: Closed loop: at most so many messages on their way, as fast as they go; `per_s` is the upper bound. For
            saturation only, since a closed loop hides stalls; the report says that it was one.
    """

    group: Name
    per_s: Rate
    bytes: int = Field(default=128, ge=SMALLEST, le=1 << 20)
    arrivals: Literal["even", "random"] = "even"
    window: int = Field(default=0, ge=0, le=100_000)


class Storm(Part):
    """Connections that are cut by their clients and all come back.

    Attributes:
        at_s: When, in seconds from the phase's start.
        share: Of the connections.
        spread_s: Time over which they come back; 0: all at once.
    """

    at_s: float = Field(default=0.0, ge=0, le=LONGEST_S)
    share: Share = 1.0
    spread_s: float = Field(default=0.0, ge=0, le=600)


class Phase(Part):
    """A stretch of the run; everything in it happens at the same time.

    Attributes:
        name: For the report.
        seconds: How long, or how long at most with `until_connected`.
        connect_per_s: New connections per second, until the scenario's number is reached.
        until_connected: End as soon as all are connected and subscribed.
        publish: Messages into groups.
        requests_per_s: Requests, answered to the asking connection alone.
        churn_per_s: Connections per second that leave and come back at once.
        storm: Connections that are cut together.
        completion: Report also when each message had reached its last reader (of each generator process); for messages
            that do not overlap.
        slow_readers: Connections that stop reading at the phase's start and go on at its end.
    """

    name: Name
    seconds: float = Field(gt=0, le=LONGEST_S)
    connect_per_s: Rate | None = None
    until_connected: bool = False
    publish: tuple[Publish, ...] = ()
    requests_per_s: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    churn_per_s: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    storm: Storm | None = None
    completion: bool = False
    slow_readers: int = Field(default=0, ge=0, le=10_000)


class Scenario(Part):
    """A whole run.

    Attributes:
        name: For the report.
        dialect: What the servers speak.
        connections: Readers; publishers come on top.
        groups: The channels.
        phases: What happens, in order.
        settle_s: Longest wait at the end for messages that are on their way.
        reconnect_s: Upper bound of the random pause before a lost connection comes back; doubled with each failure.
        seed: Of everything random.
    """

    name: Name = "load"
    dialect: str = "plumbline"
    connections: int = Field(ge=1, le=MOST_CONNECTIONS)
    groups: tuple[Group, ...] = ()
    phases: tuple[Phase, ...] = Field(min_length=1, max_length=99)
    settle_s: float = Field(default=10.0, ge=0, le=600)
    reconnect_s: float = Field(default=1.0, gt=0, le=60)
    seed: int = 1

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        if self.dialect not in DIALECTS:
            raise ValueError(f"there is no dialect '{self.dialect}'; there are {', '.join(DIALECTS)}")
        names = [group.name for group in self.groups]
        if len(set(names)) < len(names):
            raise ValueError("two groups have the same name")
        for phase in self.phases:
            for publish in phase.publish:
                if publish.group not in names:
                    near = _near(publish.group, names)
                    raise ValueError(f"phase '{phase.name}' publishes into '{publish.group}', which is no group{near}")
        if sum(phase.seconds for phase in self.phases) + self.settle_s > LONGEST_S:
            raise ValueError(f"the phases last longer than {LONGEST_S:g} s together")
        self._of_dialect()
        return self

    def _of_dialect(self) -> None:
        dialect = DIALECTS[self.dialect]
        if not dialect.subscribes and self.groups:
            raise ValueError(f"the dialect {self.dialect} has no channels; leave the groups out and use requests_per_s")
        if dialect.everybody and any(group.channels > 1 or group.readers for group in self.groups):
            raise ValueError(
                f"the dialect {self.dialect} has one channel that everybody reads: channels = 1, readers = 0"
            )
        if dialect.everybody and (len(self.groups) > 1 or any(phase.requests_per_s for phase in self.phases)):
            raise ValueError(f"the dialect {self.dialect} has one group, and answers no requests")

    @property
    def publishers(self) -> int:
        """Connections that publish, over all groups."""
        return sum(group.publishers for group in self.groups)


def _near(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def scenario(values: dict[str, Any], where: str) -> Scenario:
    """Check plain values.

    Raises:
        LoadError: Something is wrong; the sentence says where and what.
    """
    try:
        return Scenario.model_validate(values)
    except ValidationError as error:
        raise LoadError(f"{where}: {_sentence(error)}") from None


def from_file(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        LoadError: It cannot be read, is no TOML, or says something that a scenario cannot.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LoadError(f"{path}: {error}") from None
    return scenario(values, str(path))


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"'{place}' is no key here{_near(str(first['loc'][-1]), _keys())}"
    text = str(first["msg"]).removeprefix("Value error, ")
    return f"{place}: {text[0].lower()}{text[1:]}" if place else text


def _keys() -> list[str]:
    return [name for part in (Scenario, Phase, Storm, Publish, Group) for name in part.model_fields]
