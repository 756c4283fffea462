"""The server's process from inside: listens, makes the first version ready, serves, and leaves when told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn

from plumbline.deployment.core.errors import DeploymentError, UnavailableError
from plumbline.deployment.serving import log, tracing
from plumbline.deployment.serving.admin import Admin
from plumbline.deployment.serving.app import App
from plumbline.deployment.serving.batching import Room
from plumbline.deployment.serving.desk import Desk
from plumbline.deployment.serving.door import fresh, protocol
from plumbline.deployment.serving.fence import Fence
from plumbline.deployment.serving.loading import Loading, loader_of
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.readiness import Probe
from plumbline.deployment.serving.recent import Recent
from plumbline.deployment.serving.slots import Slots
from plumbline.deployment.serving.source import FolderSource, RegistrySource, Source

BACKLOG = 2048
LINGER_S = 1.0  # that a connection without a request may have to send one, after the last one was accepted
LOOK_EVERY_S = 0.02


class Running(uvicorn.Server):
    """One server; `serve` runs it until it has left.

    Args:
        options: Of the server.

    Raises:
        DeploymentError: The epoch's file cannot be read, or there is no such loader.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._pool = ThreadPoolExecutor(max(options.parallel, 1) * 2, "predicting")
        room, slots = Room(options.queue), Slots(options.model)
        loading = Loading(_source(options), loader_of(options.loader), options, self._pool, room)
        fence = Fence(None if options.admin is None else Path(options.admin + ".epoch"))
        self.desk = Desk(options, slots, loading, fence, room, Recent(options.recent_rows), self.leave)
        self._telemetry = tracing.from_environment()
        app = App(self.desk, Probe(slots), self._telemetry)
        super().__init__(_config(options, app))
        self._admin = None if options.admin is None else Admin(Path(options.admin), self.desk)
        self._leaving: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failure: DeploymentError | None = None

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and begin to make the first version ready."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.should_exit:
            return
        self.desk.port = self.servers[0].sockets[0].getsockname()[1]
        try:
            if self._admin is not None:
                await self._admin.start()
        except DeploymentError as error:
            self._fail(error)
            return
        self._beginning = asyncio.create_task(self._begin())

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop listening, answer what is in flight, let go of everything."""
        self.desk.draining = True
        await self._linger()
        await super().shutdown(sockets)
        if self._admin is not None:
            await self._admin.close()
        self.desk.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._telemetry is not None:
            self._telemetry.close()
        log.event(logging.INFO, "gone", requests=self.server_state.total_requests)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Drain at the first signal, go at the second."""
        if self._leaving is not None or self._loop is None:
            self.should_exit = True
            self.force_exit = self._leaving is not None and sig == signal.SIGINT
            return
        self._loop.call_soon_threadsafe(self.leave)

    def leave(self) -> None:
        """Begin the drain; a second call does nothing."""
        if self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        self.desk.draining = True  # not ready, and every answer asks for a new connection
        log.event(logging.INFO, "draining", connections=len(self.server_state.connections))
        loop = asyncio.get_running_loop()
        until = loop.time() + self.options.drain_grace_s
        while self.server_state.connections and loop.time() < until:  # noqa: ASYNC110 - uvicorn tells nobody of an end
            await asyncio.sleep(LOOK_EVERY_S)
        self.should_exit = True

    async def _linger(self) -> None:
        """Close the door, and let those who just came through it ask once."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            doors = [socket.socket(fileno=os.dup(one.fileno())) for one in server.sockets]
            server.close()
            for door in doors:
                await self._let_in(door)
        until = loop.time() + LINGER_S
        while any(map(fresh, self.server_state.connections)) and loop.time() < until:  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_EVERY_S)

    async def _let_in(self, door: socket.socket) -> None:
        """Take the connections that the kernel has accepted already: it would reset them when the door closes."""
        made_by: Any = self.config.http_protocol_class
        make = partial(made_by, config=self.config, server_state=self.server_state, app_state={})
        accepted = []
        with door:
            door.setblocking(False)
            with contextlib.suppress(OSError):  # nobody waits any more, or there is no descriptor left
                while True:
                    accepted.append(door.accept()[0])
        for one in accepted:
            await asyncio.get_running_loop().connect_accepted_socket(make, one)

    async def _begin(self) -> None:
        options, desk = self.options, self.desk
        try:
            if options.ref is not None:
                found = await asyncio.to_thread(desk.loading.find, options.ref)
                await desk.prepare(found.digest, None)
                if not desk.slots.shares:  # a deployer may have been quicker
                    await desk.share({found.digest: 1.0}, None)
            if options.announce is not None:
                _announce(Path(options.announce), {"port": desk.port, "pid": os.getpid(), "admin": options.admin})
        except DeploymentError as error:
            self._fail(error)
            return
        log.event(logging.INFO, "serving", model=options.model, host=options.host, port=desk.port, admin=options.admin)

    def _fail(self, error: DeploymentError) -> None:
        self.failure = error
        self.should_exit = True


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        DeploymentError: The server could not begin: no such version, not ready, or the port is taken.
    """
    server = Running(options)
    try:
        server.run()
    except SystemExit as error:  # uvicorn's way to say that it could not listen
        raise UnavailableError(f"{options.host}:{options.port} cannot be listened on", port=options.port) from error
    if server.failure is not None:
        raise server.failure


def main(arguments: list[str]) -> int:
    """Serve as the JSON of the first argument says; for `serving.process`."""
    log.to_stderr()
    try:
        run(Options(**json.loads(arguments[0])))
    except DeploymentError as error:
        log.event(logging.ERROR, "cannot serve", **error.as_dict())
        return 1
    return 0


def _config(options: Options, app: App) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),  # whose messages are plain dictionaries
        host=options.host,
        port=options.port,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=cast(Any, protocol(options.max_connections, options.request_s, app.infer_path, app.begin)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=max(1, round(options.drain_s)),
        timeout_keep_alive=75,
    )


def _source(options: Options) -> Source:
    if options.folder is not None:
        return FolderSource(Path(options.folder), options.model)
    cache = None if options.cache is None else Path(options.cache)
    return RegistrySource(options.registry or "", options.blobs, options.model, cache)


def _announce(path: Path, facts: dict[str, Any]) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(json.dumps(facts))
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise UnavailableError(f"{path}: {error.strerror}; the port cannot be announced", path=str(path)) from error
