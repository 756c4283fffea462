"""What is to be proven: one guide with its record, its executable fences and its fault."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from plumbline.catalogue import Catalogue, CatalogueError, ProblemId
from plumbline.handbook.fences import FenceError, Step, steps
from plumbline.handbook.load import Guide, Handbook
from plumbline.handbook.records import Problem
from plumbline.lab.fault import Fault


class SubjectError(Exception):
    """A guide cannot be proven as it is: its record, its fences or its fault are missing or wrong."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One guide, ready to be proven.

    Args:
        id: The problem's id.
        guide: The guide.
        problem: The problem record.
        steps: The guide's executable fences in page order.
        fault: Class of the fault.
        linked: Id of the diagnostic that must tell it.
    """

    id: str
    guide: Guide
    problem: Problem
    steps: tuple[Step, ...]
    fault: type[Fault]
    linked: str

    @property
    def fixes(self) -> tuple[Step, ...]:
        """The fix, in page order."""
        return tuple(step for step in self.steps if step.kind == "fix")

    @property
    def decoys(self) -> tuple[Step, ...]:
        """The decoys, in page order."""
        return tuple(step for step in self.steps if step.kind == "decoy")


def choose(present: Sequence[str], ids: Iterable[str]) -> list[str]:
    """Return the guides to prove: those named, in that order, or all.

    Raises:
        CatalogueError: A name is no guide's, or there is none at all.
    """
    if not present:
        raise CatalogueError("the catalogue holds no guide to prove; an empty catalogue is never green")
    chosen = list(dict.fromkeys(ids))
    for name in chosen:
        if name not in present:
            near = get_close_matches(name, present, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(present)}"
            raise CatalogueError(f"there is no guide '{name}'; {hint}")
    return chosen or list(present)


def subject(handbook: Handbook, name: str) -> Subject:
    """Gather what belongs to one guide.

    Raises:
        SubjectError: Something of it is missing or wrong; the sentence says what.
    """
    guide = handbook.guides[name]
    problem = handbook.problems.get(name)
    if problem is None:
        raise SubjectError(f"{ProblemId.parse(name).record}: is missing, so nothing says what the fault may look like")
    linked = name if name in guide.front.diagnostics else guide.front.diagnostics[0]
    if linked not in handbook.diagnostics:
        raise SubjectError(f"{guide.source}: cites the diagnostic '{linked}', which is not in the catalogue")
    try:
        fences = tuple(steps(guide.path.read_text(encoding="utf-8")))
    except FenceError as error:
        raise SubjectError(f"{guide.source}: {error}") from None
    declared = {decoy.id for decoy in problem.decoys}
    written = {step.id for step in fences if step.kind == "decoy"}
    if declared != written:
        odd = ", ".join(sorted(declared ^ written))
        raise SubjectError(f"{guide.source}: its .decoy fences and the record's decoys differ: {odd}")
    return Subject(name, guide, problem, fences, load_fault(handbook.catalogue, name), linked)


def load_fault(catalogue: Catalogue, name: str) -> type[Fault]:
    """Load the one subclass of `Fault` that the problem's `fault.py` defines.

    Raises:
        SubjectError: There is no such file, it cannot be loaded, or it defines none or several.
    """
    relative = ProblemId.parse(name).fault
    path = catalogue.root / relative
    if not path.exists():
        raise SubjectError(f"{relative}: is missing; faults are in a checkout only, an installed catalogue has none")
    module_name = f"_plumbline_fault_{name.replace('.', '_').replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise SubjectError(f"{relative}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses of the file look their module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a catalogue file may raise anything; it is reported as this proof's failure
        raise SubjectError(f"{relative}: cannot be loaded: {type(error).__name__}: {error}") from None
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Fault)
        and value.__module__ == module_name
        and not inspect.isabstract(value)
    ]
    if len(found) != 1:
        raise SubjectError(f"{relative}: defines {len(found)} faults; one file breaks one thing")
    return found[0]
