"""A small handbook, and an embedder that needs no model: words hashed into vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from plumbline.catalogue import Catalogue
from plumbline_search.build import build
from plumbline_search.model import DIMENSION, WEIGHTS_SHA256, ModelFiles
from plumbline_search.service import Service
from plumbline_search.tokens import terms

# A busy machine is no fault of the code: no deadline, and the same examples on every machine.
settings.register_profile("search", deadline=None, derandomize=True)
settings.load_profile("search")

SLOW = """---
title: One slow consumer stalls everybody
description: A client that does not read fills the outbound queue.
diagnostics: [streaming.slow-consumer]
severity: page
component: gateway
---

# One slow consumer stalls everybody

## Symptom

Memory of the gateway keeps growing and all clients stall.

## Run the diagnostic

/// diagnostic | streaming.slow-consumer
///

## Fix

### Bound the queue

Set the overflow policy to disconnect. Gateways such as nats-server close a slow consumer after the write deadline.

## Prevent

Alert on queued bytes of one connection, and test with a paused reader before each release of the gateway.
"""
SLOW_RECORD = """id: streaming.slow-consumer
title: One slow consumer stalls everybody
severity: page
platforms: [linux]
symptoms:
  complaint:
    - The live feed freezes for all users at the same time.
  observation:
    - Send-Q of one connection stays high.
  exception:
    - "nats: slow consumer, messages dropped"
signatures:
  - pattern: 'outbound queue full connection=\\d+'
    example: WARNING plumbline.gateway outbound queue full connection=17 queued_bytes=1048731
    source: the gateway
causes:
  - id: one-slow-reader
    title: One reader does not keep up
    evidence: the oldest queued message is older than 2 s
    anchor: bound-the-queue
paraphrases:
  - xylophone paraphrase that must stay held out
"""
FILES = """---
title: No file descriptor left
description: accept fails with error 24, so new clients stay outside.
diagnostics: [streaming.fd-exhaustion]
severity: page
component: gateway
---

# No file descriptor left

## Symptom

`OSError: [Errno 24] Too many open files`; new clients cannot connect while those connected are fine.

## Fix

Raise LimitNOFILE in the systemd unit.
"""
FILES_RECORD = """id: streaming.fd-exhaustion
title: No file descriptor left
severity: page
platforms: [linux]
symptoms:
  complaint: [New users can't connect until the service is restarted.]
  observation: [process_open_fds equals process_max_fds.]
signatures:
  - pattern: '\\[Errno 24\\] Too many open files'
    example: 'OSError: [Errno 24] Too many open files'
    source: Python
causes:
  - id: low-limit
    title: The limit is low
    evidence: open descriptors equal the limit
    anchor: fix
paraphrases: [zeppelin paraphrase that must stay held out]
"""
PROOF = (
    '{"schema":"plumbline.proof/1","id":"streaming.slow-consumer","proven":true,"proven_at":"2026-11-20T10:00:00Z",'
    '"duration_s":20,"time_to_red_s":2,"time_to_green_s":3,"phases":[],"felt":"it hurts","red":{},"green":{},'
    '"matrix":{},'
    '"likelihoods":{"red_given_fault":{"red":1,"runs":1},"red_given_healthy":{"red":0,"runs":1}},"found":[],"decoys":[],'
    '"versions":{},"inputs":{}}'
)
SETTINGS = """# Settings of the gateway

## queue_max_bytes

The limit of the outbound queue of one connection, 1 MiB.

## heartbeat_interval_s

How often a ping is sent, every 25 seconds.
"""


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path / "state"))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    root = tmp_path / "handbook"
    write(root, "docs/troubleshooting/streaming/slow-consumer.md", SLOW)
    write(root, "docs/troubleshooting/streaming/fd-exhaustion.md", FILES)
    write(root, "docs/reference/settings.md", SETTINGS)
    write(root, "docs/proof/streaming/slow-consumer.json", PROOF)
    write(root, "kb/streaming/slow-consumer/problem.yml", SLOW_RECORD)
    write(root, "kb/streaming/fd-exhaustion/problem.yml", FILES_RECORD)
    write(
        root,
        "diagnostics/streaming/slow_consumer.py",
        '"""Is one slow consumer holding memory?\n\nIt compares the fullest queue with its limit.\n"""\n',
    )
    write(root, "diagnostics/streaming/fd_exhaustion.py", '"""Is the server running out of descriptors?"""\n')
    return Catalogue(root)


class WordEmbedder:
    """Embeds by hashing words: alike if they share words. Deterministic, and needs no model."""

    name = "hashed words"

    def __init__(self, files: ModelFiles | None = None) -> None:
        self.embedded: list[str] = []

    def embed(self, text: str) -> np.ndarray:
        vector = np.full(DIMENSION, 1e-3, dtype=np.float32)
        for term in terms(text):
            vector[int(hashlib.sha256(term.encode()).hexdigest(), 16) % DIMENSION] += 1.0
        return vector / np.linalg.norm(vector)

    def embed_all(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return np.stack([self.embed(text) for text in texts])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def rebuild(catalogue: Catalogue, home: Path, embedder: WordEmbedder) -> Callable[..., object]:
    return lambda **options: build(catalogue, home=home, embedder=lambda _: embedder, **options)


@pytest.fixture
def service(
    catalogue: Catalogue, home: Path, embedder: WordEmbedder, rebuild: Callable[..., object]
) -> Iterator[Service]:
    """A loaded hybrid service over a fresh index."""
    rebuild()
    made = Service(catalogue, home=home, embedder=lambda: (embedder, WEIGHTS_SHA256))
    made.load()
    return made
