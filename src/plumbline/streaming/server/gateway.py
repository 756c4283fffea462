"""The gateway, as programs use it: settings, addresses, start, stop, publish, reconfigure, report."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from plumbline.streaming.core.address import Address
from plumbline.streaming.core.broker import Broker
from plumbline.streaming.core.closes import SERVICE_RESTART
from plumbline.streaming.core.protocol import check_channel, encode_data
from plumbline.streaming.core.settings import SettingError, Settings
from plumbline.streaming.server import log, report
from plumbline.streaming.server.acceptor import Acceptor, adopt, listen_tcp
from plumbline.streaming.server.admin import Admin
from plumbline.streaming.server.drain import Drained, drain
from plumbline.streaming.server.guard import TOKEN_SETTINGS, keyring
from plumbline.streaming.server.hub import Hub
from plumbline.streaming.server.lastend import LastEnd
from plumbline.streaming.server.outlook import Outlook
from plumbline.streaming.server.sharedport import bind_shared
from plumbline.streaming.server.tls import Certificate
from plumbline.streaming.server.tuning import apply, demand_safety, note_backlog, tune


class Gateway(Outlook):
    """A WebSocket pub-sub gateway.

    Args:
        settings: All settings; the defaults if None.
        listen: `HOST:PORT`; port 0 takes a free one.
        admin: Path of the admin socket; none if None.
        allow_remote: Permit an address that other machines reach; it needs TLS and tokens.
        insecure: Permit it without them: something in front has both, or the network is trusted.
        reuse_port: Share the port with other processes of this user (`SO_REUSEPORT`).
        listen_fd: A listening TCP socket that was handed to this process, by number; `listen` is then not used.
        broker: Keeps the channels; this process itself if None.

    Raises:
        ValueError: The address cannot be used.

    Example:
        ```python
        async with Gateway(Settings(overflow="drop-oldest")) as gateway:
            print(gateway.url)
            await gateway.publish("scores", {"model": "m7", "score": 0.93})
        ```
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        listen: str = "127.0.0.1:0",
        admin: str | os.PathLike[str] | None = None,
        allow_remote: bool = False,
        insecure: bool = False,
        reuse_port: bool = False,
        listen_fd: int | None = None,
        broker: Broker | None = None,
    ) -> None:
        super().__init__(settings or Settings(), Address.parse(listen, allow_remote=allow_remote))
        if not self.address.local and not insecure:
            demand_safety(self.address, settings or Settings())
        self._reuse_port = reuse_port
        self._listen_fd = listen_fd
        self._broker = broker
        keyring(self._first)  # a wrong file is said at once
        self._admin_path = os.fspath(admin) if admin is not None else None
        self._admin: Admin | None = None
        self._end = LastEnd(self._admin_path)
        self._tls: Certificate | None = None
        self._leaving: asyncio.Task[Drained] | None = None
        self.stopped = asyncio.Event()  # also when the admin socket asked for it
        self.last_stats: dict[str, Any] = {}  # the counters when it stopped

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address or the admin socket is taken.
            ValueError: The certificate cannot be used.
            BrokerError: The broker cannot be reached.
        """
        self._tls = Certificate.of(self._first)
        self.stopped.clear()
        listener = self._listen()
        tls = self._tls.context if self._tls else None
        hub = self._running = Hub(self._first, secrets.token_hex(4), tls, self._broker)
        try:
            await hub.start()
            listener.listen(hub.settings.listen_backlog)  # where the port is shared, only from now on
        except BaseException:
            self._running = None
            hub.close()
            listener.close()
            raise
        tune(listener, hub.settings)
        batch, most = hub.settings.accept_batch, hub.settings.max_arrivals
        hub.acceptor = Acceptor(listener, hub.door.take, failed=hub.accept_failed, batch=batch, most=most)
        try:
            if self._admin_path is not None:
                views = {**self.views(), "shutdown": self._end.view}
                actions = {"drain": self._asked_to_drain, "reload-certificate": lambda _: self.reload_certificate()}
                self._admin = Admin(self._admin_path, views, self.configure, actions)
        except OSError:
            await self.stop()
            raise
        self._end.begin()
        note_backlog(hub)
        log.event(logging.INFO, "listening", address=self.address, backlog=hub.settings.listen_backlog)

    async def drain(self, within_s: float | None = None) -> Drained:
        """Let all clients go: told when to come back, in even slices, with all that waits for them sent; then stop.

        Args:
            within_s: Time over which they go, in seconds; `drain_s` if None.

        Raises:
            RuntimeError: The gateway does not run.
        """
        if self._leaving is None or self._leaving.done():
            hub = self._hub
            window_s = hub.settings.drain_s if within_s is None else within_s
            self._leaving = asyncio.get_running_loop().create_task(self._leave(hub, window_s))
        return await asyncio.shield(self._leaving)

    def shed(self, count: int, within_s: float) -> int:
        """Ask so many clients to come back, to another worker if there is one; return how many are asked.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return self._hub.farewells.shed(count, within_s)

    async def stop(self) -> None:
        """Stop accepting, close every connection with 1012, and wait `close_timeout_s` for them to answer."""
        hub, self._running = self._running, None
        if hub is None or hub.acceptor is None:
            return
        self._first = hub.settings
        closing = list(hub.connections.values())
        hub.drain()
        sentence = "the gateway restarts; come back after a short random delay"
        lost = sum(hub.end(connection, SERVICE_RESTART, sentence) for connection in closing)
        self._end.stopped(connections=len(closing), lost=lost)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hub.empty.wait(), hub.settings.close_timeout_s)
        for connection in list(hub.connections.values()):
            connection.abort()
        await hub.empty.wait()
        self.last_stats = report.stats(hub)
        hub.close()
        await hub.broker.stop()
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        log.event(logging.INFO, "stopped", address=self.address, closed=len(closing))
        self.stopped.set()

    async def publish(self, channel: str, data: Any, *, key: str | None = None) -> int:
        """Send a value to all readers of a channel and return its offset.

        With `overflow="wait"` it returns when every reader has room. The same `key` twice is one message.

        Raises:
            ValueError: The channel's name is none, or the value has no JSON form.
            BrokerError: It was not stored.
            RuntimeError: The gateway does not run.
        """
        check_channel(channel)
        return (await self._hub.publish(channel, encode_data(data), key)).offset

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings while running, all of them or none, and return all settings.

        Raises:
            SettingError: A name, type or range is wrong; nothing was changed.
            RuntimeError: The gateway does not run.
        """
        hub = self._hub
        before = hub.settings.as_dict()
        wanted = hub.settings.changed(values)
        asked = TOKEN_SETTINGS & values.keys()  # the same files again are read again: their content may be new
        ring = keyring(wanted) if asked else None
        if {"tls_cert", "tls_key"} & values.keys():
            self._take_certificate(wanted)
        hub.settings = wanted
        if asked:
            hub.guard.configure(ring)
        now = hub.settings.as_dict()
        keys = {**before, **now}  # a channel's rule may be new, or gone
        told = {key: (before.get(key, "none"), now.get(key, "none")) for key in keys}
        changed = {key: f"{was}->{becomes}" for key, (was, becomes) in told.items() if was != becomes}
        if changed:
            log.event(logging.INFO, "settings changed", **changed)
            apply(hub, set(changed))
        return now

    def reload_certificate(self) -> dict[str, Any]:
        """Read the certificate's files again; connections stay, new ones get it.

        Raises:
            SettingError: They cannot be used, or there is no TLS; nothing was changed.
        """
        if self._tls is None:
            raise SettingError("there is no certificate: the gateway was started without tls_cert and tls_key")
        self._take_certificate(self.settings)
        return {"tls_cert": self.settings.tls_cert, "not_after": self._tls.not_after}

    def _take_certificate(self, wanted: Settings) -> None:
        if bool(wanted.tls_cert) != (self._tls is not None):
            raise SettingError("whether clients speak TLS is fixed at the start; restart the gateway to change it")
        if self._tls is None:
            return
        try:
            self._tls.take(wanted)
        except ValueError as error:
            raise SettingError(str(error)) from None
        log.event(logging.INFO, "certificate read", file=wanted.tls_cert, not_after=self._tls.not_after)

    async def _leave(self, hub: Hub, within_s: float) -> Drained:
        noting = asyncio.ensure_future(self._end.follow(lambda: len(hub.connections), within_s))
        try:
            done = await drain(hub, within_s)
        finally:
            noting.cancel()
        numbers = {"connections": done.connections, "left": done.left, "cut": done.cut, "lost": done.lost}
        self._end.drained(within_s=within_s, took_s=done.took_s, **numbers)
        await self.stop()
        return done

    def _asked_to_drain(self, options: Any) -> dict[str, Any]:
        """Begin to drain; the answer does not wait for the end."""
        within_s = options.get("within_s", self.settings.drain_s) if isinstance(options, dict) else None
        if not isinstance(within_s, int | float) or isinstance(within_s, bool) or not 0 <= within_s <= 86400:
            raise SettingError('"drain" takes an object: {"within_s": seconds}')
        hub = self._hub
        self._draining = asyncio.get_running_loop().create_task(self.drain(within_s))
        return {"connections": len(hub.connections), "within_s": within_s}

    def _listen(self) -> socket.socket:
        if self._listen_fd is not None:
            listener = adopt(self._listen_fd)
        elif self._reuse_port:
            listener = bind_shared(self.address.host, self.address.port)
        else:
            listener = listen_tcp(self.address.host, self.address.port, self._first.listen_backlog)
        self.address = Address(*listener.getsockname()[:2])
        return listener
