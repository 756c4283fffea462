"""State files of running labs: where they lie, what they say, which of them live."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plumbline.catalogue import state_folder
from plumbline.evidence import Endpoint, ProbeChannel

OWN = "PLUMBLINE_LAB"
"""Set by a lab for all its processes: the lab's id."""
SCHEMA: Literal["plumbline.lab/1"] = "plumbline.lab/1"
Purpose = Literal["serve", "practice", "prove"]
_STARTED_TOLERANCE_S = (
    1.5  # the kernel counts a process's start in ticks, and psutil adds the boot time in whole seconds
)


class LabEndpoint(BaseModel):
    """The lab's `Endpoint`, without its name."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = None
    pid: int | None = None
    admin: str | None = None
    metrics: str | None = None
    netns_of: int | None = None
    cgroup: str | None = None
    patience_s: float = Field(3.0, gt=0)
    token: str | None = None
    ca: str | None = None
    clocks: tuple[str, ...] | None = None
    fanout: ProbeChannel | None = None
    subprotocol: str | None = None
    model: str | None = None
    golden: str | None = None
    registry: str | None = None
    artefact: str | None = None
    exposures: str | None = None
    experiment: str | None = None
    retraining: str | None = None
    served: str | None = None
    trained: str | None = None


class LabState(BaseModel):
    """One running lab, as its owner wrote it to `<folder>/<id>.json` by an atomic rename."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_: Literal["plumbline.lab/1"] = Field(SCHEMA, alias="schema")
    id: str
    owner_pid: int
    owner_started: float
    started_at: float
    purpose: Purpose
    problem: str | None = None
    endpoint: LabEndpoint

    def write(self, folder: Path | None = None) -> Path:
        """Write the state file atomically, readable by its owner only, and return its path."""
        folder = folder or labs_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.id}.json"
        fresh = folder / f".{self.id}.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_text(self.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        fresh.replace(path)
        return path

    @property
    def alive(self) -> bool:
        """True while the process that owns the lab lives (not merely another one with its pid)."""
        import psutil

        try:
            return abs(psutil.Process(self.owner_pid).create_time() - self.owner_started) < _STARTED_TOLERANCE_S
        except psutil.Error:
            return False


def labs_folder() -> Path:
    """Return the folder of labs' state files."""
    return state_folder() / "labs"


def living(folder: Path | None = None) -> list[LabState]:
    """Return the labs whose owner lives, the newest first; files that cannot be read are passed over."""
    found = []
    for path in (folder or labs_folder()).glob("*.json"):
        try:
            raw: Any = json.loads(path.read_text(encoding="utf-8"))
            state = LabState.model_validate(raw)
        except (OSError, ValueError, ValidationError):  # being replaced, or of another version
            continue
        if state.alive:
            found.append(state)
    return sorted(found, key=lambda state: state.started_at, reverse=True)


def newest() -> Endpoint | None:
    """Return where the lab is that this process runs in (`$PLUMBLINE_LAB`), else the newest that serves people.

    Labs under proof are nobody's default, but for the steps that the proof itself runs in them.
    """
    own = os.environ.get(OWN)
    for state in sorted(living(), key=lambda state: state.id != own):
        if state.purpose != "prove" or state.id == own:
            return Endpoint(name="lab", **dict(state.endpoint))
    return None
