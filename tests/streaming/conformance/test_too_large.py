"""Clients that send too much at once: refused before it is held, and felt by nobody else."""

import contextlib

import pytest

from .conftest import CONTINUATION, LIMIT, TEXT

must = pytest.mark.must


@must("10.4", "a frame that is too large is refused by its header, before it is held")
@pytest.mark.parametrize("length", [LIMIT + 1, 1 << 20, 1 << 40, (1 << 63) - 1])
def test_a_frame_that_says_it_is_too_large_is_refused(wire, counted, length):
    wire.frame(TEXT, b"x" * 10, length=length, form=8)
    assert wire.closed_with() == 1009
    counted("message-too-big")


@must("10.4", "a message that grows too large in fragments is refused when it does")
def test_fragments_that_are_too_large_together_are_refused(wire, counted):
    for number in range(9):
        wire.frame(TEXT if number == 0 else CONTINUATION, b"x" * (LIMIT // 8), fin=False)
    assert wire.closed_with() == 1009
    counted("message-too-big")


def test_what_is_sent_behind_a_refused_header_is_not_held(wire, gateway, counted):
    before = gateway.stats["resident_bytes"]
    wire.frame(TEXT, b"", length=1 << 40, form=8)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(64):
            wire.send(bytes(1 << 20))
    counted("message-too-big")
    assert gateway.stats["resident_bytes"] - before < 32 << 20, "half of what was sent"
