"""What a component says about itself: frozen records with a unit per field, and where they are read.

This is the vocabulary between components and diagnostics. A component defines evidence records with `measured`
fields and lists the `Source`s that can fill them; the diagnosis reads them and learns nothing more of the component.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

Secrecy = Literal["public", "internal", "secret"]
"""`public` may be printed anywhere, `internal` (addresses, paths, names) becomes a pseudonym, `secret` never leaves."""

Reason = Literal["not_configured", "permission", "timeout", "unsupported_platform", "unreachable", "malformed"]
"""Why a source could not be read."""

AS_USER = "run as that user or as root to see its sockets"
"""What helps with a process of another user."""


def measured(unit: str, doc: str, *, secrecy: Secrecy = "public", default: Any = dataclasses.MISSING) -> Any:
    """Declare one field of an evidence record.

    Args:
        unit: UCUM code: `s`, `By`, `1` (ratio or flag), `{connection}`, `By/s`; empty for text.
        doc: One sentence: what was measured, where.
        secrecy: Who may see the value.
        default: Value when the source does not have the field.
    """
    metadata = {"unit": unit, "doc": doc, "secrecy": secrecy}
    if default is dataclasses.MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class ProbeChannel:
    """A channel made for probing, and what a client says there. The texts may hold secrets, so they are never printed.

    In both texts `{token}` becomes the target's token; in `publish`, `{probe}` becomes a text of 16 letters and digits
    that is new each time, and `{probe_bytes}` its length.

    Args:
        publish: What publishes one message; it has `{probe}` in what readers will see.
        subscribe: What makes a connection a reader; None where a connection is one without a word.
        binary: Send binary messages, one byte for each character (Latin-1), instead of text.
    """

    publish: str = field(repr=False)
    subscribe: str | None = field(default=None, repr=False)
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a target can be reached. Every field is optional but the name: a source says what it needs.

    Args:
        name: The target's name in `plumbline.toml`.
        url: WebSocket or HTTP address as clients use it (through the front, if there is one).
        pid: Process id of the server on this machine.
        admin: Path of the gateway's admin socket.
        metrics: Address of a Prometheus endpoint.
        netns_of: Process whose network namespace the target lives in; the diagnostic's worker enters it first.
        patience_s: How long a probe may watch a quiet connection, in seconds.
        token: Bearer token that clients of this target send; never printed.
        cgroup: Control group of the server: its path (`/system.slice/gateway.service`) or its folder. It names a
            service that keeps dying, and so has no lasting pid.
        ca: PEM file of the authority that signed the target's certificate; None for the machine's own authorities.
        clocks: Whose clocks should agree with this machine's: `ntp://host`, or an `https://` address whose `Date`
            header is read.
        fanout: A channel made for probing; None: nothing is ever sent to a channel.
        subprotocol: WebSocket subprotocol that clients ask for (`mqtt`); None: they ask for none.
        model: Name of a model, at a server of the Open Inference Protocol or in a registry.
        golden: JSON file of requests whose right answers are known: `{"body": …, "expect": {output: [value, …]}}`.
        registry: A model registry: a folder, `postgresql://…`, or the `http(s)://` address of an MLflow server.
        artefact: A model's file or folder on this machine, or a folder with an OCI image layout.
        exposures: Log of an experiment's exposures and outcomes, one JSON object a line.
        experiment: File that declares the experiment.
        retraining: File that declares when to train again; or a log of trainings, one JSON object a line (`.jsonl`).
        served: Rows of features as a model got them: a log, one JSON object a line, or CSV.
        trained: Rows of features as the training code computes them, in the same form.
    """

    name: str
    url: str | None = None
    pid: int | None = None
    admin: str | None = None
    metrics: str | None = None
    netns_of: int | None = None
    patience_s: float = 3.0
    token: str | None = field(default=None, repr=False)
    cgroup: str | None = None
    ca: str | None = None
    clocks: tuple[str, ...] | None = None
    fanout: ProbeChannel | None = None
    subprotocol: str | None = None
    model: str | None = None
    golden: str | None = None
    registry: str | None = field(default=None, repr=False)  # a database's address may hold a password
    artefact: str | None = None
    exposures: str | None = None
    experiment: str | None = None
    retraining: str | None = None
    served: str | None = None
    trained: str | None = None


class UnavailableError(Exception):
    """Evidence could not be had; the finding is `unknown`, never ok and never critical.

    Args:
        reason: One of `Reason`.
        sentence: What was tried, and what would help.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        self.reason: Reason = reason
        self.sentence = sentence
        super().__init__(sentence)


def pid_of(endpoint: Endpoint) -> int:
    """Return the target's process id.

    Raises:
        UnavailableError: It names none.
    """
    if endpoint.pid is None:
        raise UnavailableError("not_configured", "the target names no pid; give one: --target pid:1234")
    return endpoint.pid


def linux_only(elsewhere: str) -> None:
    """Go on if this is Linux.

    Args:
        elsewhere: What to say on other systems.

    Raises:
        UnavailableError: It is another.
    """
    if sys.platform != "linux":
        raise UnavailableError("unsupported_platform", elsewhere)


@contextmanager
def looking_into(pid: int, right: str = AS_USER) -> Iterator[None]:
    """Turn the errors of reading another process's `/proc` into sentences.

    Args:
        pid: The process.
        right: What helps if it belongs to another user.

    Raises:
        UnavailableError: There is no such process (any more), or it belongs to another user.
    """
    try:
        yield
    except (FileNotFoundError, ProcessLookupError):
        raise UnavailableError("unreachable", f"there is no process {pid} on this machine") from None
    except PermissionError:
        raise UnavailableError("permission", f"process {pid} belongs to another user; {right}") from None


@dataclass(frozen=True, slots=True)
class Source:
    """One way to fill an evidence record.

    Args:
        needs: Names of the `Endpoint` fields that must be set (`{"pid"}`, `{"admin"}`; empty: only this machine).
        reads: What will be read, for `--plan`: one line, with the endpoint's fields as `{pid}`, `{url}` …
        read: Reads it. Must not write (messages go only to a channel that the target names for probes), and raises
            `UnavailableError` when it cannot.
        window_s: How long it watches, in seconds (0 for a snapshot).
    """

    needs: frozenset[str]
    reads: str
    read: Callable[[Endpoint], Any]
    window_s: float = 0.0


@runtime_checkable
class Evidence(Protocol):
    """A frozen dataclass whose fields are `measured`, and that knows its sources, best first."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    sources: ClassVar[tuple[Source, ...]]
