"""Show the gateway a fresh token before the old one ends, on the connection that stands."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from plumbline.streaming.client.errors import ClientError
from plumbline.streaming.client.session import Session
from plumbline.streaming.client.token import Token, TokenSourceError, expires_at, margin_s

LOGGER = logging.getLogger("plumbline.client")
RETRY_S = 1.0
ANSWER_S = 10.0


async def renew(session: Session, token: Token, work_soon: Callable[[], None], ready: Callable[[], bool]) -> None:
    """Renew the connection's token until it is cancelled.

    Args:
        session: Carries the command.
        token: Where tokens come from.
        work_soon: Makes the session's wishes be done.
        ready: Whether the gateway takes commands.
    """
    if not token.renewable:
        return
    shown_token = await _get(token)
    while (ends := expires_at(shown_token)) is not None:
        left = ends - time.time()
        await asyncio.sleep(max(RETRY_S / 2, left - margin_s(left)))
        shown_token = await _get(token)
        if ready() and expires_at(shown_token) != ends:
            await _show(session, shown_token, work_soon)


async def _get(token: Token) -> str:
    while True:
        try:
            got = await token.get()
        except TokenSourceError as error:
            LOGGER.warning("%s; the connection lasts until the old token ends", error)
            await asyncio.sleep(RETRY_S)
        else:
            return got or ""


async def _show(session: Session, token: str, work_soon: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[dict[str, object]] = loop.create_future()
    session.request(answer, "auth", token, ANSWER_S, loop.time())
    work_soon()
    try:
        await answer
    except ClientError as error:
        LOGGER.warning("the gateway did not take the fresh token: %s", error)
