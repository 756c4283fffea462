"""The page of all commands, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from plumbline.handbook.pages.markdown import anchor, escaped, page, table


def cli_page(root: click.Command) -> str:
    """Return the page of a command and all below it."""
    found = list(_walk(root, ("plumb",), None))
    index = table(
        ["Command", "What it does"],
        (
            [f"[`{' '.join(names)}`](#{anchor('-'.join(names))})", escaped(_short(command))]
            for names, command, _ in found
        ),
    )
    return page(
        "Commands",
        "Every command of plumb, with its options.",
        index,
        *(part for names, command, context in found for part in _one(names, command, context)),
    )


def _walk(
    command: click.Command, names: tuple[str, ...], parent: click.Context | None
) -> Iterator[tuple[tuple[str, ...], click.Command, click.Context]]:
    context = click.Context(command, parent=parent, info_name=names[-1])
    yield names, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = _loaded(command, context, name)
            if not inner.hidden:
                yield from _walk(inner, (*names, name), context)


def _loaded(group: click.Group, context: click.Context, name: str) -> click.Command:
    """Return a command; one whose package is not installed here says so in the place of its help."""
    try:
        found = group.get_command(context, name)
    except (ImportError, click.ClickException) as error:
        said = error.message if isinstance(error, click.ClickException) else str(error)
        return click.Command(name, help=f"Not installed where this page was written: {said}")
    return found or click.Command(name, hidden=True)


def _one(names: tuple[str, ...], command: click.Command, context: click.Context) -> list[str]:
    title = " ".join(names)
    usage = " ".join([title, *command.collect_usage_pieces(context)])
    return [
        f"## {title} {{#{anchor('-'.join(names))}}}",
        _prose(command.help or ""),
        f"```text\n{usage}\n```",
        _options(command, context),
        _prose(command.epilog or ""),
    ]


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for one in command.get_params(context):
        record = one.get_help_record(context) if isinstance(one, click.Option) else None
        if record and "--help" not in record[0]:
            rows.append([f"`{record[0]}`", escaped(record[1])])
    return table(["Option", "Meaning"], rows) if rows else ""


def _prose(text: str) -> str:
    """Return a help text as Markdown; what stands behind a backspace mark keeps its lines."""
    blocks = re.split(r"\n[ \t]*\n", inspect.cleandoc(text).replace("\f", ""))
    return "\n\n".join(
        f"```text\n{block.lstrip(chr(8)).strip(chr(10))}\n```" if block.startswith("\b") else escaped(block)
        for block in blocks
    )


def _short(command: click.Command) -> str:
    return command.get_short_help_str(limit=200)
