"""Open one connection: address, token, headers, TLS; what goes wrong becomes a verdict."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from plumbline.streaming.client.token import Token, TokenSourceError
from plumbline.streaming.client.verdict import Verdict, of_refusal, unreachable
from plumbline.streaming.core.credentials import SUBPROTOCOL, without_token

MAX_FROM_GATEWAY = 64 << 20  # bytes: an answer about history holds many messages
CLOSE_TIMEOUT_S = 1.0
READ_AHEAD = (256, 64)  # messages: reading stops above, and goes on below


class DialError(Exception):
    """There is no connection; the verdict says what that means."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(verdict.sentence)


@dataclass(frozen=True, slots=True)
class Dialer:
    """Opens connections.

    Args:
        token: Shown in the handshake, in the Authorization header.
        headers: More headers of the handshake.
        tls: For wss:// addresses; None: the system's certificate authorities.
        timeout_s: For connection and handshake together, in seconds.
        proxy: Address of a proxy; None for none.
    """

    token: Token
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    timeout_s: float = 10.0
    proxy: str | None = None

    async def dial(self, url: str) -> ClientConnection:
        """Return a connection that speaks protocol 2.

        Raises:
            DialError: There is none.
        """
        try:
            connection = await self._connect(url)
        except TokenSourceError as error:
            raise DialError(Verdict(str(error))) from None
        except InvalidStatus as refused:
            raise DialError(self._refused(refused)) from None
        except TimeoutError:
            raise DialError(unreachable(f"{shown(url)} did not answer within {self.timeout_s:g} s")) from None
        except ssl.SSLCertVerificationError as error:
            sentence = f"the certificate of {shown(url)} is not trusted: {error.verify_message}"
            raise DialError(Verdict(sentence, again=False)) from None
        except (InvalidURI, ValueError):
            sentence = f"{shown(url)} cannot be used: an address is ws://HOST:PORT/ or wss://HOST:PORT/"
            raise DialError(Verdict(sentence, again=False)) from None
        except (OSError, InvalidHandshake, WebSocketException) as error:
            raise DialError(unreachable(f"{shown(url)} cannot be reached: {_words(error)}")) from None
        if connection.subprotocol != SUBPROTOCOL:
            await connection.close()
            sentence = f"{shown(url)} is a WebSocket server, but does not speak {SUBPROTOCOL}"
            raise DialError(Verdict(sentence, again=False))
        return connection

    async def _connect(self, url: str) -> ClientConnection:
        headers = dict(self.headers)
        if (token := await self.token.get()) is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with asyncio.timeout(self.timeout_s):
            return await connect(
                url,
                additional_headers=headers,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                ssl=(self.tls or True) if urlsplit(url).scheme == "wss" else None,
                proxy=self.proxy,
                compression=None,  # the gateway offers none: a message is encoded once for all
                open_timeout=None,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,  # the link watches its peer itself: any message is a sign of life
                max_size=MAX_FROM_GATEWAY,
                max_queue=READ_AHEAD,
            )

    def _refused(self, refused: InvalidStatus) -> Verdict:
        answer = refused.response
        verdict = of_refusal(
            answer.status_code, answer.headers, (answer.body or b"").decode("utf-8", "replace"), time.time()
        )
        if verdict.fresh_token:
            self.token.refused()
        return verdict


def shown(url: str) -> str:
    """Return an address as it may be logged: without password and token."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return without_token(parts._replace(netloc=host).geturl())


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return without_token(str(error)) or type(error).__name__
