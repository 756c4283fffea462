"""The `proof` block: the proof card."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from plumbline.handbook.blocks.elements import Child, bullets, command, details, element, facts, rich, status
from plumbline.handbook.blocks.shelf import Proven, Shelf
from plumbline.handbook.records import Phase, Problem, Proof, TriedDecoy

_STATES = {
    "proven": ("ok", "Proven"),
    "stale": ("warning", "Stale"),
    "failed": ("critical", "Not proven"),
    "unproven": ("unknown", "Not yet proven"),
}
_INPUTS = {
    "guide": "this guide",
    "diagnostic": "its diagnostic",
    "fault": "the fault",
    "record": "the problem record",
    "component": "the component's source",
}


def proof_block(shelf: Shelf, name: str) -> Element:
    """Build the proof card of a problem.

    Raises:
        HandbookError: There is no such problem, or its records break their schema.
    """
    proven = shelf.proof(name)
    return element(
        "section",
        {
            "class": f"pl-block pl-proof pl-proof--{proven.state}",
            "data-plumbline": "proof",
            "data-id": name,
            "data-state": proven.state,
            "aria-label": f"Proof card of {name}",
        },
        element("p", "pl-block__title", element("span", "pl-kind", "Proof"), " ", badge(proven), " ", *when(proven)),
        element("p", "pl-proof__told", *_told(proven)),
        *(_card(proven.record, shelf.problem(name)) if proven.record else []),
        command(f"plumb prove {name}" + ("" if proven.state == "proven" else " --record")),
    )


def badge(proven: Proven) -> Element:
    """Build the badge of a proof's state."""
    return status(*_STATES[proven.state])


def when(proven: Proven) -> list[Child]:
    """Say when it was proven last; nothing if it never was."""
    if proven.record is None or proven.day is None:
        return []
    made = element("time", {"datetime": proven.record.proven_at.isoformat()}, proven.day.isoformat())
    return ["on ", made]


def _told(proven: Proven) -> list[Child]:
    if proven.record is None:
        return ["Nobody has executed this guide against a real component yet; read it with that in mind. This does it:"]
    if proven.state == "failed":
        said = next((phase for phase in proven.record.phases if not phase.ok), None)
        where: list[Child] = [f"The phase “{said.name}” failed: ", *rich(said.sentence)] if said else []
        return ["The last run did not prove this guide. ", *where, " Mend it, then prove it again:"]
    if proven.state == "stale":
        what = _joined(_INPUTS[name] for name in proven.changed)
        return [f"It was proven, but since then {what} changed. Prove it again before you rely on it:"]
    return ["The fault was injected into the real component, and the steps of this very page mended it. Repeat it:"]


def _card(record: Proof, problem: Problem) -> list[Child]:
    pairs: list[tuple[str, list[Child]]] = [
        ("Red after", [_seconds(record.time_to_red_s)]),
        ("Green after the fix", [_seconds(record.time_to_green_s)]),
    ]
    if record.felt:
        pairs.insert(0, ("Felt by clients", rich(record.felt)))
    if record.decoys:
        pairs.append(("Did nothing", [_decoys(record, problem)]))
    if record.found:
        pairs.append(("Found by search", [_ranks(record)]))
    likely = record.likelihoods
    with_fault = f"in {likely.red_given_fault.red} of {likely.red_given_fault.runs} runs with the fault"
    without = f"in {likely.red_given_healthy.red} of {likely.red_given_healthy.runs} without"
    pairs.append(("Diagnostic was red", [f"{with_fault}, {without}"]))
    phases = bullets((_phase(phase) for phase in record.phases), "ol")
    versions = facts("pl-facts", [(name, [version]) for name, version in record.versions.items()])
    return [
        facts("pl-facts", pairs),
        details("pl-proof__phases", [f"What was executed, {_seconds(record.duration_s)} in all"], phases),
        details("pl-proof__versions", ["With these versions"], versions) if record.versions else None,
    ]


def _phase(phase: Phase) -> list[Child]:
    held = "held" if phase.ok else "failed"
    return [element("strong", "", phase.name), f" ({held}, {_seconds(phase.duration_s)}): ", *rich(phase.sentence)]


def _decoys(record: Proof, problem: Problem) -> Element:
    why = {decoy.id: rich(f": {decoy.why}") for decoy in problem.decoys}
    return bullets(_decoy(tried, why.get(tried.id, [])) for tried in record.decoys)


def _decoy(tried: TriedDecoy, why: list[Child]) -> list[Child]:
    return [element("code", "", tried.id), f" (still {tried.status})", *why]


def _ranks(record: Proof) -> str:
    """Say the ranks by register; the queries stay out of the page, because they are held out of every index."""
    ranks: dict[str, list[str]] = {}
    for one in record.found:
        ranks.setdefault(one.register_, []).append("none" if one.rank is None else str(one.rank))
    return "; ".join(f"{register}: rank {', '.join(found)}" for register, found in ranks.items())


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} s"


def _joined(words: Iterable[str]) -> str:
    *rest, last = list(words)
    return f"{', '.join(rest)} and {last}" if rest else last
