"""RFC 6455, sections 5.5.1 and 7: how connections end, and with which codes."""

import socket
import struct

import pytest

from ..conftest import wait_until  # noqa: TID252 - tests are no installed package
from .conftest import CLOSE, CONTINUATION, PING, TEXT, frame

must = pytest.mark.must
ALLOWED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
FORBIDDEN = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


def code(number, reason=b""):
    return struct.pack("!H", number) + reason


@must("5.5.1", "a close frame is answered with a close frame, with the same code")
@must("7.4.2", "codes of 3000 to 4999 are left to applications")
@pytest.mark.parametrize("number", ALLOWED)
def test_an_allowed_code_is_answered_with_itself(wire, counted, gateway, number):
    wire.frame(CLOSE, code(number, b"bye"))
    assert wire.read_raw()[0] == 0x80 | CLOSE
    assert wire.read() is None
    wait_until(lambda: gateway.recent[0]["code"] == number)


@must("7.4.1", "codes that are reserved, or never defined, may not stand in a close frame")
@pytest.mark.parametrize("number", FORBIDDEN)
def test_a_forbidden_code_is_refused(wire, counted, number):
    wire.frame(CLOSE, code(number))
    assert wire.closed_with() == 1002
    counted("protocol-error")


@must("5.5.1", "a close frame without a code is answered")
@must("7.1.5", "a close without a code is 1005, which is never sent")
def test_a_close_without_code_is_answered(wire, counted):
    wire.frame(CLOSE)
    assert wire.closed_with() in (1000, 1005)
    counted("no-code")


@must("5.5.1", "the body of a close frame begins with a code of two bytes")
def test_half_a_code_is_refused(wire, counted):
    wire.frame(CLOSE, b"\x03")
    assert wire.closed_with() == 1002
    counted("protocol-error")


@must("5.5.1", "the reason in a close frame is UTF-8")
@pytest.mark.parametrize(
    "reason", [b"\xff", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\xc3"]
)
def test_a_reason_that_is_not_utf8_is_refused(wire, counted, reason):
    wire.frame(CLOSE, code(1000, reason))
    assert wire.closed_with() == 1007
    counted("invalid-utf8")


def test_the_longest_reason_is_allowed(wire):
    wire.frame(CLOSE, code(1000, b"x" * 123))
    assert wire.closed_with() == 1000


@must("5.5.1", "what follows the client's close frame is not looked at, and nothing follows ours")
@pytest.mark.parametrize("after", [frame(TEXT, b'{"id":1,"ping":1}'), frame(PING, b"late"), frame(CLOSE), b"\xff" * 40])
def test_what_comes_after_the_close_frame_does_not_count(wire, counted, after):
    wire.send(frame(CLOSE, code(1000)) + after)
    assert wire.closed_with() == 1000
    counted("normal")


@must("7.1.1", "the server is the first to close the TCP connection, after both close frames")
def test_the_server_closes_the_socket_first(wire):
    wire.frame(CLOSE, code(1000))
    assert wire.read()[0] == CLOSE
    assert wire.sock.recv(1) == b"", "the server's end of the stream, while ours is still open"


@must("7.1.2", "the server starts the closing handshake with a close frame, and waits for the client's")
@must("7.2.3", "what is closed on purpose says so with a code")
def test_the_server_says_goodbye_first(start, dial):
    other = start()
    wire = dial(other).open()
    other.do(other.gateway.stop())
    assert wire.closed_with() == 1012


@must("7.1.7", "a client that broke the rules is not listened to any more")
def test_after_failing_the_connection_nothing_is_carried_out(wire, gateway, counted):
    published = gateway.stats["published"]
    wire.send(frame(3) + frame(TEXT, b'{"publish":"a","data":1}'))
    assert wire.closed_with() == 1002
    counted("protocol-error")
    assert gateway.stats["published"] == published


def test_after_failing_the_connection_there_is_one_close_frame(wire, counted):
    wire.frame(3)
    assert wire.read()[0] == CLOSE
    try:
        for _ in range(20):
            wire.frame(3)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert wire.read() is None
    counted("protocol-error")


@must("7.1.5", "a connection that ends without a close frame is 1006, which is never sent")
@pytest.mark.parametrize("linger", [False, True])
def test_an_end_without_goodbye_is_recorded_as_lost(wire, counted, linger):
    if linger:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.frame(TEXT, b'{"id":1,', fin=False)
    wire.close()
    counted("lost")


def test_a_half_closed_socket_ends_the_connection(wire, counted):
    wire.frame(TEXT, b'{"id":1,"ping":1}')
    assert wire.read_json()["ok"]
    wire.sock.shutdown(socket.SHUT_WR)
    assert wire.read() is None
    counted("lost")


def test_a_message_cut_off_by_the_end_of_the_stream_is_not_carried_out(wire, gateway, counted):
    published = gateway.stats["published"]
    wire.frame(TEXT, b'{"publish":"a",', fin=False)
    wire.frame(CONTINUATION, b'"data":1}', fin=False)
    wire.close()
    counted("lost")
    assert gateway.stats["published"] == published
