"""RFC 6455, section 8.1: text that is not UTF-8 fails the connection with 1007, wherever it is cut."""

import json

import pytest

from .conftest import CONTINUATION, TEXT

must = pytest.mark.must
GREEK = "κόσμε".encode()

# The groups are those of Markus Kuhn's decoder stress test, which the Autobahn suite follows too (its cases 6.x).
INVALID = {
    "a stray continuation byte": b"\x80",
    "the last continuation byte": b"\xbf",
    "seven continuation bytes": b"\x80\xbf\x80\xbf\x80\xbf\x80",
    "a first byte of two alone": b"\xc0 \xc1 \xdf ",
    "a first byte of three alone": b"\xe0 ",
    "a first byte of four alone": b"\xf0 ",
    "bytes that are never used": b"\xfe",
    "bytes that are never used, twice": b"\xfe\xfe\xff\xff",
    "two bytes, cut": b"\xc3",
    "three bytes, cut": b"\xe1\xbd",
    "four bytes, cut": b"\xf0\x9f\x98",
    "overlong slash of two": b"\xc0\xaf",
    "overlong slash of three": b"\xe0\x80\xaf",
    "overlong slash of four": b"\xf0\x80\x80\xaf",
    "overlong slash of five": b"\xf8\x80\x80\x80\xaf",
    "overlong slash of six": b"\xfc\x80\x80\x80\x80\xaf",
    "longest overlong of two": b"\xc1\xbf",
    "longest overlong of three": b"\xe0\x9f\xbf",
    "longest overlong of four": b"\xf0\x8f\xbf\xbf",
    "overlong NUL": b"\xc0\x80",
    "first surrogate": b"\xed\xa0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "Greek, then a surrogate": GREEK + b"\xed\xa0\x80edited",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "Greek, then beyond the last": GREEK + b"\xf4\x90\x80\x80edited",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
}
VALID = {
    "nothing": "",
    "ASCII": "Hello-µ@ßöäüàá-UTF-8!!",
    "Greek": "κόσμε",
    "first of two bytes": "\x80",
    "first of three bytes": "\u0800",
    "first of four bytes": "\U00010000",
    "last of one byte": "\x7f",
    "last of two bytes": "\u07ff",
    "last of three bytes": "\uffff",
    "before the surrogates": "\ud7ff",
    "behind the surrogates": "\ue000",
    "replacement character": "\ufffd",
    "last character of all": "\U0010ffff",
    "no characters, but allowed": "\ufffe\uffff\U0001fffe\U0010fffe",
    "emoji": "👩‍🔬☃",
}


@must("8.1", "text that is not UTF-8 fails the connection, with 1007")
@must("5.6", "the whole message is UTF-8, its fragments need not be")
@pytest.mark.parametrize("kind", INVALID)
@pytest.mark.parametrize("whole", [True, False], ids=["one frame", "frame for each byte"])
def test_text_that_is_not_utf8_is_refused(wire, counted, kind, whole):
    payload = b'{"id":1,"ping":"' + INVALID[kind] + b'"}'
    if whole:
        wire.frame(TEXT, payload)
    else:
        _bytewise(wire, payload)
    assert wire.closed_with() == 1007
    counted("invalid-utf8")


@pytest.mark.parametrize("kind", VALID)
@pytest.mark.parametrize("whole", [True, False], ids=["one frame", "frame for each byte"])
def test_text_that_is_utf8_is_taken(wire, kind, whole):
    payload = json.dumps({"id": 1, "ping": VALID[kind]}, ensure_ascii=False).encode()
    if whole:
        wire.frame(TEXT, payload)
    else:
        _bytewise(wire, payload)
    assert wire.read_json()["ping"] == VALID[kind]


def _bytewise(wire, payload):
    for at in range(len(payload)):
        try:
            wire.frame(TEXT if at == 0 else CONTINUATION, payload[at : at + 1], fin=at == len(payload) - 1)
        except (BrokenPipeError, ConnectionResetError):
            return  # refused before its end: that is allowed
