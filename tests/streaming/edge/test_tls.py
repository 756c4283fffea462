"""TLS with real certificates: what holds for plain sockets holds for these."""

import json
import socket
import ssl

import pytest
import trustme
from websockets.sync.client import connect

from plumbline.streaming import Settings
from plumbline.streaming.core.settings import SettingError
from plumbline.streaming.server.tls import Certificate


@pytest.fixture
def secure(start, authority):
    def begin(**options):
        settings = authority.issue() | options.pop("settings", {})
        return start(settings=settings, **options)

    return begin


def test_websockets_events_and_pages_speak_tls(secure, authority, client, http, loop_factory):
    gateway = secure(loop_factory=loop_factory)
    assert gateway.url.startswith("wss://")
    reader = client(gateway, ssl=authority.context())
    reader.ask(id=1, subscribe="a")
    events = http(gateway, authority.context()).ask("GET /sse/a")
    events.head()
    events.data()
    for number in range(50):
        gateway.publish("a", "x" * 1000 + str(number))
    assert [reader.read()["offset"] for _ in range(50)] == list(range(1, 51))
    assert [events.data()["offset"] for _ in range(50)] == list(range(1, 51))
    status, _, body = http(gateway, authority.context()).ask("GET /metrics").answer()
    assert status == 200
    assert 'plumbline_gateway_tls_handshakes_total{kind="full"}' in body
    assert 'plumbline_gateway_tls_handshake_seconds_bucket{le="+Inf"} 3.0' in body
    reader.link.close()


def test_large_messages_pass_in_both_directions(secure, authority, client):
    gateway = secure(settings={"max_message_bytes": 1 << 20, "queue_max_bytes": 8 << 20})
    reader = client(gateway, ssl=authority.context(), max_size=None)
    reader.ask(id=1, subscribe="a")
    reader.send(publish="a", data="y" * 700_000)
    assert len(reader.read()["data"]) == 700_000


def test_a_slow_readers_backlog_is_in_the_queue_and_not_out_of_sight(secure, authority, http, until):
    gateway = secure(settings={"queue_max_bytes": 200_000, "send_buffer_bytes": 4096, "overflow": "drop-oldest"})
    where = gateway.gateway.address
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    plain.connect((where.host, where.port))
    with authority.context().wrap_socket(plain, server_hostname="127.0.0.1") as slow:
        slow.sendall(b"GET /sse/a HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: gateway.stats["subscriptions"] == 1)
        for _ in range(600):
            gateway.publish("a", "x" * 1000)
        [queue] = gateway.queues["queues"]
        assert 190_000 < queue["queued_bytes"] <= 200_000, "all but a record is where the policy can see it"
        published, dropped = gateway.stats["published"], queue["dropped"]
        hidden = 1000 * (published - dropped) - queue["queued_bytes"]
        assert hidden < 100_000, "what the kernel and one record hold"


def test_a_reader_that_takes_no_byte_is_closed_in_time(secure, authority, until):
    gateway = secure(settings={"send_buffer_bytes": 4096, "write_timeout_s": 0.1, "close_timeout_s": 0.05})
    where = gateway.gateway.address
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    plain.connect((where.host, where.port))
    with authority.context().wrap_socket(plain, server_hostname="127.0.0.1") as slow:
        slow.sendall(b"GET /sse/a HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: gateway.stats["subscriptions"] == 1)
        for _ in range(100):
            gateway.publish("a", "x" * 1000)
        until(lambda: gateway.stats["closes"] == {"write-timeout": 1})


def certificate_of(gateway, context):
    where = gateway.gateway.address
    plain = socket.create_connection((where.host, where.port), 20)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as link:
        return link.getpeercert()["serialNumber"], link.version()


def test_a_new_certificate_is_taken_and_nobody_is_dropped(secure, authority, client):
    gateway = secure()
    here = client(gateway, ssl=authority.context())
    first, version = certificate_of(gateway, authority.context())
    assert version == "TLSv1.3"
    gateway.set(**authority.issue())
    second, _ = certificate_of(gateway, authority.context())
    assert second != first
    assert here.ask(id=1, ping=1)["ok"]
    with pytest.raises(SettingError, match="cannot be used: key values mismatch"):
        gateway.set(tls_key=authority.issue()["tls_key"])
    assert certificate_of(gateway, authority.context())[0] == second
    here.link.close()


def test_a_key_of_another_kind_replaces_the_old_one_and_tickets_stay_good(secure, authority, until):
    gateway = secure()
    where, context, seen, session = gateway.gateway.address, authority.context(), [], None
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for kind in (trustme.KeyType.RSA, trustme.KeyType.ECDSA, trustme.KeyType.RSA):
        gateway.set(**authority.issue(kind))
        with context.wrap_socket(
            socket.create_connection((where.host, where.port), 20), server_hostname="127.0.0.1"
        ) as link:
            seen.append((kind.name, link.cipher()[0].split("-")[1]))
            session = session or link.session
    assert seen == [("RSA", "RSA"), ("ECDSA", "ECDSA"), ("RSA", "RSA")]
    plain = socket.create_connection((where.host, where.port), 20)
    with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as link:
        assert link.session_reused


def test_a_client_that_comes_back_resumes_its_session(secure, authority, until):
    gateway = secure()
    where, context = gateway.gateway.address, authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    for _ in range(2):
        plain = socket.create_connection((where.host, where.port), 20)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as link:
            link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert link.recv(12) == b"HTTP/1.1 200"
            session, again = link.session, link.session_reused
    assert again
    until(lambda: gateway.stats["tls_handshakes"] == {"full": 1, "resumed": 1})


def test_a_handshake_that_fails_is_counted_by_reason(secure, authority, http, until):
    gateway = secure(settings={"handshake_timeout_s": 600})
    where = gateway.gateway.address
    http(gateway).say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: gateway.stats["tls_failures"].get("plain-http") == 1)
    plain = socket.create_connection((where.host, where.port), 20)
    with plain, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")
    until(lambda: gateway.stats["tls_failures"].get("certificate-not-trusted") == 1)
    http(gateway).close()
    until(lambda: gateway.stats["tls_failures"].get("closed") == 1)
    http(gateway)
    until(lambda: gateway.stats["handshakes_waiting"] == 1)
    gateway.set(handshake_timeout_s=0.05)
    until(lambda: gateway.stats["tls_failures"].get("timeout") == 1)
    assert gateway.stats["connections"] == 0


def test_old_versions_are_refused(secure, authority, until):
    gateway = secure()
    where, context = gateway.gateway.address, authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection((where.host, where.port), 20) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")
    until(lambda: gateway.stats["tls_failures"] == {"old-version": 1})


def test_beyond_the_rate_a_socket_is_closed_before_it_costs_a_handshake(secure, authority, http):
    gateway = secure(settings={"accept_rate": 0.1, "accept_burst": 1})
    assert http(gateway, authority.context()).ask("GET /healthz").answer()[0] == 200
    assert http(gateway).file.read() == b""
    assert gateway.stats["rejected"] == {"accept-rate": 1}
    assert gateway.stats["tls_handshakes"] == {"full": 1}


def test_the_end_of_a_connection_is_a_goodbye_in_tls_too(secure, authority, until):
    gateway = secure()
    with connect(gateway.url, ssl=authority.context(), compression=None, proxy=None) as link:
        link.send(json.dumps({"id": 1, "ping": 1}))
        assert json.loads(link.recv())["ok"]
    [ended] = until(lambda: gateway.recent, "the end")
    assert (ended["clean"], gateway.stats["connections"]) == (True, 0)


def test_only_both_files_make_tls(authority, tmp_path):
    files = authority.issue()
    with pytest.raises(ValueError, match="needs both files"):
        Certificate.of(Settings(tls_cert=files["tls_cert"]))
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        Certificate.of(Settings(tls_cert=str(tmp_path / "none"), tls_key=files["tls_key"]))
    assert Certificate.of(Settings()) is None


def test_tls_cannot_come_or_go_while_the_gateway_runs(start, secure, authority):
    with pytest.raises(SettingError, match="fixed at the start"):
        start().set(**authority.issue())
    with pytest.raises(SettingError, match="fixed at the start"):
        secure().set(tls_cert="", tls_key="")


def test_the_certificate_is_read_again_at_sighup_and_over_the_admin_socket(process, authority, tmp_path):
    import os
    import signal

    files = authority.issue()
    gateway = process("--set", f"tls_cert={files['tls_cert']}", "--set", f"tls_key={files['tls_key']}")
    told = gateway.ask(**{"reload-certificate": {}})
    assert told["tls_cert"] == files["tls_cert"]
    assert "T" in told["not_after"]
    os.kill(gateway.ready["pid"], signal.SIGHUP)
    gateway.ask(get="stats")
    assert gateway.stop() == 0
    assert gateway.log.count("certificate read") >= 2
