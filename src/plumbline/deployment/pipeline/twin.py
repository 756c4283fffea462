"""A staging twin: a real server of one's own, with both versions at hand, that no caller knows of."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import DeploymentError
from plumbline.deployment.core.gates import Side, Situation
from plumbline.deployment.core.model import Arrays
from plumbline.deployment.core.signature import Signature
from plumbline.deployment.lanes.artefact import ArtefactLane
from plumbline.deployment.pipeline.gates.callers import missing
from plumbline.deployment.pipeline.gates.rows import column
from plumbline.deployment.pipeline.rehearsal import Answer
from plumbline.deployment.registry.names import MANIFEST
from plumbline.deployment.serving.options import Options
from plumbline.deployment.serving.process import Server
from plumbline.deployment.serving.wire import NAMED

_TIMEOUT_S = 30.0


class RequestError(DeploymentError):
    """A request to the twin that got no good answer."""

    reason = "request_failed"
    status = 502


class ServerTwin:
    """A server process that serves candidate and production from a folder; see `staging`."""

    epoch = 1

    def __init__(self, server: Server, client: httpx.Client, sides: tuple[Side, ...]) -> None:
        self.lane = ArtefactLane([server.admin])
        self._client = client
        self._sides = {side.model.digest: side for side in sides}
        self._path = f"{server.url}/v2/models/{sides[0].manifest.model}/infer"

    def ask(self, inputs: Arrays) -> Answer:
        """Send one request over HTTP, without a second try.

        Raises:
            RequestError: The connection broke, or the status is not 200.
        """
        try:
            response = self._client.post(self._path, json={"inputs": [_tensor(*one) for one in inputs.items()]})
        except httpx.HTTPError as error:
            raise RequestError(f"the twin's connection broke: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise RequestError(f"the twin answered {response.status_code}: {response.text[:300]}")
        side = self._who(response.headers.get("x-model-version", ""))
        return Answer(side.model.digest, _outputs(side.manifest.signature, response.json()["outputs"]))

    def _who(self, header: str) -> Side:
        digest = header.rpartition("+")[2]
        for known, side in self._sides.items():
            if digest and known.removeprefix("sha256:").startswith(digest):
                return side
        raise RequestError(f"the twin's answer names a version that was never prepared: '{header}'")


@contextmanager
def staging(situation: Situation) -> Iterator[ServerTwin]:
    """Start a server that can load both sides of a situation, and stop it; what `Rehearsal(staging)` asks for.

    Raises:
        UnavailableError: The server does not begin.
    """
    sides = tuple(side for side in (situation.candidate, situation.production) if side is not None)
    with tempfile.TemporaryDirectory(prefix="plumbline-twin-") as name:
        folder = Path(name)
        for side in sides:
            _lay_out(side, folder / "versions" / side.model.digest.removeprefix("sha256:"))
        options = Options(
            model=situation.candidate.manifest.model,
            folder=str(folder / "versions"),
            port=0,
            drain_grace_s=0.0,
            warmup_s=0.0,
        )
        with Server(options, folder) as server, httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
            yield ServerTwin(server, client, sides)


def _lay_out(side: Side, folder: Path) -> None:
    """Put a version's files where the twin looks for them: copies, so that nothing it does reaches the originals."""
    if folder.exists():
        return  # the candidate is what production serves already
    for file in side.manifest.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(side.folder / file.path, target)
    (folder / MANIFEST).write_bytes(encode(side.manifest))
    if side.version is not None:
        (folder / "VERSION").write_text(side.version)


def _tensor(name: str, values: Any) -> dict[str, Any]:
    kind = {"f": "float", "i": "int", "u": "int", "b": "bool"}.get(values.dtype.kind, "string")
    gone = missing(values).ravel()
    flat = [None if absent else one for one, absent in zip(values.ravel().tolist(), gone, strict=True)]
    return {"name": name, "datatype": NAMED[kind], "shape": list(values.shape), "data": flat}  # type: ignore[index]  # a word of `Kind`


def _outputs(signature: Signature, tensors: list[dict[str, Any]]) -> Arrays:
    known = {output.name for output in signature.outputs}
    return {
        one["name"]: np.reshape(column(tuple(one["data"])), one["shape"]) for one in tensors if one["name"] in known
    }
