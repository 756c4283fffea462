"""Run the image that was written, ask it the golden rows, and record beside it what it answered."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from plumbline.deployment.core.encoding import encode
from plumbline.deployment.core.errors import InvalidError, UnavailableError
from plumbline.deployment.core.manifest import Golden, Manifest
from plumbline.deployment.packaging import reading
from plumbline.deployment.packaging.buildah import ISOLATION, Buildah, engine
from plumbline.deployment.packaging.descriptors import timestamp
from plumbline.deployment.packaging.image import READY
from plumbline.deployment.packaging.package import Packaged

RECORD: Final = "proof.json"
LOG: Final = "proof.log"
_TYPES = {"float": "FP64", "int": "INT64", "bool": "BOOL", "string": "BYTES"}
_PAUSE_S, _ANSWER_S = 0.05, 10.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What an image answered.

    Args:
        image: Digest of its manifest.
        model: Digest of the version inside.
        version: As the answer's header `x-model-version` named it.
        rows: Golden rows that were asked.
        largest_difference: Between answer and golden answer, over all numbers.
        tolerance: What would still have been the same answer.
        ready_s: From the start of the container until ready, in seconds.
        answer: Outputs by name, flat.
        passed: Whether all answers are the golden ones.
        engine: What ran it.
        isolation: How it was kept apart.
        at: When, UTC.
    """

    image: str
    model: str
    version: str
    rows: int
    largest_difference: float
    tolerance: float
    ready_s: float
    answer: Mapping[str, list[Any]]
    passed: bool
    engine: str
    isolation: str
    at: str


def prove(packaged: Packaged, *, patience_s: float = 60.0, clock: Callable[[], float] = time.time) -> Proof:
    """Run the image of a package and compare its answers; `proof.json` and `proof.log` stand in the folder afterwards.

    Args:
        packaged: A package with an image.
        patience_s: Seconds until the server must be ready.
        clock: Unix time, for the record.

    Raises:
        InvalidError: There is no image, or it answered something else than the golden rows say.
        UnavailableError: There is no buildah, it refused, or the server did not become ready.
    """
    if packaged.image is None or packaged.image_tag is None:
        raise InvalidError("--prove runs the server's image, and none was asked for: add --image")
    one = reading.image(packaged.layout, packaged.image_tag)
    with engine() as buildah, buildah.container(packaged.layout, packaged.image_tag) as container:
        proof = _asked(packaged, one, buildah, container, patience_s, clock)
    (packaged.folder / RECORD).write_bytes(encode(asdict(proof)) + b"\n")
    if not proof.passed:
        raise InvalidError(
            f"the image answers otherwise than the registered model: largest difference {proof.largest_difference:g}, "
            f"allowed {proof.tolerance:g}; all of it is in {packaged.folder / RECORD}",
            largest_difference=proof.largest_difference,
        )
    return proof


def request(golden: Golden, manifest: Manifest) -> dict[str, Any]:
    """Return the golden rows as a request of the Open Inference Protocol, one tensor per feature."""
    inputs = []
    for name, values in golden.inputs.items():
        feature = manifest.signature.feature(name)
        kind = feature.kind if feature is not None else "float"
        flat, shape = _flat(values)
        inputs.append({"name": name, "shape": shape, "datatype": _TYPES[kind], "data": flat})
    return {"inputs": inputs}


def difference(answer: Mapping[str, list[Any]], golden: Golden) -> float:
    """Return the largest difference between numbers; infinity where something is missing, more or no number."""
    largest = 0.0
    for name, expected in golden.outputs.items():
        wanted, given = _flat(expected)[0], answer.get(name, [])
        if len(wanted) != len(given):
            return float("inf")
        largest = max([largest, *(_apart(one, other) for one, other in zip(wanted, given, strict=True))])
    return largest


def _asked(
    packaged: Packaged,
    one: reading.Image,
    buildah: Buildah,
    container: str,
    patience_s: float,
    clock: Callable[[], float],
) -> Proof:
    manifest, port = packaged.stored.manifest, _free_port()
    config, log = one.config["config"], packaged.folder / LOG
    command = [*config["Entrypoint"], *_here(config["Cmd"], port)]
    began = time.monotonic()
    with (
        buildah.running(container, config["User"], command, log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_ANSWER_S, trust_env=False) as client,
    ):
        _await(client, process, log, began + patience_s)
        ready = time.monotonic() - began
        answer, version = _infer(client, manifest, log)
    apart = difference(answer, manifest.golden)
    return Proof(
        one.digest,
        packaged.stored.digest,
        version,
        max((len(values) for values in manifest.golden.inputs.values()), default=0),
        min(apart, 1e308),
        manifest.golden.tolerance,
        round(ready, 3),
        answer,
        apart <= manifest.golden.tolerance,
        buildah.version(),
        ISOLATION,
        timestamp(clock()),
    )


def _await(client: httpx.Client, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UnavailableError(f"the image's server ended with {process.returncode}: {_last(log)}", log=str(log))
        try:
            if client.get(READY).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(_PAUSE_S)
    raise UnavailableError(f"the image's server was not ready in time; its last line: {_last(log)}", log=str(log))


def _infer(client: httpx.Client, manifest: Manifest, log: Path) -> tuple[dict[str, list[Any]], str]:
    try:
        response = client.post(f"/v2/models/{manifest.model}/infer", json=request(manifest.golden, manifest))
        response.raise_for_status()
        outputs = {str(one["name"]): _flat(one["data"])[0] for one in response.json()["outputs"]}
    except httpx.HTTPStatusError as error:
        said = error.response.text[:300]
        raise InvalidError(f"the image refuses its own golden rows ({error.response.status_code}): {said}") from error
    except (httpx.TransportError, ValueError, KeyError, TypeError) as error:
        raise UnavailableError(f"the image did not answer its golden rows: {error!r}; {_last(log)}") from error
    return outputs, response.headers.get("x-model-version", "")


def _here(command: list[str], port: int) -> list[str]:
    """Return the command with loopback and a free port in place: isolation by chroot shares this machine's network."""
    words = list(command)
    for option, value in (("--host", "127.0.0.1"), ("--port", str(port))):
        words[words.index(option) + 1] = value
    return words


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _flat(values: Any) -> tuple[list[Any], list[int]]:
    """Return nested rows as one list with its shape."""
    shape, level = [], list(values)
    shape.append(len(level))
    while level and isinstance(level[0], list | tuple):
        shape.append(len(level[0]))
        level = [cell for row in level for cell in row]
    return level, shape


def _apart(wanted: Any, given: Any) -> float:
    if isinstance(wanted, int | float) and isinstance(given, int | float) and not isinstance(wanted, bool):
        return abs(float(wanted) - float(given))
    return 0.0 if wanted == given else float("inf")


def _last(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("subprocess exited", "Error: exit status"))]
    return said[-1][:300] if said else "it printed nothing"
