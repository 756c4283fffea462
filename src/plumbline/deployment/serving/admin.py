"""The admin socket: one JSON object per line on a Unix socket that only the server's user may open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import Any

import msgspec

from plumbline.deployment.core.errors import ConflictError, DeploymentError, InvalidError, UnavailableError
from plumbline.deployment.serving import log
from plumbline.deployment.serving.desk import Desk

LINE_LIMIT = 1 << 16  # bytes of one request
LONGEST_PATH = 107  # bytes of a Unix socket's path on Linux


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """One line."""

    verb: str
    digest: str | None = None
    shares: dict[str, float] | None = None
    epoch: int | None = None
    pin: str | None = None


_command = msgspec.json.Decoder(Command)
_encode = msgspec.json.Encoder().encode


class Admin:
    """Answers commands, each line in turn; links are independent of each other.

    Args:
        path: Of the socket.
        desk: Carries the commands out.
    """

    def __init__(self, path: Path, desk: Desk) -> None:
        self._path = path
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConflictError: Another server answers on this path.
            UnavailableError: The socket cannot be made.
        """
        listener = _bound(self._path)
        self._inode = self._path.stat().st_ino
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_LIMIT)

    async def close(self) -> None:
        """Stop listening, and remove the socket unless another server has put its own there."""
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(_encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except ValueError:  # the line is longer than the limit
            writer.write(_encode(_refusal(InvalidError(f"a command has at most {LINE_LIMIT} bytes"))) + b"\n")
        except (OSError, asyncio.IncompleteReadError):  # the other side hung up
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            command = _command.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _refusal(InvalidError(f"the line is no command: {error}"))
        try:
            return await self._carried_out(command)
        except DeploymentError as error:
            return _refusal(error)
        except Exception as error:  # a command must not end the server
            logging.getLogger(log.NAME).exception("internal error: admin command")
            return _refusal(DeploymentError(f"internal error: {error}"))

    async def _carried_out(self, command: Command) -> dict[str, Any]:
        desk = self._desk
        match command.verb:
            case "status":
                return desk.status()
            case "recent":
                return {"limit": desk.recent.limit, "inputs": desk.recent.columns()}
            case "prepare":
                return {"ok": True, **await desk.prepare(_digest(command), _epoch(command))}
            case "share":
                if command.shares is None:
                    raise InvalidError("share needs shares: fractions by digest", field="shares")
                return {"ok": True, **await desk.share(command.shares, _epoch(command), command.pin)}
            case "retire":
                return {"ok": True, **await desk.retire(_digest(command), _epoch(command))}
            case "drain":
                return {"ok": True, **desk.drain(command.epoch)}
        raise InvalidError(
            f"there is no verb '{command.verb[:40]}'; there are status, prepare, share, retire, drain, recent",
            field="verb",
        )


def ask(path: Path, command: dict[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
    """Send one command to a server and return its answer.

    Args:
        path: Of the admin socket.
        command: `{"verb": …}`.
        timeout_s: Seconds to wait for the answer.

    Raises:
        DeploymentError: The server's refusal, as the class that its reason names, else plain; `data` as it sent them.
        UnavailableError: No server answers.
    """
    from plumbline.deployment.serving.refusals import raised

    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout_s)
            link.connect(str(path))
            link.sendall(_encode(command) + b"\n")
            with link.makefile("rb") as lines:
                line = lines.readline()
        answer: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise UnavailableError(f"{path}: no server answers: {error}", path=str(path)) from error
    if isinstance(answer.get("error"), dict):
        raise raised(answer["error"])
    return answer


def _digest(command: Command) -> str:
    if not command.digest:
        raise InvalidError(f"{command.verb} needs a digest", field="digest")
    return command.digest


def _epoch(command: Command) -> int:
    if command.epoch is None or command.epoch < 0:
        raise InvalidError(f"{command.verb} needs the epoch of the deployer's lease, 0 or more", field="epoch")
    return command.epoch


def _refusal(error: DeploymentError) -> dict[str, Any]:
    return {"error": error.as_dict()}


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise InvalidError(f"{path} is too long for a Unix socket: at most {LONGEST_PATH} bytes", path=str(path))
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _unlink_dead(path)
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
    except OSError as error:
        listener.close()
        raise UnavailableError(f"{path}: the admin socket cannot be made: {error}", path=str(path)) from error
    except DeploymentError:
        listener.close()
        raise
    return listener


def _unlink_dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ConflictError(f"another server answers on {path}: give each its own admin socket", path=str(path))
