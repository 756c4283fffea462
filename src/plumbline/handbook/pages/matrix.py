"""The matrix of faults and diagnostics, from the recorded proofs: a picture, and the same as a table."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from plumbline.handbook.load import Handbook
from plumbline.handbook.pages.markdown import MARKS, guide_link, page, status, table
from plumbline.handbook.records import Cell, Proof

_CELL, _EDGE, _CHARACTER, _SLOPE = 44, 16, 7.4, 0.72  # in the picture's own scale; labels lean by 45 degrees
_FILLS = {
    "ok": "#1b7f4d",
    "warning": "#a15c00",
    "critical": "#b3261e",
    "unknown": "#5f6368",
}  # white on each: over 4.5:1
_INTRODUCTION = """\
Each row is a fault that was injected into the real component, each column a diagnostic. The diagonal is what a guide
promises; a red cell beside it is collateral, and the problem record declares it. Without a fault every diagnostic must
be ok.
"""


def matrix_page(handbook: Handbook) -> str:
    """Return the page; without a recorded proof it says how to record one."""
    proofs = list(handbook.proofs.values())
    title, told = "Faults and diagnostics", "Which diagnostic goes red under which fault, as recorded by the proofs."
    if not proofs:
        return page(title, told, "No proof is recorded yet. `plumb prove --record` runs and records them all.")
    columns = sorted({name for proof in proofs for name in proof.matrix})
    return page(
        title,
        told,
        _INTRODUCTION,
        matrix_figure(handbook, proofs, columns),
        "## As a table",
        table(["Fault", *(f"`{name}`" for name in columns)], (_row(handbook, proof, columns) for proof in proofs)),
        "Each cell: with the fault, then without it in brackets.",
    )


def matrix_figure(handbook: Handbook, proofs: list[Proof], columns: list[str]) -> str:
    """Return the picture as one block of HTML: shapes and words tell the status, colour only helps."""
    figure = Element("figure", {"class": "pl-matrix"})
    label = max(len(name) for name in [*columns, *(proof.id for proof in proofs)]) * _CHARACTER
    left, top = _EDGE + label, _EDGE + label * _SLOPE
    width, height = left + _CELL * len(columns) + label * _SLOPE, top + _CELL * len(proofs) + _EDGE
    picture = SubElement(
        figure,
        "svg",
        {
            "viewBox": f"0 0 {width:.0f} {height:.0f}",
            "role": "img",
            "aria-labelledby": "pl-matrix-title pl-matrix-told",
            "font-size": "12",
        },
    )
    SubElement(picture, "title", {"id": "pl-matrix-title"}).text = "Faults and diagnostics"
    SubElement(picture, "desc", {"id": "pl-matrix-told"}).text = _told(proofs, columns)
    for place, name in enumerate(columns):
        x, y = left + _CELL * (place + 0.5), top - 8
        turned = {"transform": f"rotate(-45 {x:.0f} {y:.0f})"}
        _text(picture, x, y, name, {"class": "pl-matrix__column", "fill": "currentColor", **turned})
    for line, proof in enumerate(proofs):
        y = top + _CELL * line
        _text(picture, left - 8, y + _CELL / 2 + 4, proof.id, {"text-anchor": "end", "fill": "currentColor"})
        declared = _declared(handbook, proof.id)
        for place, name in enumerate(columns):
            _cell(picture, (left + _CELL * place, y), proof, name, declared)
    _legend(figure)
    return tostring(figure, encoding="unicode").replace("\n", " ")


def _text(parent: Element, x: float, y: float, text: str, attributes: dict[str, str]) -> None:
    SubElement(parent, "text", {"x": f"{x:.0f}", "y": f"{y:.0f}", **attributes}).text = text


def _cell(picture: Element, at: tuple[float, float], proof: Proof, name: str, declared: set[str]) -> None:
    cell = proof.matrix.get(name)
    word = cell.fault if cell else "unknown"
    group = SubElement(picture, "g", {"class": f"pl-matrix__cell pl-matrix__cell--{word}"})
    SubElement(group, "title").text = f"{proof.id}: {name} is {word}"
    side = str(_CELL - 4)
    box = {
        "x": f"{at[0] + 2:.0f}",
        "y": f"{at[1] + 2:.0f}",
        "width": side,
        "height": side,
        "rx": "6",
        "fill": _FILLS[word],
    }
    if _red(cell) and name not in declared:
        box |= {"stroke": "currentColor", "stroke-width": "2", "stroke-dasharray": "4 3"}
    SubElement(group, "rect", box)
    middle = {"text-anchor": "middle", "font-size": "18", "fill": "#ffffff"}
    _text(group, at[0] + _CELL / 2, at[1] + _CELL / 2 + 6, MARKS[word], middle)


def _legend(figure: Element) -> None:
    caption = SubElement(figure, "figcaption")
    for word in MARKS:
        one = SubElement(caption, "span", {"class": f"pl-status pl-status--{word}"})
        one.text, one.tail = status(word), " "
    caption[-1].tail = " A dashed frame: red, and not declared."


def _declared(handbook: Handbook, name: str) -> set[str]:
    problem, guide = handbook.problems.get(name), handbook.guides.get(name)
    return {name, *(problem.collateral if problem else ()), *(guide.front.diagnostics if guide else ())}


def _told(proofs: list[Proof], columns: list[str]) -> str:
    red = [f"{proof.id}: {', '.join(name for name in columns if _red(proof.matrix.get(name)))}" for proof in proofs]
    return (
        f"{len(proofs)} faults against {len(columns)} diagnostics. Red under {'; '.join(red)}. All others are not red."
    )


def _red(cell: Cell | None) -> bool:
    return cell is not None and cell.fault in ("warning", "critical")


def _row(handbook: Handbook, proof: Proof, columns: list[str]) -> list[str]:
    guide = handbook.guides.get(proof.id)
    cells = [proof.matrix.get(name) for name in columns]
    shown = [f"{status(cell.fault)} ({cell.healthy})" if cell else "not run" for cell in cells]
    return [guide_link(proof.id, proof.id) if guide else f"`{proof.id}`", *shown]
