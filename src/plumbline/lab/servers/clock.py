"""A source of time: NTP over UDP (RFC 5905, mode 4) and the Date header over HTTP, both `offset_s` ahead.

`/token` issues a token as an identity provider does: `iat`, `nbf` and `exp` by its own clock.
"""

from __future__ import annotations

import asyncio
import struct
import time
from datetime import UTC, datetime
from typing import cast

import jwt

from plumbline.lab.servers.http import Answer, Config, arguments, listen

_DEFAULTS = {"offset_s": 0.0}
_SINCE_1900_S = 2_208_988_800  # from NTP's epoch to Unix's
SECRET = "the lab's own key, which protects nothing"  # noqa: S105 - issuer and verifier are both ours
TOKEN_S = 300
"""How long a token lives, in seconds."""
_SERVER = (4 << 3) | 4  # version 4, mode server


def stamp(moment: float) -> bytes:
    """Return a Unix time as NTP writes it: seconds since 1900 and their fraction, 32 bits each."""
    ntp = moment + _SINCE_1900_S
    return struct.pack("!II", int(ntp), int(ntp % 1 * 2**32))


def reply(question: bytes, now: float) -> bytes:
    """Return the answer to an NTP request; empty if it is none.

    Args:
        question: The packet.
        now: What time it is, seconds since the epoch.
    """
    if len(question) < 48 or question[0] & 7 != 3:
        return b""
    head = struct.pack("!BBbbII4s", _SERVER, 1, question[2] if question[2] < 128 else 6, -20, 0, 0, b"LOCL")
    return head + stamp(now) + question[40:48] + stamp(now) + stamp(now)


def token(now: datetime) -> str:
    """Return a token that is valid from this moment on."""
    issued = int(now.timestamp())
    claims = {"sub": "lab", "iat": issued, "nbf": issued, "exp": issued + TOKEN_S}
    return jwt.encode(claims, SECRET, algorithm="HS256")


class Ntp(asyncio.DatagramProtocol):
    """Answers NTP requests."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to send."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one."""
        answer = reply(data, time.time() + self.config["offset_s"])
        if answer and self._transport is not None:
            self._transport.sendto(answer, addr)


async def serve(port: int, config: Config) -> None:
    """Serve both, for ever."""
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Ntp(config), ("127.0.0.1", port))

    def now() -> datetime:
        return datetime.fromtimestamp(time.time() + config["offset_s"], UTC)

    async def handle(path: str, query: dict[str, str]) -> Answer:
        del query
        if path == "/token":
            return Answer(200, {"token": token(now())})
        return Answer(200, {"time": now().isoformat()})

    await listen(port, handle, date=now)


if __name__ == "__main__":
    place, file = arguments()
    asyncio.run(serve(place, Config(file, _DEFAULTS)))
