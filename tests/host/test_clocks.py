"""Other clocks are asked over real sockets: each answer is an interval that holds the truth."""

from __future__ import annotations

import base64
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.host import clocks, clockskew
from plumbline.host.clocks import ClockError, Interval, ask, narrowed, quickest
from plumbline.host.clockskew import Clock, ClockSkew, kernel, read, token_ahead

SINCE_1900_S = 2_208_988_800


def answer(question: bytes, offset_s: float, *, stratum: int = 2, leap: int = 0, cookie: bytes | None = None) -> bytes:
    now = int((time.time() + offset_s + SINCE_1900_S) * 2**32)
    head = struct.pack("!BBbbII4s", leap << 6 | 4 << 3 | 4, stratum, 6, -20, 0, 0, b"TEST")
    return head + struct.pack("!Q", now) + (cookie or question[40:48]) + struct.pack("!QQ", now, now)


@contextmanager
def ntp(reply: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """An NTP server; None: it says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, caller = channel.recvfrom(1024)
                if question == b"end":
                    return
                told = reply(question)
                if told is not None:
                    channel.sendto(told, caller)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"ntp://127.0.0.1:{channel.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"end", channel.getsockname())
            thread.join()


@contextmanager
def web(date: Callable[[], str | None]) -> Iterator[str]:
    """An HTTP server with this Date header; None: without one."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(204)
            told = date()
            if told is not None:
                self.send_header("Date", told)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.server_port}/feed"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("offset_s", [0.0, 90.0, -3600.5])
def test_an_ntp_servers_offset_lies_in_the_interval(offset_s: float) -> None:
    with ntp(lambda question: answer(question, offset_s)) as place:
        found = ask(place)
    assert found.low - 1e-4 <= offset_s <= found.high + 1e-4
    assert found.half < 1.0


@pytest.mark.parametrize("offset_s", [0, 90, -3600])
def test_the_date_headers_offset_lies_in_the_interval_and_several_narrow_it(offset_s: int) -> None:
    with web(lambda: formatdate(time.time() + offset_s, usegmt=True)) as place:
        once, found = clocks.by_http(place, None), ask(place)
    assert found.low - 0.01 <= offset_s <= found.high + 0.01
    assert found.half <= once.half + 0.5


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (lambda question: b"short", "no NTP packet"),
        (lambda question: answer(question, 0, cookie=b"\1" * 8), "none to this question"),
        (lambda question: answer(question, 0, stratum=16), "not synchronised itself"),
        (lambda question: answer(question, 0, leap=3), "not synchronised itself"),
    ],
)
def test_an_answer_that_is_no_time_is_an_error(reply: Callable[[bytes], bytes], words: str) -> None:
    with ntp(reply) as place, pytest.raises(ClockError, match=words):
        ask(place)


def test_a_silent_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "TIMEOUT_S", 0.05)
    with ntp(lambda question: None) as place, pytest.raises(ClockError, match="timed out"):
        ask(place)


@pytest.mark.parametrize(("date", "words"), [(None, "no Date header"), ("yesterday", "Date header is none")])
def test_a_server_without_a_usable_date_is_an_error(date: str | None, words: str) -> None:
    with web(lambda: date) as place, pytest.raises(ClockError, match=words):
        ask(place)


def test_what_speaks_no_http_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"https://127.0.0.1:{listener.getsockname()[1]}/"

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ClockError):
            ask(place)
        thread.join()


def test_all_clocks_of_a_target_are_asked_and_one_that_is_silent_says_why() -> None:
    with ntp(lambda question: answer(question, 5.0)) as time_server, web(lambda: formatdate(usegmt=True)) as own:
        found = read(Endpoint("api", url=own, clocks=(time_server, "ntp://127.0.0.1:1"), token=token(iat=1e12)))
    ahead, silent, mine = found.clocks
    assert (ahead.protocol, ahead.off(1.0), mine.protocol, mine.off(1.0)) == ("ntp", True, "http", False)
    assert silent.offset_s is None
    assert silent.error
    assert not silent.off(0.0)
    assert (found.token_ahead_s or 0) > 1e11


def test_a_target_none_of_whose_clocks_answers_is_unreachable() -> None:
    with pytest.raises(UnavailableError, match="no clock answered") as error:
        read(Endpoint("api", clocks=("ntp://127.0.0.1:1",)))
    assert error.value.reason == "unreachable"
    with pytest.raises(UnavailableError, match="no clock of the target api answered"):
        ClockSkew.sources[2].read(Endpoint("api", url="http://127.0.0.1:1/"))


@pytest.mark.parametrize(("kept", "error_s"), [(True, 0.01), (False, 16.0), (None, None)])
def test_without_clocks_the_kernel_is_asked_and_nothing_to_compare_with_is_said(
    monkeypatch: pytest.MonkeyPatch, kept: bool | None, error_s: float | None
) -> None:
    monkeypatch.setattr(clockskew, "kernel", lambda: (kept, error_s))
    if kept:
        assert ClockSkew.sources[2].read(Endpoint("here")) == ClockSkew((), None, True, error_s)
        return
    with pytest.raises(UnavailableError, match="nothing to compare") as error:
        ClockSkew.sources[2].read(Endpoint("here"))
    assert error.value.reason == "not_configured"


def test_the_kernel_is_asked_without_setting_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, error_s = kernel()
    assert (kept is None) == (error_s is None) == (sys.platform != "linux")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert kernel() == (None, None)


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_a_tokens_later_claim_says_when_it_becomes_valid() -> None:
    assert token_ahead(token(iat=100, nbf=160, exp=900), 100.0) == 60.0
    assert token_ahead(token(iat=100), 250.0) == -150.0


@pytest.mark.parametrize("text", [None, "", "opaque", "a.b", "a.%%.c", "a.bnVsbA.c", token(sub="x"), token(iat="soon")])
def test_what_is_no_token_with_times_says_nothing(text: str | None) -> None:
    assert token_ahead(text, 0.0) is None


@given(
    truth=st.floats(-1e4, 1e4),
    slack=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=6),
)
def test_narrowing_never_loses_the_truth(truth: float, slack: list[tuple[float, float]]) -> None:
    found = [Interval(truth - before, truth + after) for before, after in slack]
    one = narrowed(found)
    assert one.low <= truth <= one.high
    assert one.half <= min(each.half for each in found) + 1e-9
    assert quickest(found).half == min(each.half for each in found)


def test_answers_that_contradict_each_other_leave_the_last() -> None:
    assert narrowed([Interval(0, 1), Interval(5, 6)]) == Interval(5, 6)
    assert Clock("a", "ntp", 2.0, 0.5, "").off(1.0)
    assert not Clock("a", "ntp", 2.0, 1.5, "").off(1.0)
