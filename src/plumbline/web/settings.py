"""What the app may do and how much of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the one-port app.

    Args:
        site: Folder of the built site.
        host: Address to listen on.
        port: Port to listen on; 0 lets the system choose.
        names: Further host names under which the app may be reached.
        token: Secret that starts runs; a fresh one per start unless given.
        login: True when every request must carry the token (always so on a remote bind).
        active_runs: Runs that may be under way at once.
        starts_per_minute: Runs that may be started per minute.
        kept_runs: Finished runs whose report stays readable.
        jobs: Diagnostic workers that are started ahead.
        registry: Model registry that is shown first; empty for `$PLUMBLINE_REGISTRY`, or the state folder's.
    """

    site: Path
    host: str = "127.0.0.1"
    port: int = 8000
    names: frozenset[str] = frozenset()
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    login: bool = False
    active_runs: int = 2
    starts_per_minute: int = 30
    kept_runs: int = 50
    jobs: int = 2
    registry: str = field(default="", repr=False)  # a database's address may hold a password

    @property
    def allowed_names(self) -> frozenset[str]:
        """Host names (without port) that a request may name."""
        return LOOPBACK_NAMES | self.names


class SettingsError(ValueError):
    """The settings would open the app wider than it may be."""


def check_bind(host: str, *, token: str | None, tls: bool, names: frozenset[str]) -> None:
    """Refuse to listen beyond loopback without a token, TLS and a name to check requests against.

    Raises:
        SettingsError: One of the three is missing.
    """
    if is_loopback(host):
        return
    missing = [
        what
        for what, there in (
            ("a token (--token-file)", token),
            ("TLS (--tls-cert, --tls-key)", tls),
            ("the name that browsers use (--name)", names),
        )
        if not there
    ]
    if missing:
        raise SettingsError(f"--host {host}: others could reach this address, so it also needs {', '.join(missing)}")


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach the address."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
