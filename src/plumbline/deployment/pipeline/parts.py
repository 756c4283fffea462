"""What a pipeline's file holds, part by part. The words are the file's; a field that ends in `_s` is in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from plumbline.deployment.pipeline.closed import CLOSED, Count, Level, Name, Positive, Seconds


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the author's own, started without a shell in the folder of the file.

    Args:
        run: The command: one line, split as a shell would split it, or a list of words.
        time_limit_s: After this it is killed with all that it started, and has failed.
        environment: Variables set for it.
        keep: Names of variables of the deployer that it may see; beside them only PATH, HOME, LANG, TZ, TMPDIR and
            those of the virtual environment are passed on.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    run: str | tuple[str, ...]
    time_limit_s: Seconds = 600.0
    environment: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """The model that the build leaves, or one that is registered already.

    Args:
        name: The model's name in the registry.
        folder: Where the build leaves `plumbline.json` (the manifest) and the files that it names.
        ref: Instead of a folder: a version, alias or digest in the registry.
        version: The author's claim; a claim lower than what the behaviour asks for is refused.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: Name
    folder: Name | None = None
    ref: Name | None = None
    version: Name | None = None

    def __post_init__(self) -> None:
        if (self.folder is None) == (self.ref is None):
            raise ValueError("a model comes from one place: give 'folder' (what the build leaves) or 'ref'")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Held-out rows, which the training never saw.

    Args:
        file: CSV with a header; columns are named as the inputs of the signature.
        label: Column with the true answer.
        rows: At most so many rows are read, from the top.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    file: Name
    label: Name
    rows: Count = 100_000


@dataclass(frozen=True, slots=True)
class Recent:
    """Requests that production answered lately.

    Args:
        file: CSV with a header, or JSON lines: one request per row.
        rows: The last so many rows are read.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    file: Name
    rows: Count = 1_000


@dataclass(frozen=True, slots=True)
class GateUse:
    """One gate of the pipeline. In the file: its name, or its name with settings.

    Args:
        gate: A built-in gate, or one that a package brings under the entry point `plumbline.gates`.
        settings: The gate's own.
        time_limit_s: After this it is inconclusive; stands among the settings as `time_limit`.
    """

    gate: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    time_limit_s: float = 60.0


@dataclass(frozen=True, slots=True)
class BlueGreen:
    """Half of the requests to the new version while the guards look, half to a fresh copy of the old one; then all.

    Args:
        kind: `blue-green`.
        watch_s: How long the guards look; 0 switches at once, unwatched.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    kind: Literal["blue-green"]
    watch_s: Seconds = 60.0


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """One share of the requests.

    Args:
        share: Fraction of the requests that the new version gets, above 0, at most 0.5: a baseline, freshly loaded from
            the old version, gets the same.
        hold_s: For how long at least.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    share: Annotated[float, Field(strict=True, gt=0, le=0.5)]
    hold_s: Seconds


@dataclass(frozen=True, slots=True)
class Canary:
    """A rising share of the requests to the new version; then all.

    Args:
        kind: `canary`.
        steps: Shares, rising.
        longest_s: A step in which the guards see too little goes on at most so long; then the deployment is
            inconclusive and rolled back.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    kind: Literal["canary"]
    steps: Annotated[tuple[CanaryStep, ...], Field(min_length=1)]
    longest_s: Seconds = 3_600.0

    def __post_init__(self) -> None:
        shares = [step.share for step in self.steps]
        if any(after <= before for before, after in pairwise(shares)):
            raise ValueError(f"the shares of a canary rise from step to step, not {', '.join(map(str, shares))}")


@dataclass(frozen=True, slots=True)
class Errors:
    """Requests that the server answers with an error.

    Args:
        margin: How many times as often as the baseline they may happen without harm.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    margin: Positive = 1.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Answers that come too late.

    Args:
        slow_s: From this time on an answer is slow.
        margin: How many times as often as the baseline's answers they may be slow without harm.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    slow_s: Seconds
    margin: Positive = 1.5


@dataclass(frozen=True, slots=True)
class Drift:
    """Scores that fall elsewhere than the baseline's.

    Args:
        tolerated: Ratio of shares in a range of scores that is no drift yet, at least 1.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    tolerated: Annotated[float, Field(strict=True, ge=1)] = 1.25


@dataclass(frozen=True, slots=True)
class Missing:
    """Answers without an output, or with one that is not a finite number.

    Args:
        margin: How many times as often as the baseline they may happen without harm.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    margin: Positive = 1.0


@dataclass(frozen=True, slots=True)
class Business:
    """What the deployment is for, counted by the business.

    Args:
        name: Of the metric.
        run: A command that prints one JSON object: by version's digest, `{"events": 12, "of": 480}` since the start of
            the deployment (`PLUMBLINE_SINCE`, Unix time in seconds). Started as a step is, in the folder of the file.
        worse: Whether the event is harm when it happens more often (`more`) or less often (`less`).
        margin: Ratio of rates that is no harm yet: the new version's to the baseline's for `more`, the baseline's to
            the new version's for `less`.
        time_limit_s: Of the command; after this it is killed, and the look has no counts.
        environment: Variables set for it.
        keep: Names of variables of the deployer that it may see, as of a step.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    name: Name
    run: str | tuple[str, ...]
    worse: Literal["more", "less"]
    margin: Positive = 1.0
    time_limit_s: Seconds = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched while both versions serve, and rolls back by itself.

    Args:
        alpha: Probability that a harmless version is ever rolled back by one guard, over all looks.
        every_s: Time between two looks.
        least: Requests that each side must have answered before a step can end well: no traffic is not health.
        errors: Guard on errors; `null` for none.
        latency: Guard on slow answers.
        drift: Guard on the scores; `null` for none.
        missing: Guard on missing outputs; `null` for none.
        business: Guards on the business's own counts.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    alpha: Level = 0.01
    every_s: Seconds = 1.0
    least: Count = 200
    errors: Errors | None = field(default_factory=Errors)
    latency: Latency | None = None
    drift: Drift | None = field(default_factory=Drift)
    missing: Missing | None = field(default_factory=Missing)
    business: tuple[Business, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether a person must agree, after the gates and before the first request.

    Args:
        needed: `always`, `inconclusive` (when a gate could not tell), `major` (when the contract breaks)
            or `never`.
        by: Names of those who may; empty for anybody whom the machine lets in.
        valid_s: How long a request for approval stays open; then the deployment ends.
        override: Names of those who may deploy against a gate that failed, with a reason; empty for nobody.
    """

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED
    needed: Literal["always", "inconclusive", "major", "never"] = "never"
    by: tuple[Name, ...] = ()
    valid_s: Seconds = 86_400.0
    override: tuple[Name, ...] = ()
