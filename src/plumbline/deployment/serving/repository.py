"""The repository extension of the protocol: which versions there are; load and unload where that is allowed."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from plumbline.deployment.core.errors import ConflictError, DeploymentError
from plumbline.deployment.serving.desk import Desk
from plumbline.deployment.serving.wire import MalformedError


class ForbiddenError(DeploymentError):
    """What this server's settings do not allow over HTTP."""

    reason = "forbidden"
    status = 403


class _Asked(msgspec.Struct):
    ready: bool = False
    parameters: dict[str, Any] | None = None


async def index(desk: Desk, body: bytes) -> list[dict[str, Any]]:
    """Return every version of the source and whether it is loaded; with `{"ready": true}` only those that are."""
    asked = _read(body)
    found = await asyncio.to_thread(desk.loading.index)
    loaded = {slot.found.digest: slot for slot in desk.slots.loaded.values()}
    rows = []
    for one in found:
        slot = loaded.get(one.digest)
        state = "UNAVAILABLE" if slot is None else "READY" if slot.golden.same else "LOADING"
        if slot is not None or not asked.ready:
            rows.append({"name": one.manifest.model, "version": one.version, "state": state, "reason": ""})
    return rows


async def load(desk: Desk, body: bytes) -> None:
    """Make a version ready and give it all requests: `parameters.version`, else what the server began with.

    Raises:
        ForbiddenError: The server was not started with `allow_load`.
        ConflictError: A deployer has been here: its epochs rule, through the admin socket.
    """
    _allowed(desk)
    ref = str((_read(body).parameters or {}).get("version") or desk.options.ref or "latest")
    found = await asyncio.to_thread(desk.loading.find, ref)
    await desk.prepare(found.digest, None)
    before = [key for key in desk.slots.shares if key != found.digest]
    await desk.share({found.digest: 1.0}, None)
    for key in before:
        await desk.retire(key, None)


async def unload(desk: Desk) -> None:
    """Let go of every version; the server is not ready then.

    Raises:
        ForbiddenError: The server was not started with `allow_load`.
        ConflictError: A deployer has been here.
    """
    _allowed(desk)
    await desk.slots.empty(desk.options.drain_s)
    for key in list(desk.slots.loaded):
        await desk.retire(key, None)


def _allowed(desk: Desk) -> None:
    if not desk.options.allow_load:
        raise ForbiddenError(
            "load and unload over HTTP are off: start the server with --allow-load, or use its admin socket"
        )
    if desk.fence.epoch:
        raise ConflictError(
            f"a deployer rules this server (epoch {desk.fence.epoch}): versions are switched through its admin socket",
            epoch=desk.fence.epoch,
        )


def _read(body: bytes) -> _Asked:
    try:
        return msgspec.json.decode(body or b"{}", type=_Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedError(f"the body is no request to the repository: {error}") from error
