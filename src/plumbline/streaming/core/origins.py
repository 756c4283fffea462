"""May this web page connect? Browsers let any page open a WebSocket to anywhere; they only say where it is from."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def origin_allowed(origin: str | None, host: str | None, allowed: str) -> bool:
    """Judge the `Origin` header of a handshake.

    Args:
        origin: The header; None from clients that are not browsers, which are let in.
        host: The `Host` header. It counts as the gateway's own only if it is an address or `localhost`: a name could be
            an attacker's that was pointed at this machine (DNS rebinding).
        allowed: Comma-separated origins, or `*`.
    """
    if origin is None:
        return True
    names = {name.strip().lower().rstrip("/") for name in allowed.split(",") if name.strip()}
    if "*" in names or origin.lower() in names:
        return True
    if host is None or not _is_address(host):
        return False
    return urlsplit(origin).netloc.lower() == host.lower()


def _is_address(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost":
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
