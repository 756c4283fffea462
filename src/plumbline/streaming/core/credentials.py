"""Where a client put its token: a header, the address, or a subprotocol. No I/O.

Browsers can set no header on a WebSocket or an EventSource, so they use one of the other two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

SUBPROTOCOL = "plumbline.v2"
BEARER = "bearer."
_SECRET = re.compile(r"((?:^|[?&])token=)[^&#\s]*")


@dataclass(frozen=True, slots=True)
class Presented:
    """A token, and how it came.

    Args:
        token: As the client sent it; nothing of it is checked.
        by: `header`, `address` or `subprotocol`.
    """

    token: str
    by: Literal["header", "address", "subprotocol"]

    def __repr__(self) -> str:
        """Say how it came, never what it is: this may end in a log."""
        return f"Presented(by={self.by!r})"

    @property
    def by_script(self) -> bool:
        """True if a browser's script sent it: it sees the code of a close, but not the status of a handshake."""
        return self.by != "header"


def presented(authorization: str | None, query: str, offered: str | None) -> Presented | None:
    """Return the token that came with a request, or None.

    Args:
        authorization: Value of the `Authorization` header.
        query: What stands behind `?` in the address.
        offered: Value of the `Sec-WebSocket-Protocol` header.
    """
    scheme, _, value = (authorization or "").strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return Presented(value.strip(), "header")
    if found := parse_qs(query, max_num_fields=None).get("token"):
        return Presented(found[0], "address")
    for name in subprotocols(offered):
        if name.startswith(BEARER):
            return Presented(name.removeprefix(BEARER), "subprotocol")
    return None


def subprotocols(offered: str | None) -> list[str]:
    """Return the names in a `Sec-WebSocket-Protocol` header, in the client's order."""
    return [name.strip() for name in (offered or "").split(",") if name.strip()]


def without_token(address: str) -> str:
    """Return an address that may be shown: the token in it is replaced."""
    return _SECRET.sub(r"\1…", address)
