"""How a server is set up: what it serves from where, and its limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from plumbline.deployment.core.errors import InvalidError


def _option(default: Any, text: str, low: float | None = None) -> Any:
    return field(default=default, metadata={"text": text, "low": low})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All of a server's settings; the table of the reference is made from it.

    Raises:
        InvalidError: One is out of its range, or there are both a registry and a folder, or neither.
    """

    model: str = _option("", "Name of the one model that is served; names it in every path.")
    registry: str | None = _option(None, "Registry to load versions from: a folder or a `postgresql://` URL.")
    blobs: str | None = _option(None, "Folder of the registry's files, when the registry is a database.")
    folder: str | None = _option(
        None, "Folder with `manifest.json` and the files, or with one such folder per version."
    )
    ref: str | None = _option(None, "Version, alias or digest served from the start; none: wait for `share`.")
    cache: str | None = _option(None, "Where a registry's versions are put; by default a temporary folder.")
    host: str = _option("127.0.0.1", "Address to listen on. There is no authentication: put a proxy before others.")
    port: int = _option(8080, "Port; 0 lets the kernel choose.", 0)
    admin: str | None = _option(None, "Path of the admin socket; without one nobody can switch versions.")
    announce: str | None = _option(None, "File written with the port and pid once the server is ready.")
    loader: str = _option("plumbline.deployment.models:load", "What loads a model, `module:function`.")
    threads: int = _option(1, "Threads of the model's runtime within one prediction.", 1)
    parallel: int = _option(1, "Predictions that may run side by side, beyond the quick ones.", 1)
    queue: int = _option(1024, "Requests that may wait for the model; more are answered 503 with Retry-After.", 0)
    batch_rows: int = _option(256, "Rows of waiting requests that are joined at most into one prediction.", 1)
    max_rows: int = _option(10_000, "Rows of one request.", 1)
    max_body: int = _option(8 << 20, "Bytes of one request's body; larger ones are answered 413.", 1)
    max_connections: int = _option(4096, "Open connections; one more is answered 503 and closed.", 1)
    request_s: float = _option(30.0, "Seconds that a request may take to arrive; then it is answered 408.", 0.01)
    drain_grace_s: float = _option(
        5.0, "Seconds after SIGTERM, not ready but serving, for load balancers to notice.", 0
    )
    drain_s: float = _option(30.0, "Seconds to wait for requests in flight, at a switch and at the end.", 0.01)
    warmup_s: float = _option(0.2, "Seconds of predictions before a version may become ready.", 0)
    loaded: int = _option(6, "Versions held in memory at most.", 1)
    recent_rows: int = _option(0, "Rows of recent requests kept in memory for gates (feature values only); 0: none.", 0)
    allow_load: bool = _option(False, "Whether `/v2/repository/…/load` and `unload` work: anybody may switch then.")

    def __post_init__(self) -> None:
        if not self.model:
            raise InvalidError("a server needs the name of its model", field="model")
        if (self.registry is None) == (self.folder is None):
            raise InvalidError("versions come from a registry or from a folder: name one of them", field="registry")
        for one in fields(self):
            low, value = one.metadata["low"], getattr(self, one.name)
            if low is not None and value < low:
                raise InvalidError(f"{one.name} is {value:g}, but at least {low:g}", field=one.name, given=value)


def parsed(pairs: Iterable[str]) -> dict[str, Any]:
    """Return settings of texts such as `batch_rows=64`, each read as its type.

    Raises:
        InvalidError: There is no such setting, or the value is none of its type.
    """
    kinds: dict[str, Any] = {one.name: type(one.default) for one in fields(Options)}
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if key not in kinds or not equals:
            raise InvalidError(f"'{pair}' is no setting: write key=value with one of {', '.join(kinds)}", field=key)
        if kinds[key] is bool and value not in ("true", "false"):
            raise InvalidError(f"{key} is true or false, not '{value}'", field=key)
        try:
            found[key] = (
                value == "true" if kinds[key] is bool else kinds[key](value) if kinds[key] in _NUMBERS else value
            )
        except ValueError:
            raise InvalidError(f"{key} is a number, not '{value}'", field=key) from None
    return found


_NUMBERS = (int, float)


def table() -> str:
    """Return the reference table of all settings as Markdown; the documentation page carries it verbatim."""
    rows = ["| Setting | Default | |", "|---|---|---|"]
    for one in fields(Options):
        shown = "" if one.default in (None, "") else f"`{one.default}`"
        rows.append(f"| `{one.name}` | {shown} | {one.metadata['text']} |")
    return "\n".join(rows) + "\n"
