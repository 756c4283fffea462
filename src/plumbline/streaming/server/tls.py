"""TLS over a link: OpenSSL works in memory, so that every byte it makes is written, or held and counted, by the link.

A TLS socket of the standard library would keep the rest of a record to itself, and a transport a backlog of 64 KiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.streaming.core.histogram import Histogram
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server.link import READ_BYTES, Link, Peer

HANDSHAKE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_REASONS = {
    "HTTP_REQUEST": "plain-http",
    "UNSUPPORTED_PROTOCOL": "old-version",
    "VERSION_TOO_LOW": "old-version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "old-version",
    "NO_SHARED_CIPHER": "no-shared-cipher",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "no-shared-cipher",
    "TLSV1_ALERT_UNKNOWN_CA": "certificate-not-trusted",
    "SSLV3_ALERT_BAD_CERTIFICATE": "certificate-not-trusted",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "certificate-not-trusted",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "certificate-expired",
    "WRONG_VERSION_NUMBER": "not-tls",
    "PACKET_LENGTH_TOO_LONG": "not-tls",
    "RECORD_LAYER_FAILURE": "not-tls",
}


@dataclass(slots=True)
class Handshakes:
    """What is counted of TLS handshakes.

    Args:
        done: Completed ones, by `full` or `resumed`.
        failed: Others, by reason: `plain-http`, `old-version`, `no-shared-cipher`, `certificate-not-trusted`,
            `certificate-expired`, `not-tls`, `closed`, `timeout`, `other`.
        duration: From accept to completion, in seconds.
        busy_s: Seconds of this process's time spent in them: while it signs, nobody else is served.
    """

    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    duration: Histogram = field(default_factory=lambda: Histogram(HANDSHAKE_BUCKETS_S))
    busy_s: float = 0.0


class Certificate:
    """What TLS links are made with: TLS 1.2 or newer, session tickets on.

    Args:
        certificate: PEM file with the certificate and its chain.
        key: PEM file with its private key.

    Raises:
        ValueError: The files cannot be read or do not belong together.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self.not_after = ""
        self.context = self._newest = self._loaded(certificate, key)
        self.context.sni_callback = self._choose  # called for every handshake, with or without a server name

    @classmethod
    def of(cls, settings: Settings) -> Certificate | None:
        """Return the certificate that the settings name; None if they name none.

        Raises:
            ValueError: It cannot be used, or only one of the two files is named.
        """
        if not settings.tls_cert and not settings.tls_key:
            return None
        _both(settings)
        return cls(settings.tls_cert, settings.tls_key)

    def take(self, settings: Settings) -> None:
        """Read the files for the handshakes to come; connections and session tickets stay as they are.

        The new pair goes into a context of its own. Loaded into the first one, a key of another kind (ECDSA for RSA)
        would stand beside the old key, and OpenSSL would go on offering that.

        Raises:
            ValueError: They cannot be used; nothing was changed.
        """
        _both(settings)
        self._newest = self._loaded(settings.tls_cert, settings.tls_key)

    def _choose(self, link: ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        if self._newest is not self.context:
            link.context = self._newest

    def _loaded(self, certificate: str, key: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        made.set_alpn_protocols(["http/1.1"])
        try:
            made.load_cert_chain(certificate, key, password=_no_password)
        except ssl.SSLError as error:
            why = (error.reason or str(error)).lower().replace("_", " ")
            raise ValueError(f"tls_cert={certificate} and tls_key={key} cannot be used: {why}") from None
        except OSError as error:
            raise ValueError(f"tls_cert={certificate} or tls_key={key} cannot be read: {error.strerror}") from None
        self.not_after = _not_after(certificate)
        return made


def _both(settings: Settings) -> None:
    if not settings.tls_cert or not settings.tls_key:
        raise ValueError("TLS needs both files: tls_cert with the certificate, tls_key with its private key")


def _not_after(certificate: str) -> str:
    """Return until when the first certificate in a file holds, as text."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(Path(certificate).read_bytes()).not_valid_after_utc.isoformat()


def _no_password() -> str:
    raise ssl.SSLError(1, "the key is encrypted; store it without a password, readable by this user only")


class TlsLink(Link):
    """A TCP socket that speaks TLS.

    Args:
        loop: The running event loop.
        sock: Connected and non-blocking; the link closes it.
        peer: Told of what the client says, decrypted.
        made_with: From `context`.
        handshakes: Where the handshake is counted.
    """

    __slots__ = ("_began_at", "_handshakes", "_incoming", "_outgoing", "_ssl", "_writing", "started")
    secure = True
    batch_bytes = 16384  # one record; what is encrypted can no longer be dropped

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        peer: Peer,
        made_with: ssl.SSLContext,
        handshakes: Handshakes,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = made_with.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._handshakes = handshakes
        self._began_at = time.monotonic()
        self.started = False
        super().__init__(loop, sock, peer)

    def write(self, frames: list[bytes]) -> int | None:
        """Encrypt all of it and write what the kernel takes; the rest of the ciphertext is held."""
        plain = frames[0] if len(frames) == 1 else b"".join(frames)
        if not self._encrypt(plain):
            return None
        self._flush()
        return len(plain) if self.open else None

    def write_one(self, frame: bytes) -> int | None:
        """Encrypt one frame and write what the kernel takes."""
        return self.write([frame])

    def hold(self, rest: bytes) -> None:
        """Encrypt this and write it behind what is held already."""
        if self.open and rest and self._encrypt(rest):
            self._flush()

    def close(self) -> None:
        """Say goodbye in TLS too, then close when what is held is out."""
        self._say_goodbye()
        super().close()

    def finish(self) -> None:
        """Say goodbye in TLS too, and send no more."""
        self._say_goodbye()
        super().finish()

    def _close(self) -> None:
        self._failed("closed")
        super()._close()

    def timed_out(self) -> None:
        """Drop the socket: the handshake took too long."""
        self._failed("timeout")
        self.abort()

    def _say_goodbye(self) -> None:
        if self.started and self.open:
            with contextlib.suppress(ssl.SSLError):  # "want read": the other side's goodbye is not waited for
                self._ssl.unwrap()
            self._flush()

    def _read(self) -> bytes | None:
        data = super()._read()
        if data is None:
            return None
        if not data:
            return b""
        self._incoming.write(data)
        if not self.started and not self._handshake():
            return None
        return self._decrypted()

    def _handshake(self) -> bool:
        """Go on with the handshake; True when it is complete."""
        began = time.perf_counter()
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except (ssl.SSLError, OSError) as error:
            self._failed(_REASONS.get(getattr(error, "reason", None) or "", "other"))
            self._flush()  # the alert says why
            self._close()
            return False
        finally:
            self._handshakes.busy_s += time.perf_counter() - began
        self.started = True
        self._handshakes.done["resumed" if self._ssl.session_reused else "full"] += 1
        self._handshakes.duration.note(time.monotonic() - self._began_at)
        self._flush()
        return self.open

    def _failed(self, reason: str) -> None:
        if self.open and not self.started:
            self.started = True  # counted once
            self._handshakes.failed[reason] += 1

    def _decrypted(self) -> bytes | None:
        """Return what came; empty at the end, None for nothing."""
        pieces: list[bytes] = []
        try:
            while piece := self._ssl.read(READ_BYTES):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            self._flush()
            return b"".join(pieces) or None
        except (ssl.SSLError, OSError):
            self._close()
            return None
        if pieces:  # the end comes again, with the end of the stream below
            return b"".join(pieces)
        return b""

    def _encrypt(self, plain: bytes) -> bool:
        try:
            self._ssl.write(plain)
        except (ssl.SSLError, OSError):
            self.abort()
            return False
        return True

    def _flush(self) -> None:
        """Write what OpenSSL made, behind what is held."""
        made = self._outgoing.read()
        if not made or not self.open:
            return
        count = 0
        if not self.held:
            try:
                count = os.write(self.fd, made)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self._close()
                return
        super().hold(made[count:])
