"""Run diagnostics in parallel, each in a confined process of its own, and tell what happens as it happens."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from plumbline.catalogue import Catalogue
from plumbline.diagnosis.catalogue import Diagnostic, load_origin, origins
from plumbline.diagnosis.collect import unread
from plumbline.diagnosis.findings import Finding, Status, unknown
from plumbline.diagnosis.pool import JobError, Pool
from plumbline.diagnosis.redact import Redactor, secrets_of
from plumbline.diagnosis.report import Report, Result, finding_from_json
from plumbline.diagnosis.select import pick
from plumbline.evidence import Endpoint

DEFAULT_JOBS = 6
"""Most of them only wait while they watch: with six at a time, forty take as long as the longest watch does."""
_MARGIN_S = 5.0
Event = dict[str, Any]
Evidence = dict[str, Any]
"""What one diagnostic judged: parameter name to `{type, value, reason, sentence, reads}`."""


class Runner:
    """Runs the diagnostics of a catalogue; a context manager whose workers start on entering.

    Several threads may call `run` at once; `jobs` limits what runs at the same time over all of them.

    Args:
        catalogue: Where the diagnostics lie; or the loaded ones.
        jobs: Diagnostics at the same time.
    """

    def __init__(self, catalogue: Catalogue | Iterable[Diagnostic], *, jobs: int = DEFAULT_JOBS) -> None:
        loaded = [] if isinstance(catalogue, Catalogue) else list(catalogue)
        self._origins = origins(catalogue) if isinstance(catalogue, Catalogue) else [one.origin for one in loaded]
        self._loaded = {one.id: one for one in loaded}
        self._pool = Pool([origin.path for origin in self._origins])
        self._jobs = max(1, jobs)
        self._slots = threading.BoundedSemaphore(self._jobs)
        self._loading = threading.Lock()

    def __enter__(self) -> Self:
        self._pool.start()
        return self

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """The diagnostics, in the order of their ids; loaded on first use, while the worker starts."""
        with self._loading:
            for origin in self._origins:
                if origin.id not in self._loaded:
                    self._loaded[origin.id] = load_origin(origin)
        return [self._loaded[origin.id] for origin in self._origins]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; runs under way are cancelled."""
        self._pool.close()

    def run(
        self,
        ids: Iterable[str] | None,
        endpoint: Endpoint,
        on_event: Callable[[Event], None] | None = None,
        timeout_s: float | None = None,
        cancel: threading.Event | None = None,
        *,
        evidence: Mapping[str, Evidence] | None = None,
        keep: dict[str, Evidence] | None = None,
    ) -> Report:
        """Run diagnostics and return the report.

        Args:
            ids: Which, by id; None for all.
            endpoint: Where the target is.
            on_event: Called with each event, one at a time, from threads of the run.
            timeout_s: Upper bound for every time-out, in seconds.
            cancel: When set, what runs is killed and reported `unknown` with the reason `cancelled`.
            evidence: By id, evidence to judge instead of collecting it.
            keep: Receives, by id, the evidence that was judged; unredacted.

        Raises:
            LookupError: An id is unknown.
        """
        work = _Run(endpoint, on_event or (lambda _: None), timeout_s, cancel or threading.Event(), evidence, keep)
        chosen = pick(self.diagnostics, ids)
        began, clock = _now(), time.monotonic()
        work.tell({"event": "run.started", "ids": [one.id for one in chosen], "target": endpoint.name})
        results = self._parallel(chosen, work)
        report = Report(endpoint.name, tuple(results), began, round(time.monotonic() - clock, 4))
        work.tell({"event": "run.finished", "report": report.to_json()})
        return report

    def _parallel(self, chosen: list[Diagnostic], work: _Run) -> list[Result]:
        waiting: queue.SimpleQueue[tuple[int, Diagnostic]] = queue.SimpleQueue()
        results: dict[int, Result] = {}
        failures: list[BaseException] = []
        ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        for item in sorted(enumerate(chosen), key=lambda one: -_watched_s(one[1])):  # the longest first: no round waits
            waiting.put(item)

        def labour() -> None:
            try:
                while not waiting.empty():
                    with contextlib.suppress(queue.Empty):  # another thread was quicker
                        position, diagnostic = waiting.get_nowait()
                        results[position] = self._one(diagnostic, work)
            except BaseException as error:  # noqa: BLE001 - a broken listener ends the run, in the caller's thread
                failures.append(error)
                work.cancel.set()
            finally:
                ended.put(None)

        left = 0
        try:
            for _ in range(min(self._jobs, len(chosen))):
                threading.Thread(target=labour, daemon=True).start()
                left += 1
            while left:
                ended.get()  # not join(): once interrupted, that takes a running thread for a finished one
                left -= 1
        except BaseException:  # Ctrl-C: kill what runs before it propagates, and say no more
            work.interrupt()
            with contextlib.suppress(queue.Empty):
                for _ in range(left):
                    ended.get(timeout=_MARGIN_S)
            raise
        if failures:
            raise failures[0]
        return [results[position] for position in range(len(chosen))]

    def _one(self, diagnostic: Diagnostic, work: _Run) -> Result:
        with self._slots:
            began, clock = _now(), time.monotonic()
            work.tell({"event": "check.started", "id": diagnostic.id})
            finding, reason, reads = self._judge(diagnostic, work)
            result = work.result(diagnostic, finding, reason, reads, began, round(time.monotonic() - clock, 4))
            work.tell({"event": "check.finished", "result": result.to_json()})
            return result

    def _judge(self, diagnostic: Diagnostic, work: _Run) -> tuple[Finding, str | None, list[str]]:
        if diagnostic.judge is None:
            return unknown(str(diagnostic.broken)), "exception", []
        if work.cancel.is_set():
            return unknown("the run was cancelled before it began"), "cancelled", []
        if work.evidence is None and work.keep is None and (gap := unread(diagnostic.judge, work.endpoint)):
            return unknown(gap.sentence), gap.reason, []  # that takes no process
        origin = diagnostic.origin
        job = {
            "origin": {"id": origin.id, "path": str(origin.path), "packages": sorted(origin.packages)},
            "endpoint": dataclasses.asdict(work.endpoint),
            "evidence": None if work.evidence is None else work.evidence.get(diagnostic.id, {}),
        }
        try:
            answer = self._pool.run(job, work.limit(diagnostic.judge.timeout_s), work.cancel)
        except JobError as error:
            return unknown(error.sentence), error.reason, []
        if work.keep is not None and answer["evidence"]:
            work.keep[diagnostic.id] = answer["evidence"]
        if answer["finding"] is None:
            return unknown(answer["sentence"] or "no reason was given"), answer["reason"], answer["reads"]
        finding = finding_from_json(answer["finding"])
        return finding, _reason(finding.status), answer["reads"]


def _watched_s(diagnostic: Diagnostic) -> float:
    """Return for how long a diagnostic may watch, in seconds."""
    if diagnostic.judge is None:
        return 0.0
    return sum(max((one.window_s for one in need.evidence.sources), default=0.0) for need in diagnostic.judge.needs)


@dataclasses.dataclass(slots=True)
class _Run:
    """What all checks of one run share."""

    endpoint: Endpoint
    on_event: Callable[[Event], None]
    timeout_s: float | None
    cancel: threading.Event
    evidence: Mapping[str, Evidence] | None
    keep: dict[str, Evidence] | None
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def tell(self, event: Event) -> None:
        """Pass an event on, one at a time."""
        with self.lock:
            self.on_event(event)

    def interrupt(self) -> None:
        """Kill what runs, and tell nothing more."""
        with self.lock:
            self.on_event = lambda _: None
        self.cancel.set()

    def limit(self, declared_s: float) -> float:
        """Return a diagnostic's time-out: a target that asks for patience gets it, and the caller's bound wins."""
        wanted = max(declared_s, self.endpoint.patience_s + _MARGIN_S)
        return wanted if self.timeout_s is None else min(wanted, self.timeout_s)

    def result(
        self,
        diagnostic: Diagnostic,
        finding: Finding,
        reason: str | None,
        reads: list[str],
        began: str,
        took_s: float,
    ) -> Result:
        """Return the result; its texts go through the pattern net, which knows the target's own secrets."""
        clean = Redactor(secrets_of(self.endpoint)).text
        return Result(
            id=diagnostic.id,
            question=diagnostic.question,
            target=self.endpoint.name,
            status=finding.status,
            reason=reason,
            sentence=clean(finding.sentence),
            measures=finding.measures,
            cause=finding.cause,
            impact=finding.impact and clean(finding.impact),
            next=tuple(map(clean, finding.next)),
            guide=diagnostic.guide,
            started_at=began,
            duration_s=took_s,
            reads=tuple(map(clean, reads)),
        )


def _reason(status: Status) -> str | None:
    if status is Status.OK:
        return None
    return "threshold" if status.red else "no_evidence"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
