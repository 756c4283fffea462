"""What retraining remembers, in SQLite: state, looks and runs. Two schedulers never start the same run."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from plumbline.deployment.core.encoding import decode, encode
from plumbline.deployment.core.errors import FullError, UnavailableError
from plumbline.deployment.retraining.decide import Act, Decision, State, decide
from plumbline.deployment.retraining.rules import Observation, Rules

KEPT_LOOKS = 1_000
"""Looks that are remembered per model; runs are never forgotten."""

BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS states (model TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS looks (
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, at REAL NOT NULL, act TEXT NOT NULL, sentence TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS looks_of ON looks (model, id);
CREATE TABLE IF NOT EXISTS runs (
  id INTEGER PRIMARY KEY, model TEXT NOT NULL, started_at REAL NOT NULL, why TEXT NOT NULL, rules TEXT NOT NULL,
  seen TEXT NOT NULL, ended_at REAL, outcome TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '');
"""


@dataclass(frozen=True, slots=True)
class Look:
    """One decision.

    Args:
        at: Unix time of the observation.
        act: What was decided.
        sentence: Why.
    """

    at: float
    act: Act
    sentence: str


@dataclass(frozen=True, slots=True)
class Run:
    """One training that was started.

    Args:
        id: Rises with each run.
        started_at: Unix time.
        why: The sentence that the deployment carries.
        rules: Names of the rules that asked for it.
        seen: What was observed, as JSON.
        ended_at: Unix time; None while it runs, or where nobody saw the end.
        outcome: `running`, `done`, `failed`, or `lost`: whoever started it was killed before its end.
        detail: Of a failure.
    """

    id: int
    started_at: float
    why: str
    rules: tuple[str, ...]
    seen: str
    ended_at: float | None
    outcome: str
    detail: str


class Store:
    """The file; each call is a transaction of its own, on the disk when it returns.

    Args:
        path: The SQLite file; made when missing.
        read_only: Make and change nothing, not even beside the file; what writes is refused then.

    Raises:
        UnavailableError: It cannot be opened, or is none.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        if read_only:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as file:
                file.executescript(_SCHEMA)
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}", path=str(path)) from error

    def state(self, model: str) -> State:
        """Return what is remembered of a model."""
        with self._open() as file:
            return self._state(file, model)

    def looks(self, model: str, last: int = 20) -> list[Look]:
        """Return the last decisions, newest first."""
        with self._open() as file:
            rows = file.execute(
                "SELECT at, act, sentence FROM looks WHERE model = ? ORDER BY id DESC LIMIT ?", (model, last)
            )
            return [Look(at, Act(act), sentence) for at, act, sentence in rows]

    def runs(self, model: str) -> list[Run]:
        """Return all runs, newest first."""
        columns = "id, started_at, why, rules, seen, ended_at, outcome, detail"
        with self._open() as file:
            rows = file.execute(f"SELECT {columns} FROM runs WHERE model = ? ORDER BY id DESC", (model,))  # noqa: S608
            return [
                Run(number, at, why, tuple(decode(rules, list[str], "rules")), seen, *rest)
                for number, at, why, rules, seen, *rest in rows
            ]

    def look(self, rules: Rules, seen: Observation, *, start: bool) -> tuple[Decision, int | None]:
        """Decide and remember it; with `start` a decision to train is a run with a number, from now on.

        Only who holds `alone` may give `start`. Without it nothing counts as started.
        """
        with self._open() as file:
            before = self._state(file, rules.model)
            after, decision = decide(rules, before, seen)
            train = decision.act is Act.TRAIN
            if train and not start:
                after = replace(after, started=before.started)
            self._remember(file, rules.model, after, Look(seen.at, decision.act, decision.sentence))
            run = self._begin(file, rules.model, seen, decision) if train and start else None
        return decision, run

    def end(self, run: int, at: float, outcome: str, detail: str = "") -> None:
        """Write down how a run ended."""
        with self._open() as file:
            file.execute(
                "UPDATE runs SET ended_at = ?, outcome = ?, detail = ? WHERE id = ?", (at, outcome, detail, run)
            )

    def forget_lost(self, model: str) -> int:
        """Mark runs that nobody runs any more; only who holds `alone` can know. Returns how many."""
        with self._open() as file:
            sentence = "its scheduler was killed; look at the deployments for what came of it"
            return file.execute(
                "UPDATE runs SET outcome = 'lost', detail = ? WHERE model = ? AND outcome = 'running'",
                (sentence, model),
            ).rowcount

    def trust_clock(self, model: str, now: float) -> None:
        """Forget looks from the future: a clock was ahead, and is right now."""
        with self._open() as file:
            old = self._state(file, model)
            since = {name: min(at, now) for name, at in old.since.items()}
            mended = State(since, tuple(min(at, now) for at in old.started), min(old.seen_at, now))
            self._write(file, model, mended)

    @contextmanager
    def alone(self, model: str) -> Iterator[int | None]:
        """Hold the right to start a run; gives its file descriptor, or None while somebody else holds it.

        The lock belongs to the open file: a run that inherits the descriptor keeps it when its scheduler is killed.
        When the scheduler sees the run's end it lets go for all, for a server that the run started may have it, too.
        """
        path = self.path.with_name(f"{self.path.name}.{model}.lock")
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                try:
                    yield held
                finally:
                    fcntl.flock(held, fcntl.LOCK_UN)
        finally:
            os.close(held)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._reading() if self._read_only else self._writing()) as file:
                yield file
                if file.in_transaction:
                    file.execute("COMMIT")
        except sqlite3.Error as error:
            kind = FullError if "full" in str(error) else UnavailableError
            raise kind(f"{self.path}: {error}; nothing was remembered", path=str(self.path)) from error

    def _writing(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        # No log beside it: who may only read could not take part in that, and nobody writes often.
        file.execute("PRAGMA journal_mode = DELETE")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("BEGIN IMMEDIATE")
        return file

    def _reading(self) -> sqlite3.Connection:
        where = f"{self.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(where, uri=True, timeout=BUSY_S, isolation_level=None)

    def _state(self, file: sqlite3.Connection, model: str) -> State:
        row = file.execute("SELECT state FROM states WHERE model = ?", (model,)).fetchone()
        return decode(row[0], State, f"{self.path}: state of '{model}'") if row else State()

    def _write(self, file: sqlite3.Connection, model: str, state: State) -> None:
        if state.seen_at > float("-inf"):  # a state that has seen nothing is the one that is not there
            file.execute("INSERT OR REPLACE INTO states VALUES (?, ?)", (model, encode(state).decode()))

    def _remember(self, file: sqlite3.Connection, model: str, state: State, look: Look) -> None:
        self._write(file, model, state)
        file.execute(
            "INSERT INTO looks (model, at, act, sentence) VALUES (?, ?, ?, ?)",
            (model, look.at, look.act, look.sentence),
        )
        file.execute(
            "DELETE FROM looks WHERE model = ?1 AND id <= "
            "(SELECT id FROM looks WHERE model = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (model, KEPT_LOOKS),
        )

    def _begin(self, file: sqlite3.Connection, model: str, seen: Observation, decision: Decision) -> int:
        asked, observed = encode(list(decision.rules)).decode(), msgspec.json.encode(seen).decode()
        row = (model, seen.at, decision.sentence, asked, observed)
        done = file.execute(
            "INSERT INTO runs (model, started_at, why, rules, seen, outcome) VALUES (?, ?, ?, ?, ?, 'running')", row
        )
        return int(done.lastrowid or 0)
