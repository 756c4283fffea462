"""The admin socket: JSON lines on a Unix socket that only the gateway's user may open."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from plumbline.streaming.core.settings import SettingError
from plumbline.streaming.server import log
from plumbline.streaming.server.acceptor import Acceptor, Spare, listen_admin

LINE_LIMIT = 65536  # bytes of one request
SPARE_DESCRIPTORS = 2

Answer = Callable[[], dict[str, Any] | Awaitable[dict[str, Any]]]
Action = Callable[[Any], Any]


class Admin:
    """Answers `{"get": …}` and `{"set": {…}}`, also when the process has no descriptors left.

    What answers may be a plain function or a coroutine function; a `SettingError` from it refuses the request.

    Args:
        path: The socket's path.
        views: What can be got, by name.
        change: Applies settings and returns all of them.
        actions: Further verbs by name, as in `{"scale": 3}`: called with the value, they return the result.
    """

    def __init__(
        self,
        path: str,
        views: Mapping[str, Answer],
        change: Callable[[dict[str, Any]], Any],
        actions: Mapping[str, Action] | None = None,
    ) -> None:
        self.path = path
        self._views = views
        self._change = change
        self._actions: dict[str, Action] = {"get": self._get, "set": self._set, **(actions or {})}
        self._loop = asyncio.get_running_loop()
        listener = listen_admin(path)
        self._inode = os.stat(path).st_ino  # noqa: PTH116 - as the string it is
        self._spare = Spare(SPARE_DESCRIPTORS)
        self._links: set[asyncio.Task[None]] = set()
        self._acceptor = Acceptor(listener, self._take, failed=lambda _: None, spare=self._spare)

    def close(self) -> None:
        """Remove the socket, unless another gateway has put its own there."""
        self._acceptor.close()
        self._spare.close()
        for link in self._links:
            link.cancel()
        path = Path(self.path)
        if path.exists() and path.stat().st_ino == self._inode:
            path.unlink()

    def _take(self, accepted: socket.socket, _peer: object) -> None:
        task = self._loop.create_task(self._serve(accepted))
        self._links.add(task)
        task.add_done_callback(self._links.discard)

    async def _serve(self, link: socket.socket) -> None:
        try:
            buffer = bytearray()
            while piece := await self._loop.sock_recv(link, 65536):
                buffer += piece
                while (end := buffer.find(b"\n")) >= 0:
                    line, buffer = bytes(buffer[:end]), buffer[end + 1 :]
                    await self._loop.sock_sendall(link, _line(await self._answer(line)))
                if len(buffer) > LINE_LIMIT:
                    await self._loop.sock_sendall(link, _line(_refusal(f"a request has at most {LINE_LIMIT} bytes")))
                    return
        except OSError:  # the other side hung up
            pass
        finally:
            link.close()
            self._spare.refill()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal("the request is no JSON")
        if not isinstance(asked, dict) or len(asked) != 1 or not asked.keys() <= self._actions.keys():
            further = "".join(f', {{"{verb}": …}}' for verb in self._actions if verb not in ("get", "set"))
            return _refusal('a request is {"get": name} or {"set": {setting: value}}' + further)
        try:
            [(verb, value)] = asked.items()
            result = self._actions[verb](value)
            return {"ok": True, "result": await result if isinstance(result, Awaitable) else result}
        except SettingError as error:
            return _refusal(str(error))
        except Exception as error:  # an admin request must not end the gateway
            logging.getLogger(log.NAME).exception("internal error: admin request")
            return _refusal(f"internal error: {error}")

    def _get(self, name: object) -> Any:
        view = self._views.get(name) if isinstance(name, str) else None
        if view is None:
            raise SettingError(f"there is no view {name!r}; there are {', '.join(self._views)}")
        return view()

    def _set(self, values: object) -> Any:
        if not isinstance(values, dict) or not values:
            raise SettingError('"set" takes an object: {"setting": value}')
        return self._change(values)


def _refusal(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"
