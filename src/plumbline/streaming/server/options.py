"""What a command line says of settings: words and a file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import click

from plumbline.streaming.core.settings import SettingError, Settings


class BadInputError(click.ClickException):
    """What the user asked for cannot be done as asked; one sentence, exit code 2."""

    exit_code = 2


def pairs(items: Sequence[str]) -> dict[str, str]:
    """Read `key=value` words.

    Raises:
        BadInputError: One is not of that form.
    """
    found = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise BadInputError(f"'{item}' is no setting; write key=value, as in overflow=disconnect")
        found[key.strip()] = value.strip()
    return found


def settings_from(config: Path | None, overrides: Sequence[str]) -> Settings:
    """Return settings: defaults, then the file, then `key=value` words.

    Raises:
        click.ClickException: The file cannot be read, or a setting is wrong; the sentence names it.
    """
    settings = Settings()
    try:
        if config is not None:
            settings = settings.changed(tomllib.loads(config.read_text(encoding="utf-8")))
    except OSError as error:
        raise click.ClickException(f"{config}: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, SettingError) as error:
        raise click.ClickException(f"{config}: {error}") from None
    try:
        return settings.changed(pairs(overrides))
    except SettingError as error:
        raise BadInputError(str(error)) from None
