"""Targets: what a name after `--target` stands for, from `plumbline.toml`, the command line or the running lab."""

from __future__ import annotations

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from plumbline.diagnosis.labs import LabEndpoint, LabState, labs_folder, living, newest
from plumbline.evidence import Endpoint, ProbeChannel

VARIABLE = "PLUMBLINE_CONFIG"
DEFAULT = "lab"
LAST_OF_LATIN_1 = 255
_SCHEMES = ("ws", "wss", "http", "https")
_FILES = ("golden", "artefact", "exposures", "experiment", "retraining", "served", "trained")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"an address begins with {', '.join(f'{one}://' for one in _SCHEMES)}")
    if not parts.hostname or parts.port == 0:
        raise ValueError("the address names no host, or the port 0")
    return text


def _clock(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("ntp", "http", "https") or not parts.hostname:
        raise ValueError("a clock is ntp://host, or an http:// or https:// address")
    return text


Address = Annotated[str, AfterValidator(_address)]
Clock = Annotated[str, AfterValidator(_clock)]


class TargetError(Exception):
    """A target is unknown, or its configuration is wrong. Its text never holds a value of the configuration."""


class Fanout(BaseModel):
    """`[targets.NAME.fanout]`: a channel made for probing."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    publish: str = Field(description="Text that publishes one message: it has `{probe}` where the message stands.")
    subscribe: str | None = Field(None, description="Text that makes a connection a reader.")
    binary: bool = Field(False, description="Send binary messages, one byte for each character (Latin-1).")

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        if "{probe}" not in self.publish:
            raise ValueError("publish has no {probe}, so what comes back could not be told from other messages")
        if self.binary and max(map(ord, self.publish + (self.subscribe or ""))) > LAST_OF_LATIN_1:
            raise ValueError("a character is no single byte; binary texts are Latin-1")
        return self


class Target(BaseModel):
    """One `[targets.NAME]` of `plumbline.toml`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    url: Address | None = Field(None, description="WebSocket or HTTP address, as clients use it.")
    pid: int | None = Field(None, gt=0, description="Process id of the server on this machine.")
    pidfile: str | None = Field(None, description="File that holds the pid; read at each run.")
    admin: str | None = Field(None, description="Path of a Plumbline gateway's admin socket.")
    metrics: Address | None = Field(None, description="Address of a Prometheus endpoint.")
    cgroup: str | None = Field(None, description="Control group of the server: /system.slice/gateway.service.")
    patience_s: float = Field(
        3.0, gt=0, le=3600, description="How long a probe may watch a quiet connection, in seconds."
    )
    ca: str | None = Field(None, description="PEM file of the authority that signed the target's certificate.")
    clocks: list[Clock] | None = Field(
        None, description="Clocks that should agree with this machine's: ntp://host, or an https:// address."
    )
    subprotocol: str | None = Field(None, description="WebSocket subprotocol that clients ask for.")
    model: str | None = Field(None, description="Name of a model, at a server or in a registry.")
    golden: str | None = Field(None, description="JSON file of requests whose right answers are known.")
    registry: str | None = Field(
        None, description="A model registry: a folder, postgresql://…, or http(s):// of an MLflow server."
    )
    artefact: str | None = Field(None, description="A model's file or folder, or a folder with an OCI image layout.")
    exposures: str | None = Field(None, description="Log of an experiment's exposures and outcomes.")
    experiment: str | None = Field(None, description="File that declares the experiment.")
    retraining: str | None = Field(None, description="File that declares when to train again.")
    served: str | None = Field(None, description="Log of feature rows as the model got them.")
    trained: str | None = Field(None, description="Feature rows as the training code computes them.")
    fanout: Fanout | None = Field(None, description="A channel made for probing: messages are sent to it.")
    token_env: str | None = Field(None, description="Name of the environment variable that holds the clients' token.")


def names() -> list[str]:
    """Return the names that a target may have: those of `plumbline.toml`, and `lab`.

    Raises:
        TargetError: The configuration is wrong.
    """
    return sorted({DEFAULT, *_configured()})


def resolve(name: str | None = None) -> Endpoint:
    """Return where a target can be reached.

    Args:
        name: A name of `plumbline.toml`, `lab`, or inline: a URL (`ws://…`, `https://…`), `pid:123`, or the path
            of an admin socket. None is the lab; when none runs, the endpoint is empty: only this machine can be read.

    Raises:
        TargetError: There is no such target, or its configuration is wrong.
    """
    name = name or DEFAULT
    inline = _inline(name)
    if inline:
        return inline
    configured = _configured()
    if name in configured:
        return _endpoint(name, configured[name])
    if name == DEFAULT:
        return newest() or Endpoint(name=DEFAULT)
    near = get_close_matches(name, [DEFAULT, *configured], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join([DEFAULT, *configured])}"
    raise TargetError(f"there is no target '{_shown(name)}'; {hint} (named in {config_path()})")


def config_path() -> Path:
    """Return the path of the configuration: `$PLUMBLINE_CONFIG`, else `plumbline.toml` in the working folder."""
    return Path(os.environ.get(VARIABLE) or "plumbline.toml")


def _inline(name: str) -> Endpoint | None:
    if "://" in name:
        try:
            return Endpoint(name=_shown(name), url=_address(name))
        except ValueError as error:
            raise TargetError(f"'{_shown(name)}': {error}") from None
    if name.startswith("pid:"):
        if not name[4:].isdecimal() or int(name[4:]) == 0:
            raise TargetError(f"'{_shown(name)}' is no pid: write pid:1234")
        return Endpoint(name=name, pid=int(name[4:]))
    if "/" in name:
        path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path's own raises for an unknown user
        if not path.is_socket():
            raise TargetError(f"{name}: is no socket; the path of a gateway's admin socket is wanted")
        return Endpoint(name=name, admin=str(path.resolve()))
    return None


def _shown(name: str) -> str:
    from plumbline.diagnosis.redact import text

    return text(name)


def _configured() -> dict[str, Target]:
    path = config_path()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if os.environ.get(VARIABLE):
            raise TargetError(f"{path}: there is no such file, but ${VARIABLE} names it") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{path}: cannot be read: {error.__class__.__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{path}: is no TOML: {error}") from None
    return {name: _target(path, name, raw) for name, raw in _tables(path, document).items()}


def _tables(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    for key in document:
        if key != "targets":
            raise TargetError(f"{path}: has the unknown key '{key}'; targets stand in tables [targets.NAME]")
    tables = document.get("targets", {})
    if not isinstance(tables, dict):
        raise TargetError(f"{path}: 'targets' is no table; write [targets.NAME]")
    return tables


def _target(path: Path, name: str, raw: Any) -> Target:
    where = f"{path}: [targets.{name}]"
    if not _NAME.fullmatch(name):
        raise TargetError(f"{where}: a target's name has letters, digits, '-', '_' and '.' only")
    if not isinstance(raw, dict):
        raise TargetError(f"{path}: 'targets.{name}' is no table; write [targets.{name}]")
    try:
        return Target.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        first = min(found, key=lambda one: one["type"] != "extra_forbidden")  # a misspelt key is why one is missing
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            fields = (Target if len(first["loc"]) == 1 else Fanout).model_fields
            near = get_close_matches(str(first["loc"][-1]), fields, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(fields)}"
            raise TargetError(f"{where} has the unknown key '{key}'; {hint}") from None
        raise TargetError(f"{where}: '{key}' is wrong: {first['msg'].lower()}") from None


def _endpoint(name: str, target: Target) -> Endpoint:
    token = None
    if target.token_env:
        token = os.environ.get(target.token_env)
        if not token:
            raise TargetError(f"target '{name}' takes its token from ${target.token_env}, which is not set")
    return Endpoint(
        name=name,
        url=target.url,
        pid=_pid(name, target.pidfile) if target.pidfile else target.pid,
        admin=_place(target.admin) if target.admin else None,
        metrics=target.metrics,
        cgroup=target.cgroup,
        patience_s=target.patience_s,
        token=token,
        ca=_place(target.ca) if target.ca else None,
        clocks=tuple(target.clocks) if target.clocks else None,
        subprotocol=target.subprotocol,
        fanout=_channel(name, target.fanout, token) if target.fanout else None,
        model=target.model,
        registry=_registry(target.registry) if target.registry else None,
        **_files(target),
    )


def _files(target: Target) -> dict[str, Any]:
    return {key: _place(path) for key in _FILES if (path := getattr(target, key))}


def _registry(place: str) -> str:
    return place if "://" in place else _place(place)


def _channel(name: str, told: Fanout, token: str | None) -> ProbeChannel:
    if token is None and "{token}" in told.publish + (told.subscribe or ""):
        raise TargetError(f"target '{name}' has {{token}} in its table fanout, and no token_env that gives one")
    return ProbeChannel(**dict(told))


def _place(path: str) -> str:
    """Paths of the configuration are relative to its folder."""
    return str(config_path().resolve().parent / Path(path).expanduser())


def _pid(name: str, pidfile: str) -> int:
    try:
        return int(Path(_place(pidfile)).read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError) as error:
        raise TargetError(
            f"target '{name}': {pidfile} gives no pid ({type(error).__name__}); does the server run?"
        ) from None


__all__ = [
    "DEFAULT",
    "LabEndpoint",
    "LabState",
    "Target",
    "TargetError",
    "config_path",
    "labs_folder",
    "living",
    "names",
    "resolve",
]
