"""Load diagnostics by path: the catalogue's own, and those that installed distributions bring along.

A file that cannot be loaded stays in the list as a broken diagnostic: its one result is `unknown`, and the others run.
"""

from __future__ import annotations

import hashlib
import re
import sys
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from plumbline.catalogue import Catalogue, CatalogueError, ProblemId
from plumbline.diagnosis.declare import Judge
from plumbline.diagnosis.findings import Threshold
from plumbline.diagnosis.rules import RuleError, parse

GROUP = "plumbline.diagnostics"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a diagnostic lies.

    Args:
        id: Its id.
        path: Its file.
        packages: Top-level packages beside plumbline that it may import: those of the distribution that ships it.
        unusable: Why there is no file: the distribution's entry point cannot be loaded.
    """

    id: str
    path: Path
    packages: frozenset[str] = frozenset()
    unusable: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One diagnostic of the catalogue.

    Args:
        origin: Its id and file.
        question: First line of the file's docstring.
        explanation: The rest of it, and the docstring of the function.
        judge: The declared function; None when the file is broken.
        thresholds: Its limits by the name of their constants.
        broken: Why it could not be loaded.
    """

    origin: Origin
    question: str
    explanation: str = ""
    judge: Judge | None = None
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    broken: RuleError | None = None

    @property
    def id(self) -> str:
        """Its id, `<area>.<slug>`."""
        return self.origin.id

    @property
    def path(self) -> Path:
        """Its file."""
        return self.origin.path

    @property
    def guide(self) -> str:
        """Path of its guide on the site."""
        return ProblemId.parse(self.id).url


def load(catalogue: Catalogue) -> list[Diagnostic]:
    """Return all diagnostics, in the order of their ids: the catalogue's and those of installed distributions.

    Raises:
        CatalogueError: There is none, a file lies at a path that is no id, or two files claim one id.
    """
    return [load_origin(origin) for origin in origins(catalogue)]


def origins(catalogue: Catalogue) -> list[Origin]:
    """Return where all diagnostics lie, in the order of their ids, without loading one.

    Raises:
        CatalogueError: As for `load`.
    """
    found = [Origin(str(problem), path) for problem, path in catalogue.diagnostics()]
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found.extend(_of_distribution(point))
    taken: dict[str, Path] = {}
    for origin in found:
        if origin.id in taken:
            raise CatalogueError(f"{origin.path}: has the id '{origin.id}', which {taken[origin.id]} has already")
        taken[origin.id] = origin.path
    return sorted(found, key=lambda origin: origin.id)


def of_file(path: Path) -> Origin:
    """Return the origin of one file that may lie outside of any catalogue; its folder and name give the id.

    Raises:
        CatalogueError: There is no such file, or its path is no id.
    """
    path = path.resolve()
    if not path.is_file():
        raise CatalogueError(f"{path}: there is no such file")
    try:
        return Origin(str(ProblemId.parse(f"{path.parent.name}.{path.stem.replace('_', '-')}")), path)
    except ValueError as error:
        raise CatalogueError(f"{path}: {error} (a diagnostic is called <area>/<slug>.py)") from None


def load_origin(origin: Origin) -> Diagnostic:
    """Load one diagnostic; a file that breaks a rule or fails on import becomes a broken one, whatever it raises."""
    try:
        return _load(origin)
    except RuleError as error:
        return Diagnostic(origin, question=_words(origin.id), broken=error)


def _load(origin: Origin) -> Diagnostic:
    module = _execute(origin)
    judges = [value for value in vars(module).values() if isinstance(value, Judge)]
    if len(judges) != 1:
        raise RuleError(origin.path, 1, f"declares {len(judges)} diagnostics; one file answers one question")
    question, _, rest = (module.__doc__ or "").strip().partition("\n")
    told = [rest.strip(), _unindented(judges[0].function.__doc__ or "")]
    thresholds = {name: value for name, value in vars(module).items() if isinstance(value, Threshold)}
    for name, threshold in thresholds.items():
        if not threshold.name:
            object.__setattr__(threshold, "name", name.lower().replace("_", " "))  # findings carry this very object
    return Diagnostic(origin, question.strip(), "\n\n".join(filter(None, told)), judges[0], thresholds)


def _execute(origin: Origin) -> types.ModuleType:
    """Run the file as a module under a private name, so that no two files ever shadow each other."""
    path = origin.path
    if origin.unusable:
        raise RuleError(path, 1, origin.unusable)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(path, 1, f"cannot be read: {error}") from None
    tree = parse(path, source, also=origin.packages)
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    module = types.ModuleType(f"_plumbline_diagnostic_{path.stem}_{digest}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up here
    try:
        exec(compile(tree, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the catalogue's own code, rules checked
    except BaseException as error:  # noqa: BLE001 - even SystemExit: one bad file must not take the others down
        raise RuleError(path, _line_in(error, path), f"cannot be loaded: {type(error).__name__}: {error}") from None
    return module


def _line_in(error: BaseException, path: Path) -> int:
    line, frame = 1, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == str(path):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _of_distribution(point: EntryPoint) -> Iterable[Origin]:
    """Return what an entry point brings: it names a package, or `module:attribute` holding a folder's path."""
    packages = frozenset({point.module.partition(".")[0]})
    try:
        folder = _folder(point)
        found = [Origin(of_file(path).id, path, packages) for path in sorted(folder.glob("*/[!_]*.py"))]
        reason = "" if found else f"{folder} holds no <area>/<slug>.py"
    except BaseException as error:  # noqa: BLE001 - another's package may raise anything, also SystemExit
        found, reason = [], f"{type(error).__name__}: {error}"
    if reason:
        slug = re.sub(r"[^a-z0-9]+", "-", point.name.lower()).strip("-") or "unnamed"
        told = f"the entry point '{point.name}' of {GROUP} cannot be used: {reason}"
        return [Origin(f"host.catalogue-{slug}", Path(point.value), packages, told)]
    return found


def _folder(point: EntryPoint) -> Path:
    loaded = point.load()
    if isinstance(loaded, types.ModuleType):
        if not getattr(loaded, "__path__", None):
            raise ValueError(f"the entry point names the module {point.module}, which is no package")
        return Path(next(iter(loaded.__path__)))
    return Path(loaded)


def _words(problem: str) -> str:
    return problem.rpartition(".")[2].replace("-", " ").capitalize() + "?"


def _unindented(docstring: str) -> str:
    import inspect

    return inspect.cleandoc(docstring)
