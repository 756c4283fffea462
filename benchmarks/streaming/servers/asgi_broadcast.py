"""Every message goes to all clients: a bare ASGI application, for uvicorn and granian."""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

clients: dict[int, Send] = {}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection."""
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    clients[id(send)] = send
    try:
        while (event := await receive())["type"] == "websocket.receive":
            text = event.get("text") or event["bytes"].decode()
            for one in list(clients.values()):
                try:
                    await one({"type": "websocket.send", "text": text})
                except Exception:  # noqa: BLE001 - each server has its own for a client that left in between
                    continue
    finally:
        clients.pop(id(send), None)
