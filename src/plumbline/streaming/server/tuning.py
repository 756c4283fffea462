"""Carry settings to sockets and to what runs already."""

from __future__ import annotations

import logging
import socket

from plumbline.streaming.core.address import Address
from plumbline.streaming.core.outbox import Limits
from plumbline.streaming.core.settings import Settings
from plumbline.streaming.server import log, report
from plumbline.streaming.server.hub import Hub


def demand_safety(address: Address, settings: Settings) -> None:
    """Refuse to be reached from other machines without TLS and tokens.

    Raises:
        ValueError: One of them is missing.
    """
    missing = [
        name
        for name, there in (
            ("TLS (tls_cert, tls_key)", settings.tls_cert),
            ("tokens (token_keys)", settings.token_keys),
        )
        if not there
    ]
    if missing:
        raise ValueError(
            f"{address.host} can be reached from other machines, and there is no {' and no '.join(missing)}; set them, "
            "or say --insecure if something in front has both"
        )


def apply(hub: Hub, changed: set[str]) -> None:
    """Carry changed settings to what exists already."""
    settings = hub.settings
    hub.limits = Limits(settings.queue_max_bytes, settings.queue_max_messages)
    hub.rules = settings.rules()
    hub.meters.configure()
    configure = getattr(hub.broker, "configure", None)
    if configure is not None:
        configure(settings)
    hub.fanout.configure()
    hub.watch.configure()
    listener = hub.listener()
    if hub.acceptor is not None and listener is not None:
        hub.acceptor.batch, hub.acceptor.most = settings.accept_batch, settings.max_arrivals
        tune(listener, settings)
        if "listen_backlog" in changed:
            listener.listen(settings.listen_backlog)
            note_backlog(hub)
    for connection in list(hub.connections.values()):
        if "notsent_lowat_bytes" in changed:
            _lowat(connection.link.sock, settings)
        hub.reconsider(connection)


def tune(listener: socket.socket, settings: Settings) -> None:
    """Set socket options on the listening socket: accepted sockets inherit them."""
    if settings.send_buffer_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _lowat(listener, settings)


def _lowat(target: socket.socket, settings: Settings) -> None:
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, settings.notsent_lowat_bytes)


def note_backlog(hub: Hub) -> None:
    """Say it when the kernel holds the backlog shorter than asked."""
    _, effective = report.accept_queue(hub.listener())
    asked = hub.settings.listen_backlog
    if effective is not None and effective < asked:
        text = "listen backlog capped by the kernel"
        log.event(logging.WARNING, text, asked=asked, effective=effective, limit="net.core.somaxconn")
