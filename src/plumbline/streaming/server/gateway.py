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
from plumbline.streaming.core.closes import SERVICE_RESTART
from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.protocol import check_channel, encode_data
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log, report
from plumbline.streaming.server.acceptor import Acceptor, adopt, listen_tcp
from plumbline.streaming.server.admin import Admin
from plumbline.streaming.server.hub import Hub


class Gateway:
    """A WebSocket pub-sub gateway.

    Args:
        settings: All settings; the defaults if None.
        listen: `HOST:PORT`; port 0 takes a free one.
        admin: Path of the admin socket; none if None.
        allow_remote: Permit an address that other machines reach. The gateway has neither TLS nor tokens yet.
        reuse_port: Share the port with other processes of this user (`SO_REUSEPORT`).
        listen_fd: A listening TCP socket that was handed to this process, by number; `listen` is then not used.

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
        reuse_port: bool = False,
        listen_fd: int | None = None,
    ) -> None:
        self.address = Address.parse(listen, allow_remote=allow_remote)
        self._reuse_port = reuse_port
        self._listen_fd = listen_fd
        self._first = settings or Settings()
        self._admin_path = os.fspath(admin) if admin is not None else None
        self._admin: Admin | None = None
        self._running: Hub | None = None
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
        """
        listener = self._listen()
        hub = self._running = Hub(self._first, secrets.token_hex(4))
        _tune(listener, hub.settings)
        batch = hub.settings.accept_batch
        hub.acceptor = Acceptor(listener, hub.door.take, failed=hub.accept_failed, batch=batch)
        try:
            if self._admin_path is not None:
                views = {
                    "stats": self.stats,
                    "settings": self._settings_now,
                    "queues": self.queues,
                    "closes": self.closes,
                    "metrics": self._exposition,
                }
                self._admin = Admin(self._admin_path, views, self.configure)
        except OSError:
            await self.stop()
            raise
        _note_backlog(hub)
        log.event(logging.INFO, "listening", address=self.address, backlog=hub.settings.listen_backlog)

    async def stop(self) -> None:
        """Stop accepting, close every connection with 1012, and wait `close_timeout_s` for them to answer."""
        hub, self._running = self._running, None
        if hub is None or hub.acceptor is None:
            return
        self._first = hub.settings
        closing = list(hub.connections.values())
        hub.drain()
        for connection in closing:
            hub.end(connection, SERVICE_RESTART, "the gateway restarts; come back after a short random delay")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hub.empty.wait(), hub.settings.close_timeout_s)
        for connection in list(hub.connections.values()):
            connection.abort()
        await hub.empty.wait()
        self.last_stats = report.stats(hub)
        hub.close()
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        log.event(logging.INFO, "stopped", address=self.address, closed=len(closing))

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._running.settings if self._running is not None else self._first

    @property
    def url(self) -> str:
        """WebSocket address."""
        return f"ws://{self.address}/"

    @property
    def metrics_url(self) -> str:
        """Address of the Prometheus metrics."""
        return f"http://{self.address}/metrics"

    async def publish(self, channel: str, data: Any) -> int:
        """Send a value to all readers of a channel and return its offset.

        With `overflow="wait"` it returns when every reader has room.

        Raises:
            ValueError: The channel's name is none, or the value has no JSON form.
            RuntimeError: The gateway does not run.
        """
        check_channel(channel)
        return await self._hub.publish(channel, encode_data(data))

    def configure(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings while running, all of them or none, and return all settings.

        Raises:
            SettingError: A name, type or range is wrong; nothing was changed.
            RuntimeError: The gateway does not run.
        """
        hub = self._hub
        before = hub.settings.as_dict()
        hub.settings = hub.settings.changed(values)
        now = hub.settings.as_dict()
        changed = {key: f"{before[key]}->{now[key]}" for key in now if now[key] != before[key]}
        if changed:
            log.event(logging.INFO, "settings changed", **changed)
            _apply(hub, set(changed))
        return now

    def stats(self) -> dict[str, Any]:
        """Return all counters and gauges.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return report.stats(self._hub)

    def queues(self) -> dict[str, Any]:
        """Return what waits to be sent, and to whom.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return report.queues(self._hub)

    def closes(self) -> dict[str, Any]:
        """Return the last closes.

        Raises:
            RuntimeError: The gateway does not run.
        """
        return report.closes(self._hub)

    def _exposition(self) -> dict[str, Any]:
        """Return the Prometheus text: of one worker of several, which cannot be reached by its port alone."""
        return {"text": self._hub.exposition().decode()}

    def _listen(self) -> socket.socket:
        backlog = self._first.listen_backlog
        if self._listen_fd is not None:
            listener = adopt(self._listen_fd, backlog)
        else:
            listener = listen_tcp(self.address.host, self.address.port, backlog, reuse_port=self._reuse_port)
        self.address = Address(*listener.getsockname()[:2])
        return listener

    def _settings_now(self) -> dict[str, Any]:
        return self.settings.as_dict()

    @property
    def _hub(self) -> Hub:
        if self._running is None:
            raise RuntimeError("the gateway does not run; use 'async with Gateway() as gateway'")
        return self._running


def _apply(hub: Hub, changed: set[str]) -> None:
    """Carry changed settings to what exists already."""
    settings = hub.settings
    hub.limits = Limits(settings.queue_max_bytes, settings.queue_max_messages)
    hub.fanout.channels.max_channels = settings.max_channels
    hub.watch.configure()
    listener = hub.listener()
    if hub.acceptor is not None and listener is not None:
        hub.acceptor.batch = settings.accept_batch
        _tune(listener, settings)
        if "listen_backlog" in changed:
            listener.listen(settings.listen_backlog)
            _note_backlog(hub)
    for connection in list(hub.connections.values()):
        if "notsent_lowat_bytes" in changed:
            _lowat(connection.link.sock, settings)
        hub.reconsider(connection)


def _tune(listener: socket.socket, settings: Settings) -> None:
    """Set socket options on the listening socket: accepted sockets inherit them."""
    if settings.send_buffer_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _lowat(listener, settings)


def _lowat(target: socket.socket, settings: Settings) -> None:
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, settings.notsent_lowat_bytes)


def _note_backlog(hub: Hub) -> None:
    """Say it when the kernel holds the backlog shorter than asked."""
    _, effective = report.accept_queue(hub.listener())
    asked = hub.settings.listen_backlog
    if effective is not None and effective < asked:
        text = "listen backlog capped by the kernel"
        log.event(logging.WARNING, text, asked=asked, effective=effective, limit="net.core.somaxconn")
