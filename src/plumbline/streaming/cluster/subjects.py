"""How names become NATS subjects. Pure.

A channel's name may hold anything but white space; a subject's token may not hold `.`, `*` or `>`. Letters, digits, `-`
and `_` stay as they are, every other byte of the name's UTF-8 is written `=XX`: one token per channel, and back.
"""

from __future__ import annotations

import re

PREFIX = "plumb"
_OTHERS = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+")


def token(name: str) -> str:
    """Return the subject token of a name that has at least one character."""
    return _OTHERS.sub(lambda found: b"=%02X" % found[0][0], name.encode()).decode()


def name_of(text: str) -> str:
    """Return the name that a token stands for.

    Raises:
        ValueError: It is not the token of any name.
    """
    if not _TOKEN.fullmatch(text):
        raise ValueError(f"'{text}' is no channel's token")
    name = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode()).decode()
    if token(name) != text:
        raise ValueError(f"'{text}' is not how a channel's name is written")
    return name


def stored(channel: str) -> str:
    """Return the subject under which a channel's messages are kept, in every region."""
    return f"{PREFIX}.ch.{token(channel)}"


def entrance(region: str, term: int) -> str:
    """Return the prefix of subjects that the home region listens to in this term; no other stream ever does."""
    return f"{PREFIX}.in.{region}.{term}"


def live(region: str) -> str:
    """Return the prefix of subjects under which a region's copy repeats what it has stored."""
    return f"{PREFIX}.live.{region}"


def present(region: str) -> str:
    """Return the prefix of subjects that say who is present."""
    return f"{PREFIX}.present.{region}"
