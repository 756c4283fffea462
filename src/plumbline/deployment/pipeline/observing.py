"""Counts of what was served, from where they are counted: servers' metrics, and the business's own commands."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from plumbline.deployment.core.digests import short
from plumbline.deployment.core.errors import UnavailableError
from plumbline.deployment.core.lanes import COPY, version_of
from plumbline.deployment.pipeline.commands import CommandError
from plumbline.deployment.pipeline.parts import Business
from plumbline.deployment.pipeline.ports import Reading

REQUESTS, LATENCY, SCORE = "plumbline_model_requests_total", "plumbline_model_latency_seconds", "plumbline_model_score"
"""Metrics that are read, as the model server names them."""

MISSING = frozenset({"not_finite"})
"""Values of the label `outcome` for answers whose output was not there or not finite."""

NO_ERROR = frozenset({"ok", "full"}) | MISSING
"""Outcomes that are no error of a version: a full queue is the server's, and missing outputs have a guard of their own.
Refused requests count, for callers' own mistakes meet both sides alike: more on one side is a stricter contract.
"""

Ask = Callable[[Business], bytes]
"""Runs a command of the business and returns what it printed."""


class Scraped:
    """Reads the servers' metrics, and adds several servers up.

    Args:
        urls: Of the metrics, or what is asked for them at every look: a server that was started anew may be elsewhere.
            What is counted at one that ends as the name of a copy does (`core.lanes.COPY`) is counted by copies.
        business: Commands that count business events.
        ask: Runs such a command and returns what it printed; needed if there is one.
        timeout_s: For each server.
    """

    def __init__(
        self,
        urls: Sequence[str] | Callable[[], Sequence[str]],
        business: Sequence[Business] = (),
        ask: Ask | None = None,
        timeout_s: float = 2.0,
    ) -> None:
        self._urls = urls
        self._business = tuple(business)
        self._ask = ask
        self._timeout_s = timeout_s

    def read(self, names: Sequence[str]) -> dict[str, Reading]:
        """Return the counts of versions by digest or name of a copy, all servers together.

        Raises:
            UnavailableError: A server's metrics, or a command, cannot be read; half of the counts would mislead.
        """
        urls = self._urls() if callable(self._urls) else self._urls
        samples = [sample for url in urls for sample in self._scrape(url)]
        counted = {name: _reading([one for one in samples if _means(one.labels.get("version", ""), name)])
                   for name in names}  # fmt: skip
        events = {one.name: self._count(one) for one in self._business}
        return {name: _with(reading, name, events) for name, reading in counted.items()}

    @cached_property
    def _client(self) -> httpx.Client:
        """Made when it is needed: reading the authorities' certificates would be a third of a rollback's time."""
        return httpx.Client(timeout=self._timeout_s, trust_env=False)

    def close(self) -> None:
        """Close connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def _scrape(self, url: str) -> list[Sample]:
        try:
            answer = self._client.get(url)
            answer.raise_for_status()
            families = list(text_string_to_metric_families(answer.text))
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError(f"the metrics at {url} cannot be read: {error}", url=url) from error
        samples = [sample for family in families for sample in family.samples]
        return [_by_a_copy(one) for one in samples] if url.endswith(COPY) else samples

    def _count(self, business: Business) -> Mapping[str, Any]:
        if self._ask is None:
            raise UnavailableError(f"business metric '{business.name}': nobody runs its command")
        try:
            found = json.loads(self._ask(business))
        except (CommandError, ValueError) as error:
            raise UnavailableError(f"business metric '{business.name}' cannot be read: {error}") from error
        if not isinstance(found, dict):
            raise UnavailableError(f"business metric '{business.name}': expected a JSON object by digest")
        return found


def _by_a_copy(sample: Sample) -> Sample:
    version = sample.labels.get("version")
    if version is None or version.endswith(COPY):
        return sample
    return sample._replace(labels={**sample.labels, "version": version + COPY})


def _means(label: str, name: str) -> bool:
    """Return whether a label such as `1.2.0+0123456789ab` means a version; a copy's ends as its name does."""
    return version_of(label).endswith(short(version_of(name))) and label.endswith(COPY) == name.endswith(COPY)


def _reading(samples: Iterable[Sample]) -> Reading:
    outcomes: dict[str, int] = {}
    latency: dict[float, int] = {}
    scores: dict[float, int] = {}
    for one in samples:
        if one.name == REQUESTS:
            outcome = one.labels.get("outcome", "ok")
            outcomes[outcome] = outcomes.get(outcome, 0) + int(one.value)
        for name, histogram in ((LATENCY, latency), (SCORE, scores)):
            if one.name == f"{name}_bucket":
                bound = float(one.labels["le"].replace("+Inf", "inf"))
                histogram[bound] = histogram.get(bound, 0) + int(one.value)
    return Reading(
        sum(outcomes.values()),
        sum(n for outcome, n in outcomes.items() if outcome not in NO_ERROR),
        sum(outcomes.get(outcome, 0) for outcome in MISSING),
        tuple(sorted(latency.items())),
        tuple(sorted(scores.items())),
    )


def _with(reading: Reading, name: str, events: Mapping[str, Mapping[str, Any]]) -> Reading:
    found = {}
    for metric, by_digest in events.items():
        one = by_digest.get(name, {})
        count, of = (one.get(key, 0) for key in ("events", "of"))
        if not all(isinstance(n, int | float) and math.isfinite(n) and n >= 0 for n in (count, of)):
            raise UnavailableError(f"business metric '{metric}': expected counts of {name}, found {one!r}")
        found[metric] = (int(count), int(of))
    return Reading(reading.requests, reading.errors, reading.missing, reading.latency, reading.scores, found)
