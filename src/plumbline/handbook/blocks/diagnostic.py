"""The `diagnostic` block: complete without JavaScript; a script adds a Run button and live results."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element

from plumbline.catalogue import ProblemId
from plumbline.diagnosis.catalogue import Diagnostic
from plumbline.handbook.blocks.elements import Child, bullets, command, details, element, rich, row, status, table
from plumbline.handbook.blocks.shelf import Shelf

_FIELD = re.compile(r"\{(\w+)\}")


def diagnostic_block(shelf: Shelf, name: str) -> Element:
    """Build the block of a diagnostic.

    Raises:
        HandbookError: There is no such diagnostic, or it cannot be loaded.
    """
    found = shelf.diagnostic(name)
    red, green = shelf.recorded(name)
    return element(
        "section",
        {
            "class": "pl-block pl-diagnostic",
            "data-plumbline": "diagnostic",
            "data-pl-diagnostic": name,
            "data-id": name,
            "data-question": found.question,
            "aria-label": f"Diagnostic {name}",
        },
        element("p", "pl-block__title", element("span", "pl-kind", "Diagnostic"), " ", *rich(found.question)),
        command(f"plumb diagnose {name}"),
        element("div", {"class": "pl-live", "data-pl-live": ""}),
        _thresholds(found),
        _recorded("critical" if red is None else str(red.get("status")), red, name),
        _recorded("ok", green, name) if green or red else None,
        _reads(found),
    )


def _thresholds(found: Diagnostic) -> Element | None:
    if not found.thresholds:
        return None
    rows = [
        row(
            [*rich(_upper(one.name or constant.lower().replace("_", " "))), " ", element("code", "", constant)],
            ("Limit", [str(one)]),
            ("Where it comes from", rich(one.source)),
        )
        for constant, one in found.thresholds.items()
    ]
    return table("pl-thresholds", f"Limits of {found.id}", ["What", "Limit", "Where it comes from"], rows)


def _upper(text: str) -> str:
    """Return a phrase with its first letter large, and the others as they are."""
    return text[:1].upper() + text[1:]


def _reads(found: Diagnostic) -> Element:
    """Say what is read: of each evidence record the first source that the target offers."""
    items: list[list[Child]] = [
        [
            element("code", "", need.evidence.__name__),
            ": ",
            *rich(_FIELD.sub(r"<\1>", source.reads)),
            f" (watched for {source.window_s:g} s)" if source.window_s else None,
        ]
        for need in (found.judge.needs if found.judge else ())
        for source in need.evidence.sources
    ]
    path = ProblemId.parse(found.id).diagnostic.as_posix()
    file: list[Child] = ["The judgement is ", element("code", "", path), "; it only reads."]
    first: list[Child] = ["Of each record, the first of these that the target offers:"]
    return details("pl-reads", ["What it reads"], element("p", "", *first), bullets(items), element("p", "", *file))


def _recorded(word: str, result: dict[str, Any] | None, name: str) -> Element:
    if result is None:
        return element(
            "p",
            "pl-diagnostic__unrecorded",
            "No output is recorded yet. ",
            element("code", "", f"plumb prove {name} --record"),
            " breaks a lab, runs this diagnostic before and after the fix, and records both.",
        )
    told = "with the fault in" if word in ("critical", "warning") else "after the fix"
    return details(f"pl-sample pl-sample--{word}", ["Recorded output ", told, ": ", status(word)], *result_view(result))


def result_view(result: dict[str, Any]) -> list[Child]:
    """Build a recorded result: verdict, numbers against their limits, cause, impact and next steps."""
    word = str(result.get("status", "unknown"))
    verdict = element("p", "pl-result__verdict", status(word), " ", *rich(str(result.get("sentence", ""))))
    cause, impact = result.get("cause"), result.get("impact")
    steps = [rich(str(step)) for step in result.get("next") or ()]
    return [
        verdict,
        _measures(result),
        element("p", "", element("strong", "", "Cause: "), element("code", "", str(cause))) if cause else None,
        element("p", "", element("strong", "", "Impact: "), *rich(str(impact))) if impact else None,
        element("p", "", element("strong", "", "Next: ")) if steps else None,
        bullets(steps, "ol") if steps else None,
    ]


def _measures(result: dict[str, Any]) -> Element | None:
    rows: list[Element] = []
    for measure in result.get("measures") or ():
        limit = measure.get("limit") or {}
        name = str(measure.get("name", "")).replace("_", " ")
        told = str(limit.get("text", "none"))
        rows.append(row([name], ("Measured", [str(measure.get("text", measure.get("value")))]), ("Limit", [told])))
    if not rows:
        return None
    return table("pl-measures", f"Recorded numbers of {result.get('id')}", ["What", "Measured", "Limit"], rows)
