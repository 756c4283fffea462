"""The black-box TLS probe sees key, resumption and refusal of any server, and the counters of a gateway."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from plumbline.evidence import Endpoint, UnavailableError
from plumbline.streaming import evidence_tls
from plumbline.streaming.evidence_tls import handshakes_from_url, load_from_admin, load_from_metrics, watched
from plumbline.streaming.probes import tlsprobe
from plumbline.streaming.probes.exposition import Sample

CA = trustme.CA()


@contextmanager
def server(
    tmp_path: Path, kind: trustme.KeyType = trustme.KeyType.ECDSA, *, tickets: bool = True
) -> Iterator[Endpoint]:
    """A server that shakes hands, answers whatever it is asked, and hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1", key_type=kind).configure_cert(context)
    if not tickets:
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listening.accept()
                    with suppress(OSError), context.wrap_socket(accepted, server_side=True) as link:
                        link.settimeout(2)
                        link.recv(1000)
                        link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        try:
            yield Endpoint("toy", url=f"wss://127.0.0.1:{port}/", ca=str(tmp_path / "ca.pem"))
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_short_key_with_tickets_is_resumed(tmp_path: Path) -> None:
    with server(tmp_path) as endpoint:
        seen = handshakes_from_url(endpoint)
    assert (seen.key_type, seen.key_bits, seen.version, seen.refused_because) == ("ECDSA", 256, "TLSv1.3", "")
    assert seen.resumed_s is not None
    assert seen.expires_in_s > 0
    assert seen.cost >= 0


def test_without_tickets_nothing_is_resumed_and_the_key_is_told(tmp_path: Path) -> None:
    with server(tmp_path, trustme.KeyType.RSA, tickets=False) as endpoint:
        seen = handshakes_from_url(endpoint)
    assert (seen.key_type, seen.key_bits, seen.resumed_s) == ("RSA", 2048, None)


def test_a_certificate_that_clients_refuse_is_measured_all_the_same(tmp_path: Path) -> None:
    with server(tmp_path) as endpoint:
        seen = handshakes_from_url(Endpoint("toy", url=endpoint.url))
    assert "unable to get local issuer certificate" in seen.refused_because
    assert seen.key_type == "ECDSA"


def test_a_slow_server_is_not_asked_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlsprobe, "SLOW_S", 0.0)
    shaken = []
    assert tlsprobe._several(lambda: shaken.append(1)) == []
    monkeypatch.setattr(tlsprobe, "SLOW_S", 0.3)
    slow = tlsprobe.Shaken(0.0, 0.4, False, "", b"", None)
    assert tlsprobe._several(lambda: slow) == [slow]


@pytest.mark.parametrize(
    ("url", "reason"),
    [(None, "not_configured"), ("ws://127.0.0.1:1/", "not_configured"), ("wss://127.0.0.1:1/", "unreachable")],
)
def test_what_speaks_no_tls_is_unavailable(url: str | None, reason: str) -> None:
    with pytest.raises(UnavailableError) as refused:
        handshakes_from_url(Endpoint("toy", url=url))
    assert refused.value.reason == reason


def test_a_server_that_speaks_plain_text_is_malformed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(UnavailableError) as refused:
            handshakes_from_url(Endpoint("toy", url=f"wss://127.0.0.1:{listening.getsockname()[1]}/"))
        thread.join()
    assert refused.value.reason == "malformed"


def test_keys_of_other_kinds_have_a_name() -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding

    key, name = ed25519.Ed25519PrivateKey.generate(), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, datetime.now(UTC), datetime.now(UTC) + timedelta(1))
    assert tlsprobe.described(made.sign(key, None).public_bytes(Encoding.DER))[:2] == ("Ed25519", 256)


def test_two_looks_make_a_rate() -> None:
    looks, clock = iter([(10, 1, 0, 2.0), (60, 3, 1, 2.5)]), itertools.count()
    load = watched(lambda: next(looks), pause=lambda _: None, clock=lambda: float(next(clock)))
    assert (load.full, load.resumed, load.failed, load.busy_ratio) == (50, 2, 1, 0.5)


def stats(full: int, busy_s: float) -> dict[str, object]:
    return {"tls_handshakes": {"full": full}, "tls_failures": {"closed": 1}, "tls_busy_s": busy_s}


def test_a_gateways_counters_are_read_over_the_admin_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([stats(1, 0.0), stats(5, 0.1)])
    monkeypatch.setattr(evidence_tls, "asked", lambda *_: next(looks))
    monkeypatch.setattr(evidence_tls, "WINDOW_S", 0.0)
    assert (load_from_admin(Endpoint("toy")).full, load_from_admin.__name__) == (4, "load_from_admin")


def test_an_answer_of_another_form_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_tls, "asked", lambda *_: {})
    with pytest.raises(UnavailableError) as refused:
        load_from_admin(Endpoint("toy", admin="x"))
    assert refused.value.reason == "malformed"


def test_a_gateways_counters_are_read_from_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(count: float) -> list[Sample]:
        return [
            Sample("plumbline_gateway_tls_handshakes_total", {"kind": "full"}, count),
            Sample("plumbline_gateway_tls_handshakes_total", {"kind": "resumed"}, 2 * count),
            Sample("plumbline_gateway_tls_handshake_busy_seconds_total", {}, 0.0),
        ]

    pages = iter([page(1), page(4)])
    monkeypatch.setattr("plumbline.streaming.probes.exposition.page", lambda _: next(pages))
    monkeypatch.setattr(evidence_tls, "WINDOW_S", 0.0)
    load = load_from_metrics(Endpoint("toy", metrics="http://x"))
    assert (load.full, load.resumed) == (3, 6)


def test_metrics_without_tls_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.streaming.probes.exposition.page", lambda _: [])
    with pytest.raises(UnavailableError, match="no plumbline_gateway_tls_"):
        load_from_metrics(Endpoint("toy", metrics="http://x"))
