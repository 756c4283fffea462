"""Fill the parameters of a diagnostic: try the sources of each evidence record, best first, and say what was read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from plumbline.diagnosis.declare import Judge, Need
from plumbline.evidence import Endpoint, Source, UnavailableError

_FIELDS = {
    "url": "address (url)",
    "pid": "process id (pid)",
    "admin": "admin socket (admin)",
    "metrics": "Prometheus endpoint (metrics)",
    "netns_of": "network namespace (netns_of)",
    "cgroup": "control group (cgroup)",
    "token": "token (token_env)",
    "clocks": "clocks to compare with (clocks)",
    "fanout": "channel made for probes (fanout)",
    "model": "model's name (model)",
    "golden": "requests with known answers (golden)",
    "registry": "model registry (registry)",
    "artefact": "model's file or image (artefact)",
    "exposures": "log of an experiment (exposures)",
    "experiment": "experiment's declaration (experiment)",
    "retraining": "retraining's declaration (retraining)",
    "served": "log of features as served (served)",
    "trained": "features as training computes them (trained)",
}
NO_LAB = "no lab is running; start one with 'plumb up' or 'plumb practice ID', or name your own platform with --target"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of one parameter: the evidence, or why there is none.

    Args:
        name: The parameter.
        value: The evidence; None if it could not be had.
        reason: Why not: a `plumbline.evidence.Reason`, or `exception`.
        sentence: Why not, for people.
        reads: What was read or tried, in order.
    """

    name: str
    value: Any
    reason: str | None
    sentence: str
    reads: tuple[str, ...]


def gather(judge: Judge, endpoint: Endpoint) -> list[Gathered]:
    """Collect the evidence for every parameter of a diagnostic."""
    return [gather_one(need, endpoint) for need in judge.needs]


def missing(judge: Judge, gathered: list[Gathered]) -> Gathered | None:
    """Return the gap that makes judging impossible (a required parameter, or all optional ones), or None."""
    for need, got in zip(judge.needs, gathered, strict=True):
        if got.value is None and not need.optional:
            return got
    if any(got.value is not None for got in gathered):
        return None
    tried = next((got for got in gathered if got.reads), None)  # what was asked, and did not answer, says most
    return tried or replace(gathered[0], sentence="; ".join(dict.fromkeys(got.sentence for got in gathered)))


def unread(judge: Judge, endpoint: Endpoint) -> Gathered | None:
    """Return the gap if the endpoint has no source of anything that is wanted; None if one is to be tried."""
    if any(usable(need.evidence, endpoint) for need in judge.needs):
        return None
    return missing(judge, gather(judge, endpoint))  # which has nothing to read


def gather_one(need: Need, endpoint: Endpoint) -> Gathered:
    """Try the sources that the endpoint can serve, best first: the first answer wins, else the best one's reason."""
    reads: list[str] = []
    first: tuple[str, str] | None = None
    for source in usable(need.evidence, endpoint):
        reads.append(described(source, endpoint))
        try:
            return Gathered(need.name, source.read(endpoint), None, "", tuple(reads))
        except Exception as error:  # noqa: BLE001 - a source reads other people's machines: all it raises is an answer
            first = first or why(error)
    reason, sentence = first or ("not_configured", _not_configured(need.evidence, endpoint))
    return Gathered(need.name, None, reason, sentence, tuple(reads))


def usable(evidence: type[Any], endpoint: Endpoint) -> list[Source]:
    """Return the sources of an evidence record whose needs the endpoint meets, best first."""
    return [source for source in evidence.sources if all(_given(endpoint, field) for field in source.needs)]


def described(source: Source, endpoint: Endpoint | None) -> str:
    """Return what a source reads, with the endpoint's fields filled in; secrets in addresses are taken out."""
    from plumbline.diagnosis.redact import text

    line = source.reads
    for field in dataclasses.fields(endpoint) if endpoint else ():
        value = getattr(endpoint, field.name)
        if field.name not in ("token", "fanout") and value is not None:
            told = ", ".join(value) if isinstance(value, tuple | list) else str(value)
            line = line.replace(f"{{{field.name}}}", text(told))
    return line


def why(error: Exception) -> tuple[str, str]:
    """Return (reason, sentence) for what a source raised."""
    if isinstance(error, UnavailableError):
        return error.reason, error.sentence
    sentence = f"{type(error).__name__}: {error}"
    if isinstance(error, PermissionError):
        return "permission", f"it may not be read: {sentence}"
    if isinstance(error, TimeoutError):
        return "timeout", f"it did not answer in time: {sentence}"
    if isinstance(error, ConnectionError | FileNotFoundError | ProcessLookupError):
        return "unreachable", f"it cannot be reached: {sentence}"
    return "exception", f"reading the evidence failed: {sentence}"


def adapter(evidence: type[Any]) -> TypeAdapter[Any]:
    """Return the JSON round trip of an evidence record."""
    return TypeAdapter(evidence)


def _given(endpoint: Endpoint, field: str) -> bool:
    return getattr(endpoint, field, None) is not None


def _not_configured(evidence: type[Any], endpoint: Endpoint) -> str:
    if endpoint == Endpoint(name="lab"):
        return NO_LAB
    ways = [" and ".join(_FIELDS.get(field, field) for field in sorted(source.needs)) for source in evidence.sources]
    wanted = ", or ".join(dict.fromkeys(filter(None, ways))) or "a source, but it has none"
    return f"the target '{endpoint.name}' does not give what {evidence.__name__} needs: {wanted}"
