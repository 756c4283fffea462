"""House rules of a diagnostic's file, checked on its syntax tree before any of it runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SHEBANG = "#!/usr/bin/env -S plumb run"
_OWN = frozenset({"plumbline"})
_PURE_CALLS = frozenset(
    {"dataclass", "dataclasses.dataclass", "field", "dataclasses.field", "re.compile", "frozenset", "tuple", "dict",
     "set", "list", "range", "NewType", "TypeVar"}
)  # fmt: skip
_STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)


class RuleError(Exception):
    """A diagnostic's file breaks a house rule, or cannot be loaded.

    Args:
        path: The file.
        line: Line of the offence, from 1.
        sentence: What is wrong, and what to do.
    """

    def __init__(self, path: Path, line: int, sentence: str) -> None:
        self.path = path
        self.line = line
        self.sentence = sentence
        super().__init__(f"{path}:{line}: {sentence}")


def parse(path: Path, source: str, *, also: frozenset[str] = frozenset()) -> ast.Module:
    """Return the syntax tree of a diagnostic that keeps the house rules.

    Args:
        path: The file, for messages.
        source: Its text.
        also: Further top-level packages that it may import: the distribution that ships it.

    Raises:
        RuleError: It breaks a rule; only the first offence is told.
    """
    tree = _tree(source)
    for line, sentence in _offences(source, tree, also):
        raise RuleError(path, line, sentence)
    assert isinstance(tree, ast.Module)  # noqa: S101 - a syntax error is an offence
    return tree


def offences(source: str, *, also: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """Return every broken rule as (line, sentence), in the order of the rules."""
    return _offences(source, _tree(source), also)


def _tree(source: str) -> ast.Module | SyntaxError:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        return error


def _offences(source: str, tree: ast.Module | SyntaxError, also: frozenset[str]) -> Iterator[tuple[int, str]]:
    if source.partition("\n")[0].rstrip() != SHEBANG:
        yield 1, f"the first line is not '{SHEBANG}', so the file cannot be run by its name"
    if isinstance(tree, SyntaxError):
        yield tree.lineno or 1, f"is no Python: {tree.msg}"
        return
    yield from _question(tree)
    yield from _imports(tree, _OWN | also)
    yield from _top_level(tree)
    yield from _one_diagnostic(tree)


def imported(source: str) -> set[str]:
    """Return the modules that a file imports from outside the standard library; empty when it is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    return {name for _, name in _names(tree) if name.partition(".")[0] not in sys.stdlib_module_names}


def _question(tree: ast.Module) -> Iterator[tuple[int, str]]:
    docstring = ast.get_docstring(tree) or ""
    if not docstring:
        yield 1, 'has no docstring; its first line is the question that it answers: """Is …?"""'
    elif not docstring.splitlines()[0].rstrip().endswith("?"):
        yield tree.body[0].lineno, f"the docstring's first line is no question: '{docstring.splitlines()[0]}'"


def _names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def _imports(tree: ast.Module, allowed: frozenset[str]) -> Iterator[tuple[int, str]]:
    for line, name in _names(tree):
        root = name.partition(".")[0]
        if root not in allowed and root not in sys.stdlib_module_names:
            yield line, f"imports '{name}'; a diagnostic imports plumbline and the standard library only"


def _top_level(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Importing a diagnostic must do nothing: only constants, functions and classes at the top."""
    ours = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "plumbline"
        for alias in node.names
    }
    for position, statement in enumerate(tree.body):
        if position == 0 and isinstance(statement, ast.Expr):  # the docstring
            continue
        if not isinstance(statement, _STATEMENTS):
            kind = type(statement).__name__.lower()
            yield (
                statement.lineno,
                f"has '{kind}' at the top level; only imports, constants, functions, classes stand there",
            )
            continue
        for call in _eager_calls(statement):
            name = ast.unparse(call.func)
            if name.partition(".")[0] not in ours and name not in _PURE_CALLS:
                yield call.lineno, f"calls {name}() while it is imported; a diagnostic does nothing until it is asked"


def _eager_calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that run on import: all but those in bodies of functions."""
    if isinstance(node, ast.Call):
        yield node
    lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for name, value in ast.iter_fields(node):
        if lazy and name == "body":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _eager_calls(child)


def _one_diagnostic(tree: ast.Module) -> Iterator[tuple[int, str]]:
    declared = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and any(map(_declares, node.decorator_list))
    ]
    if not declared:
        yield 1, "declares no diagnostic; put @diagnostic over the one function that judges"
    for extra in declared[1:]:
        yield extra.lineno, f"declares a second diagnostic, {extra.name}(); one file answers one question"


def _declares(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(target).rpartition(".")[2] == "diagnostic"
