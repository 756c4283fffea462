"""`plumb …` in pages: the command, its options, the ids and settings it names exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import entry_points

import click

from plumbline.catalogue import AREAS
from plumbline.handbook.check.fields import setting_fault
from plumbline.handbook.check.view import View
from plumbline.handbook.complaints import Complaint, unknown
from plumbline.handbook.load import Page

_SPAN = re.compile(r"(`+)(?!`)[ ]?(?P<code>[^`\n]*?\bplumb[ ][^\n]*?)(?<!`)\1(?!`)")
_COMMAND = re.compile(
    r"(?:^[ \t]*(?:[$>%][ ]+)?|(?:&&|\|\||[;|]|\$\(|\bdo|\bthen|\belse)[ ]*)"
    r"(?:\w+=\S*[ ]+|(?:sudo|exec|time|if|!|while|until)[ ]+|timeout[ ]+\S+[ ]+|watch[ ]+(?:-\S+[ ]+)*)*"
    r"plumb[ ]+(?P<rest>[^\n]*)",
    re.MULTILINE,
)
_ID = re.compile(rf"(?:{'|'.join(AREAS)})\.[a-z0-9-]+")
_END = re.compile(r"[|;&<>()]+")
_PLACEHOLDER = re.compile(r"[A-Z_]+|.*[<>…${}*?\[\]].*|\.\.\.")
_SHOWN = ("markdown", "md")  # a page within a page: an example, whose ids are its own
_OF_DIAGNOSTICS = ("diagnose", "explain", "bundle")
_OF_PROBLEMS = ("practice", "prove")


@dataclass(slots=True)
class Use:
    """One command as a page writes it, walked as far as it makes sense.

    Args:
        path: Names of the commands: `("gateway", "set")`.
        words: What follows the last of them, options and their values left out.
        values: Values of options, by the option's name.
        faults: What is wrong.
    """

    path: tuple[str, ...] = ()
    words: list[str] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def check(view: View, cli: click.Command | None = None) -> Iterator[Complaint]:
    """Yield commands, options, ids and settings that do not exist.

    Args:
        view: The handbook.
        cli: The root command; the installed `plumb` when None.
    """
    tree: click.Command | None = cli
    told: dict[str, list[str]] = {}
    for page in view.pages():
        if "plumb " not in page.outline.body:
            continue
        for line, text in _mentions(page):
            tree = tree or _installed()
            if text not in told:
                use = walk(tree, _words(text))
                told[text] = [*use.faults, *_ids(view, use), *_settings(use)]
            for said in told[text]:
                yield Complaint(page.source, line, said)


def _installed() -> click.Command:
    for point in entry_points(group="console_scripts", name="plumb"):
        loaded = point.load()
        if isinstance(loaded, click.Command):
            return loaded
    raise LookupError("the command 'plumb' is not installed, so what pages say of it cannot be checked")


def _mentions(page: Page) -> Iterator[tuple[int, str]]:
    """Yield (line, what follows `plumb`) for code spans and lines of fences."""
    outline = page.outline
    for fence in outline.fences:
        if fence.code and "plumb " in fence.code and not fence.info.startswith(_SHOWN):
            code = re.sub(r"\\\n", "  ", fence.code)  # a continued line is one command; its line is the first
            for found in _COMMAND.finditer(code):
                rest = found.start("rest")
                broken = fence.code.count("\\\n", 0, rest)
                yield fence.line + 1 + code.count("\n", 0, rest) + broken, found["rest"]
    for span in _SPAN.finditer(outline.prose):
        if command := _COMMAND.match(span["code"]):
            yield outline.line_at(span.start("code")), command["rest"]


def _words(text: str) -> list[str]:
    """Split as a shell would, up to the end of this command."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    try:
        for word in lexer:
            if _END.fullmatch(word):
                break
            words.append(word)
    except ValueError:  # a quote that is closed on another line
        return text.split()
    return words


def walk(root: click.Command, words: list[str]) -> Use:
    """Follow words through the tree of commands."""
    use = Use()
    command, context = root, click.Context(root, info_name="plumb")
    rest = [word.strip("[]") or word for word in words]
    while rest:
        word = rest.pop(0)
        if word == "--":
            use.words += rest
            break
        if word.startswith("-") and len(word) > 1:
            _option(use, command, context, word, rest)
        elif not isinstance(command, click.Group):
            use.words.append(word)
        elif _PLACEHOLDER.fullmatch(word):
            break
        else:
            found = _sub(use, command, context, word)
            if found is None:
                break
            use.path = (*use.path, word)
            command, context = found, click.Context(found, parent=context, info_name=word)
    _arguments(use, command)
    return use


def _sub(use: Use, group: click.Group, context: click.Context, word: str) -> click.Command | None:
    known = _names(group)
    name = " ".join([*use.path, word])
    if word not in known:
        use.faults.append(unknown("command", f"plumb {name}", [f"plumb {' '.join([*use.path, one])}" for one in known]))
        return None
    try:
        found = group.get_command(context, word)
    except (ImportError, AttributeError, click.ClickException) as error:
        said = error.message if isinstance(error, click.ClickException) else str(error)
        use.faults.append(f"command 'plumb {name}' cannot be loaded here, so its options are not checked: {said}")
        return None
    return found


@lru_cache(maxsize=64)
def _names(group: click.Group) -> tuple[str, ...]:
    """Return the names of a group's commands; a group may look for entry points at each call, which is slow."""
    return tuple(group.list_commands(click.Context(group)))


def _option(use: Use, command: click.Command, context: click.Context, word: str, rest: list[str]) -> None:
    name, given, value = word.partition("=")
    if name in command.get_help_option_names(context):
        return
    options = {
        text: one
        for one in command.params
        if isinstance(one, click.Option)
        for text in [*one.opts, *one.secondary_opts]
    }
    option = options.get(name)
    if option is None:
        at = " ".join(["plumb", *use.path])
        use.faults.append(unknown("option", name, options, f"of '{at}' does not exist"))
        return
    if option.is_flag or option.count:
        return
    values = [value] if given else [rest.pop(0) for _ in range(option.nargs) if rest]
    for one in values:
        use.values.append((name, one))
        _choice(use, option, one, name)


def _arguments(use: Use, command: click.Command) -> None:
    if isinstance(command, click.Group):
        return
    wanted = [one for one in command.params if isinstance(one, click.Argument)]
    words = [word for word in use.words if word not in ("…", "...")]
    at = " ".join(["plumb", *use.path])
    if all(one.nargs >= 0 for one in wanted) and len(words) > sum(one.nargs for one in wanted):
        use.faults.append(f"'{at}' takes {sum(one.nargs for one in wanted)} argument(s), not '{' '.join(words)}'")
    for argument, word in zip(wanted, words, strict=False):
        if argument.nargs == 1:
            _choice(use, argument, word, argument.human_readable_name)


def _choice(use: Use, parameter: click.Parameter, value: str, name: str) -> None:
    if not isinstance(parameter.type, click.Choice) or _PLACEHOLDER.fullmatch(value):
        return
    known = [str(one) for one in parameter.type.choices]
    if value not in known:
        use.faults.append(unknown(f"value of '{name}'", value, known))


def _ids(view: View, use: Use) -> Iterator[str]:
    name = use.path[0] if use.path else ""
    for word in use.words:
        if not _ID.fullmatch(word):
            continue
        if name in _OF_DIAGNOSTICS and word not in view.diagnostics:
            yield view.missing("diagnostic", word, view.diagnostics)
        if name in _OF_PROBLEMS and word not in view.guides:
            yield view.missing("problem", word, view.guides)


def _settings(use: Use) -> Iterator[str]:
    if use.path[:1] != ("gateway",):
        return
    pairs = use.words if use.path[1:] == ("set",) else []
    for pair in [*pairs, *(value for name, value in use.values if name == "--set")]:
        key, given, value = pair.partition("=")
        if given and key not in ("key", "k", "NAME", "KEY"):
            said = setting_fault(key, None if _PLACEHOLDER.fullmatch(value) or not value else value)
            if said:
                yield said
