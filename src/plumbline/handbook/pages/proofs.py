"""The proof report: every guide, when it was proven and how long it took."""

from __future__ import annotations

from plumbline.handbook.inputs import changed
from plumbline.handbook.load import Guide, Handbook
from plumbline.handbook.pages.markdown import escaped, guide_link, page, status, table
from plumbline.handbook.records import Proof


def proofs_page(handbook: Handbook) -> str:
    """Return the page."""
    rows = [_row(handbook, guide) for guide in handbook.guides.values()]
    proven = sum(row[1] == status_of("proven") for row in rows)
    head = [
        "Guide",
        "State",
        "Proven on",
        "Red after",
        "Green after",
        "Red with the fault",
        "Red without",
        "Search ranks",
    ]
    return page(
        "Proof report",
        "Which guides are proven, when, and how long they took to go red and green.",
        f"**{proven} of {len(rows)} guides are proven as they stand here.** Repeat it: `plumb prove`, or one of them: "
        "`plumb prove ID`. Times are of a lab on one shared machine; they compare within this table only.",
        table(head, rows),
        *(part for guide in handbook.guides.values() for part in _phases(handbook, guide)),
    )


def status_of(state: str) -> str:
    """Return a proof's state as shape and words."""
    words = {"proven": "ok", "stale": "warning", "failed": "critical", "unproven": "unknown"}
    said = {"proven": "proven", "stale": "stale", "failed": "not proven", "unproven": "not yet proven"}
    return f"{status(words[state]).split(' ')[0]} {said[state]}"


def _row(handbook: Handbook, guide: Guide) -> list[str]:
    proof = handbook.proofs.get(guide.id)
    link = guide_link(guide.id, guide.title)
    if proof is None:
        return [link, status_of("unproven"), *[""] * 6]
    likely = proof.likelihoods
    return [
        link,
        status_of(_state(handbook, proof)),
        proof.proven_at.date().isoformat(),
        _seconds(proof.time_to_red_s),
        _seconds(proof.time_to_green_s),
        f"{likely.red_given_fault.red} of {likely.red_given_fault.runs}",
        f"{likely.red_given_healthy.red} of {likely.red_given_healthy.runs}",
        ", ".join("none" if one.rank is None else str(one.rank) for one in proof.found),
    ]


def _state(handbook: Handbook, proof: Proof) -> str:
    if not proof.proven:
        return "failed"
    return "stale" if changed(handbook.catalogue, proof.id, proof.inputs) else "proven"


def _phases(handbook: Handbook, guide: Guide) -> list[str]:
    proof = handbook.proofs.get(guide.id)
    if proof is None:
        return []
    rows = [
        [phase.name, "held" if phase.ok else "failed", _seconds(phase.duration_s), escaped(phase.sentence)]
        for phase in proof.phases
    ]
    return [f"## {escaped(guide.title)}", table(["Phase", "Result", "Took", "What happened"], rows)]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
