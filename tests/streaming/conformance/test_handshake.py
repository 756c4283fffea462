"""RFC 6455, section 4: the opening handshake as the server must have it."""

import base64
import hashlib

import pytest

from .conftest import CLOSE, KEY, TEXT, frame

must = pytest.mark.must


@must("4.2.2", "answer 101 with Upgrade, Connection, and Sec-WebSocket-Accept made of the key")
@pytest.mark.parametrize("key", [KEY, base64.b64encode(bytes(range(16))).decode()])
def test_the_answer_proves_that_the_key_was_read(dial, key):
    status, headers = dial().handshake(Sec_WebSocket_Key=key)
    proof = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    assert status == 101
    assert headers["upgrade"].lower() == "websocket"
    assert headers["connection"].lower() == "upgrade"
    assert headers["sec-websocket-accept"] == base64.b64encode(proof).decode()


def test_the_rfcs_own_example_is_answered_as_the_rfc_has_it(dial):
    assert dial().handshake()[1]["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@must("4.2.1", "the request is GET, of HTTP/1.1 or higher; anything else is answered with an error and not opened")
@pytest.mark.parametrize(
    "line",
    [
        "POST / HTTP/1.1",
        "PUT / HTTP/1.1",
        "get / HTTP/1.1",
        "GET / HTTP/1.0",
        "GET / HTTP/0.9",
        "GET /",
        "GET  / HTTP/1.1",
    ],
)
def test_another_request_line_opens_nothing(dial, line):
    status, headers = dial().handshake(line=line)
    assert 400 <= status < 600
    assert "sec-websocket-accept" not in headers


@must("4.2.1", "the request has a Host header")
def test_a_request_without_host_is_refused(dial):
    assert dial().handshake(host=False)[0] == 400


@must("4.2.1", "the Upgrade header has the value websocket, in any case of letters")
@pytest.mark.parametrize(("value", "status"), [("WebSocket", 101), ("WEBSOCKET", 101), ("h2c", 426), (None, 426)])
def test_the_upgrade_header_says_websocket(dial, value, status):
    assert dial().handshake(Upgrade=value)[0] == status


@must("4.2.1", "the Connection header has the token Upgrade, in any case of letters and among others")
@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("upgrade", 101),
        ("keep-alive, Upgrade", 101),
        ("Upgrade,keep-alive", 101),
        (["keep-alive", "Upgrade"], 101),
        ("keep-alive", 400),
        ("upgraded", 400),
        (None, 400),
    ],
)
def test_the_connection_header_has_the_token_upgrade(dial, value, status):
    assert dial().handshake(Connection=value)[0] == status


@must("4.2.1", "the Sec-WebSocket-Key header is base64 of 16 bytes")
@pytest.mark.parametrize(
    "key",
    [None, "", "AAAA", base64.b64encode(bytes(15)).decode(), base64.b64encode(bytes(17)).decode(), "é" * 24, "!" * 24],
)
def test_another_key_is_refused(dial, key):
    assert dial().handshake(Sec_WebSocket_Key=key)[0] == 400


@must("11.3.1", "the Sec-WebSocket-Key header does not appear more than once")
def test_two_keys_are_refused(dial):
    assert dial().handshake(Sec_WebSocket_Key=[KEY, KEY])[0] == 400


@must("4.4", "another version is answered 426 with the version that is spoken")
@pytest.mark.parametrize("version", [None, "", "0", "7", "8", "12", "14", "013", "13, 8", "x"])
def test_another_version_is_told_which_one_is_spoken(dial, version):
    status, headers = dial().handshake(Sec_WebSocket_Version=version)
    assert (status, headers["sec-websocket-version"]) == (426, "13")


@must("4.2.1", "names of headers count in any case of letters")
def test_header_names_are_read_in_any_case(dial):
    lower = {"Upgrade": None, "Connection": None, "Sec_WebSocket_Key": None, "Sec_WebSocket_Version": None}
    more = {"upgrade": "websocket", "CONNECTION": "Upgrade", "sec_websocket_key": KEY, "SEC_WEBSOCKET_VERSION": "13"}
    assert dial().handshake(**lower, **more)[0] == 101


@must("4.2.2", "a subprotocol is answered only if the client offered it, and then one")
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        ("chat, superchat", None),
        ("chat, plumbline.v2", "plumbline.v2"),
        (["chat", "plumbline.v2"], "plumbline.v2"),
    ],
)
def test_only_an_offered_subprotocol_is_chosen(dial, offered, chosen):
    status, headers = dial().handshake(Sec_WebSocket_Protocol=offered)
    assert (status, headers.get("sec-websocket-protocol")) == (101, chosen)


@must("9.1", "an extension is answered only if it is supported: none is")
def test_no_extension_is_accepted(dial):
    status, headers = dial().handshake(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits, x-none")
    assert status == 101
    assert "sec-websocket-extensions" not in headers


@must("4.2.2", "an origin that is not accepted is answered 403")
@must("10.2", "the origin is checked where pages of any origin must not connect")
def test_a_page_of_a_strange_origin_is_refused(dial, gateway):
    before = gateway.stats["rejected"].get("origin", 0)
    assert dial().handshake(Origin="https://evil.example")[0] == 403
    assert gateway.stats["rejected"]["origin"] == before + 1
    own = dial()
    assert own.handshake(Origin=f"http://{own.host}")[0] == 101


@must("4.2.2", "a resource that is not there is answered with an HTTP error")
def test_an_unknown_path_is_not_opened(dial):
    assert dial().handshake(line="GET /elsewhere HTTP/1.1")[0] == 404


def test_a_handshake_in_single_bytes_is_the_same_handshake(dial):
    wire = dial()
    for byte in wire.request():
        wire.send(bytes((byte,)))
    assert wire.answer()[0] == 101


def test_frames_right_behind_the_handshake_are_read(dial):
    wire = dial()
    wire.send(wire.request() + frame(TEXT, b'{"id":1,"ping":"early"}') + frame(CLOSE, b"\x03\xe8"))
    assert wire.answer()[0] == 101
    assert wire.read_json()["ping"] == "early"
    assert wire.closed_with() == 1000


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nna me: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nname : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\na: \x00\r\n\r\n",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
        b"GET http://x HTTP/1.1 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(dial, head):
    wire = dial()
    wire.send(head)
    status, _ = wire.answer()
    assert status is None or 400 <= status < 500
    assert wire.file.read() is not None, "the connection ends"


def test_an_endless_request_is_cut_off(dial):
    wire = dial()
    wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    status = None
    try:
        for _ in range(64):
            wire.send(b"a: " + b"x" * 1000 + b"\r\n")
        status, _ = wire.answer()
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert status in (None, 400, 431)
