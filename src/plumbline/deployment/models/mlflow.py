"""Versions from and to MLflow's registry, over its REST API and its artefact proxy; MLflow itself is not needed.

Source: MLflow's REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html), tracking and registry 2.0, and
`mlflow-artifacts`, which a server started with `--serve-artifacts` (its default) offers.
"""

from __future__ import annotations

import posixpath
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from plumbline.deployment.core.errors import (
    ConflictError,
    DeploymentError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    UntrustedError,
)

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts:"
_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 20
_MOST_BYTES = 10 << 30


@dataclass(frozen=True, slots=True)
class Version:
    """A version as MLflow's registry knows it.

    Args:
        name: Of the registered model.
        version: MLflow's number, as text.
        artifacts: Where its files are, as the server says: `mlflow-artifacts:/…`.
        run: Run it was logged in, if any.
        tags: Of the version.
        aliases: That point at it.
    """

    name: str
    version: str
    artifacts: str
    run: str | None
    tags: Mapping[str, str]
    aliases: tuple[str, ...]


class Server:
    """An MLflow server.

    Args:
        url: `http://127.0.0.1:5000`.
        token: Sent as a bearer token, if given; never shown.
        client: For tests and proxies of your own; closed by `close` too.
    """

    def __init__(self, url: str, *, token: str | None = None, client: httpx.Client | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = client or httpx.Client(timeout=_TIMEOUT_S, headers=headers)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def version(self, name: str, ref: str) -> Version:
        """Return a version by number or alias.

        Raises:
            NotFoundError: There is no such model, version or alias.
            UnavailableError: The server does not answer.
        """
        if ref.isdigit():
            found = self.call("GET", "model-versions/get", name=name, version=ref)["model_version"]
        else:
            found = self.call("GET", "registered-models/alias", name=name, alias=ref)["model_version"]
        number = str(found["version"])
        where = self.call("GET", "model-versions/get-download-uri", name=name, version=number)["artifact_uri"]
        return Version(
            name,
            number,
            where,
            found.get("run_id") or None,
            {tag["key"]: tag["value"] for tag in found.get("tags", [])},
            tuple(found.get("aliases", [])),
        )

    def download(self, artifacts: str, folder: Path) -> dict[str, Path]:
        """Fetch every file under an artefact folder, by path inside it.

        Raises:
            InvalidError: The files are not behind the server's proxy, or a name leads out of the folder.
            UnavailableError: The server does not answer.
        """
        root = proxied(artifacts)
        files = {}
        for path in self._walk(root):
            inside = PurePosixPath(posixpath.relpath(path, root))
            if inside.is_absolute() or ".." in inside.parts:
                raise InvalidError(f"artefact '{path}' leads out of '{root}': refused", file=path)
            target = folder.joinpath(*inside.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(path, target)
            files[str(inside)] = target
        if not files:
            raise NotFoundError(f"{artifacts} holds no files", artifacts=artifacts)
        return files

    def upload(self, path: Path, to: str) -> None:
        """Send one file to a path under the artefact root."""
        with path.open("rb") as stream, self._speaking():
            answer = self._client.put(f"{self.url}{ARTIFACTS}/{urllib.parse.quote(to)}", content=stream)
        _checked(answer, to)

    def call(self, method: str, what: str, **fields: Any) -> dict[str, Any]:
        """Call the REST API; errors by their `error_code`.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST.
            ConflictError: RESOURCE_ALREADY_EXISTS.
            UnavailableError: No answer, or a 5xx.
            DeploymentError: Any other refusal, in the server's words.
        """
        with self._speaking():
            given: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
            answer = self._client.request(method, f"{self.url}{API}/{what}", **given)
        return _checked(answer, what)

    def _walk(self, folder: str) -> Iterator[str]:
        with self._speaking():
            answer = self._client.get(f"{self.url}{ARTIFACTS}", params={"path": folder})
        for entry in _checked(answer, folder).get("files", []):
            path = posixpath.join(folder, posixpath.basename(entry["path"]))
            if entry.get("is_dir"):
                yield from self._walk(path)
            else:
                yield path

    def _fetch(self, path: str, target: Path) -> None:
        url = f"{self.url}{ARTIFACTS}/{urllib.parse.quote(path)}"
        with self._speaking(), self._client.stream("GET", url) as answer:
            if answer.is_error:
                answer.read()
                _checked(answer, path)
            written = 0
            with target.open("wb") as stream:
                for chunk in answer.iter_bytes(_CHUNK_BYTES):
                    written += len(chunk)
                    if written > _MOST_BYTES:
                        raise InvalidError(f"artefact '{path}' is above {_MOST_BYTES:,} bytes: refused", file=path)
                    stream.write(chunk)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"{self.url} does not answer: {str(error) or type(error).__name__}", url=self.url
            ) from error


def _checked(answer: httpx.Response, what: str) -> dict[str, Any]:
    try:
        body = answer.json() if answer.content else {}
    except ValueError:
        body = {"message": answer.text[:200]}
    if answer.is_success:
        return body if isinstance(body, dict) else {}
    code, message = body.get("error_code", ""), str(body.get("message", answer.reason_phrase))[:300]
    kinds: dict[str, type[DeploymentError]] = {
        "RESOURCE_DOES_NOT_EXIST": NotFoundError,
        "RESOURCE_ALREADY_EXISTS": ConflictError,
    }
    kind = kinds.get(code, UnavailableError if answer.is_server_error else DeploymentError)
    raise kind(f"MLflow refused {what} ({answer.status_code}): {message}", code=code)


def proxied(artifacts: str) -> str:
    """Return the path under the proxy's root.

    Raises:
        InvalidError: The files are elsewhere: in a bucket, or in a folder of the server's.
    """
    if not artifacts.startswith(_PROXIED):
        raise InvalidError(
            f"{artifacts} is not behind the server's artefact proxy: start it with --serve-artifacts, "
            "or fetch the files yourself and register them with pack_file()",
            artifacts=artifacts,
        )
    return urllib.parse.unquote(urllib.parse.urlsplit(artifacts).path).strip("/")


def model_file(flavours: Mapping[str, Any]) -> str:
    """Return the model file's path inside an MLflow model, or say why there is none that can be loaded.

    Raises:
        UntrustedError: It is pickled (MLflow's scikit-learn flavour writes cloudpickle by default).
        InvalidError: It is of a flavour that is neither ONNX nor scikit-learn.
    """
    if "onnx" in flavours:
        return str(flavours["onnx"].get("data", "model.onnx"))
    if "sklearn" in flavours:
        told = flavours["sklearn"]
        if told.get("serialization_format") == "skops":
            return str(told.get("pickled_model", "model.skops"))
        raise UntrustedError(
            f"the MLflow model is a pickle ({told.get('serialization_format', 'pickle')}): loading one runs whatever "
            "its author wrote; log it with mlflow.onnx, or with mlflow.sklearn and serialization_format='skops'",
            cause="pickle",
        )
    raise InvalidError(
        f"the MLflow model has the flavours {', '.join(sorted(flavours)) or '(none)'}: only onnx, and sklearn in "
        "skops files, can be loaded without running its author's code"
    )
