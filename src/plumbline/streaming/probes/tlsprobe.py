"""Black-box probe: what a TLS handshake costs the server. Works against anything that speaks TLS, WebSocket or not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from plumbline.evidence import Endpoint, UnavailableError

HANDSHAKES = 3  # of each kind, at most; the fastest counts: what is slower waited for something else
SLOW_S = 0.3  # no further ones then: they only add to what keeps the server busy
TIMEOUT_S = 5.0
TICKET_WAIT_S = 0.5  # TLS 1.3 sends session tickets after the handshake, with the first bytes or alone
SECURE = {"wss": 443, "https": 443, "tls": 443, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Shaken:
    """One handshake.

    Args:
        connect_s: The TCP handshake before it: about one round trip.
        took_s: The TLS handshake.
        resumed: The server knew the session.
        version: `TLSv1.3` and the like.
        certificate: The server's, DER.
        session: What the next one may resume; None: the server gave no ticket.
    """

    connect_s: float
    took_s: float
    resumed: bool
    version: str
    certificate: bytes
    session: ssl.SSLSession | None


def measured_handshakes(endpoint: Endpoint) -> dict[str, Any]:
    """Shake hands in full, then with a session's ticket, and once as a client that checks the certificate.

    Returns:
        The fields of the evidence record `TlsHandshakes`.

    Raises:
        UnavailableError: The target speaks no TLS, or does not answer.
    """
    host, port = _where(endpoint)
    _modern_cryptography()
    context = _context()
    full = _several(lambda: _shaken(host, port, context, None))
    session = next((one.session for one in full if one.session is not None), None)
    again = _several(lambda: _shaken(host, port, context, session)) if session else []
    resumed = [one for one in again if one.resumed]
    kind, bits, ends = described(full[0].certificate)
    return {
        "key_type": kind,
        "key_bits": bits,
        "version": full[0].version,
        "connect_s": round(min(one.connect_s for one in full), 6),
        "full_s": round(min(one.took_s for one in full), 6),
        "resumed_s": round(min(one.took_s for one in resumed), 6) if resumed else None,
        "reference_s": round(reference_s(), 9),
        "expires_in_s": round((ends - datetime.now(UTC)).total_seconds(), 0),
        "refused_because": _refused_because(host, port, endpoint.ca),
    }


def described(certificate: bytes) -> tuple[str, int, datetime]:
    """Return kind and size in bits of a certificate's key, and when the certificate ends."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    read = x509.load_der_x509_certificate(certificate)
    key = read.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size, read.not_valid_after_utc
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA", key.key_size, read.not_valid_after_utc
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey"), 256, read.not_valid_after_utc


def reference_s(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return what one ECDSA P-256 signature costs on this machine, in seconds: the fastest of 50."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key, best = ec.generate_private_key(ec.SECP256R1()), float("inf")
    for _ in range(50):
        began = clock()
        key.sign(b"reference", ec.ECDSA(hashes.SHA256()))
        best = min(best, clock() - began)
    return best


def _several(shake: Callable[[], Shaken]) -> list[Shaken]:
    found: list[Shaken] = []
    while len(found) < HANDSHAKES and sum(one.took_s for one in found) < SLOW_S:
        found.append(shake())
    return found


def _where(endpoint: Endpoint) -> tuple[str, int]:
    if not endpoint.url:
        raise UnavailableError("not_configured", "the target names no url; give one: --target wss://host:port/")
    parts = urlsplit(endpoint.url)
    if parts.scheme not in SECURE or not parts.hostname:
        raise UnavailableError("not_configured", f"'{endpoint.url}' speaks no TLS; it begins with wss:// or https://")
    return parts.hostname, parts.port or SECURE[parts.scheme]


def _modern_cryptography() -> None:
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ImportError:
        hint = "pip install 'plumbline[streaming]'"
        raise UnavailableError("not_configured", f"reading a certificate's key needs cryptography: {hint}") from None


def _context() -> ssl.SSLContext:
    """Return what handshakes are measured with: an expired certificate is no reason not to see what it costs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _shaken(host: str, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> Shaken:
    try:
        began = time.perf_counter()
        with socket.create_connection((host, port), TIMEOUT_S) as plain:
            connected = time.perf_counter()
            with context.wrap_socket(plain, server_hostname=host, session=session) as secure:
                done = time.perf_counter()
                return Shaken(
                    connect_s=connected - began,
                    took_s=done - connected,
                    resumed=bool(secure.session_reused),
                    version=secure.version() or "",
                    certificate=secure.getpeercert(binary_form=True) or b"",
                    session=_ticket(secure, host) if session is None else session,
                )
    except TimeoutError:
        raise UnavailableError("timeout", f"{host}:{port} did not shake hands within {TIMEOUT_S:g} s") from None
    except ssl.SSLError as error:
        raise UnavailableError("malformed", f"{host}:{port} speaks no TLS that we know: {error}") from None
    except OSError as error:
        raise UnavailableError("unreachable", f"nothing answers at {host}:{port} ({error})") from None


def _ticket(secure: ssl.SSLSocket, host: str) -> ssl.SSLSession | None:
    """Return the session when its ticket has come; the smallest request makes a server that waits speak."""
    secure.settimeout(TICKET_WAIT_S)
    with contextlib.suppress(OSError):
        secure.sendall(f"HEAD /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        secure.recv(4096)
    session = secure.session
    return session if session is not None and session.has_ticket else None


def _refused_because(host: str, port: int, authority: str | None) -> str:
    """Return why a client that checks the certificate would refuse it; empty if it would not."""
    context = ssl.create_default_context(cafile=authority)
    try:
        with socket.create_connection((host, port), TIMEOUT_S) as plain:
            context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return str(error)
    return ""
