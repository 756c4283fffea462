"""Binaries are asked by their own bytes, and broken ones have nothing to say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.packaging.elf import interpreter, is_binary, needed, search

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="binaries of Linux")
PYTHON = Path(sys.executable).resolve()


def test_python_asks_for_the_c_library_and_a_loader() -> None:
    data = PYTHON.read_bytes()
    assert "libc.so.6" in needed(data)
    assert (interpreter(data) or "").startswith("/lib")
    assert isinstance(search(data), list)


def test_what_is_no_binary_asks_for_nothing() -> None:
    assert needed(b"#!/bin/sh") == search(b"") == []
    assert interpreter(b"text") is None
    assert not is_binary(b"\x7fELF\x01\x01")


@given(st.binary(max_size=400))
def test_broken_binaries_are_no_error(rest: bytes) -> None:
    assert needed(b"\x7fELF\x02\x01" + rest) == []
