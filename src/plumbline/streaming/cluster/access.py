"""How a gateway shows NATS who it is, and knows NATS again: certificates, passwords, tokens, keys. All are files.

A command line can be read by every user of a machine, so no secret ever stands in one, nor in an address.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ENCRYPTED = ("tls://", "wss://")
NO_TLS = "the server does not ask for TLS"
_ONE_WAY = ("credentials", "nkey", "password_file", "token_file")


@dataclass(frozen=True, slots=True)
class Access:
    """What is shown and asked for when a connection to NATS is made.

    Args:
        credentials: File with a user's JWT and key, as `nsc` writes it.
        nkey: File with the seed of an nkey.
        user: Name, to which `password_file` belongs.
        password_file: File with the password.
        token_file: File with a token.
        ca: PEM file with the authorities that the servers' certificates are checked against; None: the system's.
        cert: PEM file with a certificate to show, and its chain.
        key: PEM file with its private key; None: it stands in `cert` too.

    Raises:
        ValueError: They do not fit together; one sentence says why.
    """

    credentials: Path | None = None
    nkey: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        ways = [name for name in _ONE_WAY if getattr(self, name) is not None]
        if len(ways) > 1:
            told = " and ".join("--nats-" + name.replace("_", "-") for name in ways)
            raise ValueError(f"{told} are two ways to say who the gateway is; NATS takes one")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("--nats-user and --nats-password-file belong together")
        if self.key is not None and self.cert is None:
            raise ValueError("--nats-key is the key of a certificate; name it with --nats-cert")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def options(self, servers: Iterable[str]) -> dict[str, Any]:
        """Read the files, and return what nats-py is told.

        Args:
            servers: The addresses; with `tls://` or `wss://`, or with `ca` or `cert`, the connection is encrypted.

        Raises:
            ValueError: A file cannot be read or used; one sentence says which, and nothing of what is in it.
        """
        found: dict[str, Any] = {}
        if self.credentials is not None:
            _read(self.credentials)  # so that a file that cannot be read is said like any other
            found["user_credentials"] = str(self.credentials)
        if self.nkey is not None:
            found["nkeys_seed_str"] = _read(self.nkey)
        if self.user is not None and self.password_file is not None:
            found |= {"user": self.user, "password": _read(self.password_file)}
        if self.token_file is not None:
            found["token"] = _read(self.token_file)
        if self.ca or self.cert or any(server.startswith(ENCRYPTED) for server in servers):
            found["tls"] = self._tls()
        return found

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # SSLError too
            raise ValueError(f"--nats-ca {self.ca}: {_because(error)}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key, password=_no_password)
            except (OSError, ValueError) as error:
                raise ValueError(f"--nats-cert {self.cert}: {_because(error)}") from None
        return context


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {_because(error)}") from None
    if not text:
        raise ValueError(f"{path}: the file is empty")
    return text


def _because(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "certificate and key cannot be used" + (f" ({error.reason})" if error.reason else "")
    return getattr(error, "strerror", None) or "cannot be used"


def _no_password() -> str:
    raise ValueError("the key has a password")


def refusal(error: BaseException | None, said: Iterable[str]) -> str | None:
    """Return what is wrong in one sentence if it is about who the gateway or the server is; None: it is not.

    Args:
        error: What the attempt ended with.
        said: What was told on the way.
    """
    texts = [*said, str(error)]
    for text in texts:
        low = text.lower()
        if NO_TLS in text:
            return "it does not ask for TLS, and without it nothing is shown to it; configure its tls { … } block"
        if "certificate_verify_failed" in low or "certificate verify failed" in low:
            reason = text.partition("certificate verify failed:")[2].partition("(_ssl")[0].strip()
            return (
                f"its certificate cannot be verified ({reason or 'unknown authority'}); --nats-ca names who signed it"
            )
        if "certificate required" in low or "bad certificate" in low or "unknown ca" in low:
            return "it does not accept the certificate that it was shown, or wants one; see --nats-cert and --nats-key"
        if "authorization violation" in low or "authentication" in low or "user authentication" in low:
            return (
                "it does not accept who the gateway says it is; see --nats-user, --nats-token-file, --nats-credentials"
            )
    return None
