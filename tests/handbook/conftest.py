"""A small catalogue of synthetic problems, complete and without a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
from hypothesis import settings

from plumbline.catalogue import Catalogue, ProblemId
from plumbline.handbook.check import check
from plumbline.handbook.inputs import hashes

settings.register_profile("handbook", deadline=None, derandomize=True)  # the same examples on every machine
settings.load_profile("handbook")

Make = Callable[..., Catalogue]


def guide(name: str) -> str:
    return dedent(f"""\
        ---
        title: Clients of {name} stall
        description: What to do when clients of {name} stall.
        diagnostics: [{name}]
        severity: page
        component: gateway
        tested: {{haproxy: "2.6"}}
        related: []
        ---

        ## Symptom

        Clients stall, see [the fix](#fix) and [the overview](../index.md).

        /// problem | {name}
        ///

        ## Run the diagnostic

        /// diagnostic | {name}
        ///

        ## Fix

        ``` {{.bash .fix #fix-limit}}
        plumb gateway set overflow=disconnect
        ```

        ## What does not help

        ``` {{.bash .decoy #decoy-buffer}}
        plumb gateway set queue_max_bytes=4194304
        ```

        ## Proof card

        /// proof | {name}
        ///
        """)


def record(name: str) -> str:
    return dedent(f"""\
        id: {name}
        title: Clients of {name} stall
        severity: page
        platforms: [linux, macos]
        symptoms:
          complaint: [everything is slow]
          observation: [memory grows]
          exception: ["queue full connection=7"]
        signatures:
          - pattern: 'queue full connection=\\d+'
            example: gateway queue full connection=7
            source: gateway
        causes:
          - id: one-slow-reader
            title: One `reader` does not read
            evidence: one queue is full
            anchor: fix
        lookalikes:
          - title: A slow network
            differs: all queues are full
        decoys:
          - id: decoy-buffer
            why: it fills too
        collateral: []
        paraphrases: [why is it so slow]
        component_paths: [plumbline/evidence.py]
        """)


DIAGNOSTIC = '''\
#!/usr/bin/env -S plumb run
"""Is the process of {name} out of descriptors?

It opens one per client.
"""

from plumbline.diagnosis import Finding, Threshold, diagnostic, ok
from plumbline.host.descriptors import FileDescriptors

NEARLY = Threshold(0.8, "1", "judgement: `ulimit` minus a fifth", "share of the limit in use")


@diagnostic
def judge(descriptors: FileDescriptors) -> Finding:
    return ok("All is well.")
'''


def result(name: str, status: str) -> dict[str, Any]:
    red = status != "ok"
    limit = {"value": 0.8, "unit": "1", "source": "judgement", "name": "share", "text": "80 %"}
    measure = {"name": "open_share", "value": 0.93, "unit": "1", "text": "93 %", "limit": limit}
    return {
        "id": name,
        "question": "Is it?",
        "target": "lab",
        "status": status,
        "reason": "threshold" if red else None,
        "sentence": f"It is {status}, see `ulimit`.",
        "measures": [measure],
        "cause": "one-slow-reader" if red else None,
        "impact": "clients wait" if red else None,
        "next": ["Raise it.", "Ask why."] if red else [],
        "guide": ProblemId.parse(name).url,
        "started_at": "2025-11-23T00:00:00Z",
        "duration_s": 0.1,
        "reads": ["/proc/1/fd"],
    }


def proof(catalogue: Catalogue, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "schema": "plumbline.proof/1",
        "id": name,
        "proven": True,
        "proven_at": "2025-11-23T10:00:00Z",
        "duration_s": 20.5,
        "time_to_red_s": 1.5,
        "time_to_green_s": 2.5,
        "phases": [
            {"name": "baseline", "ok": True, "sentence": "All ok.", "duration_s": 1.0},
            {"name": "red", "ok": True, "sentence": "It is `critical`.", "duration_s": 1.5},
        ],
        "felt": "half of the messages were late",
        "red": result(name, "critical"),
        "green": result(name, "ok"),
        "matrix": {name: {"healthy": "ok", "fault": "critical"}},
        "likelihoods": {"red_given_fault": {"red": 3, "runs": 3}, "red_given_healthy": {"red": 0, "runs": 4}},
        "found": [
            {"query": "a held-out paraphrase", "register": "complaint", "rank": 1},
            {"query": "another", "register": "complaint", "rank": 2},
            {"query": "queue full connection=7", "register": "log", "rank": 1},
        ],
        "decoys": [{"id": "decoy-buffer", "status": "critical"}],
        "versions": {"python": "3.11"},
        "inputs": hashes(catalogue, name),
    } | changes


def write_file(root: Path, path: object, text: str) -> Path:
    file = root / str(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def write() -> Callable[[Path, object, str], Path]:
    """Return a function that writes a file of a catalogue, with its folders."""
    return write_file


@pytest.fixture
def write_proof() -> Callable[..., Path]:
    """Return a function that writes the record of a successful proof; keywords change it."""

    def written(catalogue: Catalogue, name: str, **changes: Any) -> Path:
        data = proof(catalogue, name, **changes)
        return write_file(catalogue.root, ProblemId.parse(name).proof, json.dumps(data, indent=2) + "\n")

    return written


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes problems with these ids, all four files each."""

    def made(*names: str) -> Catalogue:
        root = tmp_path / "handbook"
        for name in names or ("streaming.slow",):
            problem = ProblemId.parse(name)
            write_file(root, problem.guide, guide(name))
            write_file(root, problem.record, record(name))
            write_file(root, problem.diagnostic, DIAGNOSTIC.format(name=name))
            write_file(root, problem.fault, '"""Breaks it."""\n')
        write_file(root, "docs/index.md", "# Home\n\n[Guides](troubleshooting/index.md)\n")
        write_file(root, "docs/troubleshooting/index.md", "# Troubleshooting\n\nBy symptom.\n")
        return Catalogue(root)

    return made


@click.group()
@click.option("--catalogue")
def tree(catalogue):
    """Stand in for the real tree, so that these tests do not depend on other parts."""


@tree.command()
@click.argument("ids", nargs=-1)
@click.option("--format", "shape", type=click.Choice(["human", "json"]))
@click.option("--plan", is_flag=True)
@click.option("--target")
def diagnose(ids, shape, plan, target):
    """Diagnose."""


@tree.command()
@click.argument("problem")
def practice(problem):
    """Practise."""


@tree.group()
def gateway():
    """Gateway."""


@gateway.command("set")
@click.argument("pairs", nargs=-1)
@click.option("--admin")
def set_(pairs, admin):
    """Set."""


@gateway.command()
@click.option("--set", "pairs", multiple=True)
@click.option("-v", "verbose", count=True)
def serve(pairs, verbose):
    """Serve."""


@gateway.command()
@click.argument("what", type=click.Choice(["settings", "queues"]))
def show(what):
    """Show."""


@pytest.fixture
def plumb() -> click.Group:
    """Return a small tree of commands, so that these tests do not depend on the real ones."""
    return tree


@pytest.fixture
def complaints() -> Callable[[Catalogue], list[str]]:
    """Return a function that lists the complaints about a catalogue as text."""
    return lambda catalogue: [str(one) for one in check(catalogue, tree)]


@pytest.fixture
def change() -> Callable[[Catalogue, str, str, str], int]:
    """Return a function that replaces once in a file, and tells the line on which the change begins."""

    def changed(catalogue: Catalogue, path: str, old: str, new: str) -> int:
        file = catalogue.root / path
        text = file.read_text("utf-8")
        assert old in text, old
        file.write_text(text.replace(old, new, 1), "utf-8")
        return text[: text.index(old)].count("\n") + 1

    return changed
