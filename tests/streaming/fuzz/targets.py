"""What is fuzzed: each target takes any bytes and asserts what must hold for all of them."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

from fuzz.connection import Served

from plumbline.streaming.core.assembly import Assembler
from plumbline.streaming.core.claims import TokenError, identity_of
from plumbline.streaming.core.closes import CODES, INTERNAL_ERROR, CloseError
from plumbline.streaming.core.commands import RequestError
from plumbline.streaming.core.framereader import FrameReader, close_code
from plumbline.streaming.core.frames import CLOSE
from plumbline.streaming.core.parsing import parse_all, requests_in
from plumbline.streaming.core.permissions import matches
from plumbline.streaming.core.request import RefusedError
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.core.tracing import parent_of
from plumbline.streaming.server.greeting import Greeting
from plumbline.streaming.server.tokens import Key, Keyring

LIMIT = 300  # bytes of a message: small, so that the limit is met
RING = Keyring((Key(None, "HS256", b"s" * 32, "fuzz"),))


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return bytes, and the same bytes in pieces whose sizes the first bytes say."""
    sizes, rest = data[:4], data[4:]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(rest[at : at + size % 16])
        at += size % 16
    return rest, [*pieces, rest[at:]]


def parsing(data: bytes) -> None:
    """A message is commands, or one sentence that says what is wrong; nothing else."""
    text = data.decode(errors="replace")
    ids = requests_in(text)
    try:
        commands = parse_all(text, 8)
    except RequestError as refused:
        _says_why(refused.message)
        return
    assert len(commands) == len(ids)
    for command in commands:
        json.dumps(command.request)


def frames(data: bytes) -> None:
    """However bytes are cut, the same messages come out, and the same end."""
    whole, pieces = cut(data)
    assert _messages([whole]) == _messages(pieces)


def _messages(pieces: list[bytes]) -> list[object]:
    reader, assembler, got = FrameReader(), Assembler(), []
    try:
        for piece in pieces:
            for frame in reader.feed(piece, LIMIT):
                got.append((frame.opcode, frame.payload))
                if frame.opcode == CLOSE:
                    got.append(close_code(frame.payload))
                elif frame.opcode < CLOSE:
                    got.append(
                        assembler.feed(frame.opcode, frame.payload, final=frame.final, reserved=False, limit=LIMIT)
                    )
            assert reader.held_bytes <= LIMIT + 14
    except CloseError as refused:
        _says_why(refused.sentence)
        got.append(CODES[refused.code].code)
    return got


def claims(data: bytes) -> None:
    """Claims are an identity that ends, or a refusal."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(said, dict):
        try:
            identity = identity_of(said, 1e9, 0)
        except TokenError:
            return
        assert 1e9 < (identity.expires_at or 0) < float("inf")


def tokens(data: bytes) -> None:
    """No bytes are a token that was not signed."""
    try:
        RING.check(data.decode("latin-1"), 1e9)
    except TokenError as refused:
        _says_why(refused.sentence)
        return
    raise AssertionError("a token that nobody signed was accepted")


def _says_why(sentence: str) -> None:
    assert sentence.strip()


class _Door:
    def __init__(self) -> None:
        self.said: list[object] = []

    def body_limit(self) -> int:
        return LIMIT

    def asked(self, greeting: Greeting, request: object, tail: bytes) -> None:
        self.said.append(request)

    def refuse(self, greeting: Greeting, refused: RefusedError) -> None:
        self.said.append(refused.status)


def requests(data: bytes) -> None:
    """However a request is cut, it is the same request, or refused; and it is answered at most once."""
    whole, pieces = cut(data)
    one, other = _asked([whole]), _asked(pieces)
    assert len(one) <= 1
    assert one == other


def _asked(pieces: list[bytes]) -> list[object]:
    door = _Door()
    greeting = Greeting(door, 1, "host", 1, 0.0)  # type: ignore[arg-type]  # all that it needs
    greeting.link = SimpleNamespace(reading=lambda **_: None)  # type: ignore[assignment]
    for piece in pieces:
        if piece:
            greeting.received(piece)
    return door.said


def patterns(data: bytes) -> None:
    """A pattern means what the regular expression with `.*` for `*` means."""
    pattern, _, channel = data.decode("latin-1")[:64].partition("\0")
    if pattern.count("*") <= 4:  # more would cost the regular expression, not us, too long
        expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), channel, re.DOTALL)
        assert matches(pattern, channel) == bool(expected)


def settings(data: bytes) -> None:
    """Text becomes a setting, or a sentence; and a trace's parent, or nothing."""
    name, _, value = data.decode(errors="replace").partition("=")
    parent_of(value)
    try:
        changed = Settings().changed({name: value})
    except ValueError as refused:
        _says_why(str(refused))
        return
    assert Settings().changed(changed.as_dict()) == changed


def connections(data: bytes) -> None:
    """A connection takes any bytes, however they are cut: the same messages, the same close code, nothing raised."""
    whole, pieces = cut(data)
    assert _served([whole]) == _served(pieces)


def _served(pieces: list[bytes]) -> tuple[list[str], int | None]:
    served = Served()
    for piece in pieces:
        served.feed(piece)
    assert served.code is None or served.code in CODES or 1000 <= served.code < 5000
    assert served.code != INTERNAL_ERROR, "an error of its own"
    return served.texts, served.code


_ALL = (parsing, frames, claims, tokens, requests, patterns, settings, connections)
TARGETS = {target.__name__: target for target in _ALL}
