"""Which diagnostics to run: by id, by area, by glob."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from difflib import get_close_matches

from plumbline.catalogue import AREAS
from plumbline.diagnosis.catalogue import Diagnostic


class UnknownDiagnosticError(LookupError):
    """No diagnostic and no area has this name."""


def pick(diagnostics: list[Diagnostic], ids: Iterable[str] | None) -> list[Diagnostic]:
    """Return the diagnostics of these ids, each once, in the catalogue's order; None is all.

    Raises:
        UnknownDiagnosticError: There is none of an id.
    """
    if ids is None:
        return list(diagnostics)
    wanted = list(ids)
    known = {one.id for one in diagnostics}
    for name in wanted:
        if name not in known:
            raise UnknownDiagnosticError(_unknown(name, known))
    return [one for one in diagnostics if one.id in wanted]


def match(known: Iterable[str], selectors: Iterable[str]) -> list[str]:
    """Return the ids that selectors name (an id, an area, or a glob over ids), in the catalogue's order; none is all.

    A glob or an area may match nothing; a plain name must exist.

    Raises:
        UnknownDiagnosticError: A selector is neither id nor area.
    """
    ids = list(known)
    chosen: set[str] = set()
    wanted = list(selectors)
    for selector in wanted:
        if any(sign in selector for sign in "*?["):
            chosen |= set(fnmatch.filter(ids, selector))
        elif selector in AREAS:
            chosen |= {name for name in ids if name.startswith(f"{selector}.")}
        elif selector in ids:
            chosen.add(selector)
        else:
            raise UnknownDiagnosticError(_unknown(selector, ids))
    return [name for name in ids if name in chosen or not wanted]


def _unknown(name: str, known: Iterable[str]) -> str:
    ids = sorted(known)
    near = get_close_matches(name, [*ids, *AREAS], n=1)
    if not near:  # a bare slug: slow-consumer
        near = [one for one in ids if name in one][:1]
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(ids)}"
    return f"there is no diagnostic or area '{name}'; {hint}"
