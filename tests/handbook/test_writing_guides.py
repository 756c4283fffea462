"""The tutorial's example is a whole problem: its files, taken from the page, pass the check and judge as they say."""

from __future__ import annotations

from plumbline.catalogue import Catalogue
from plumbline.diagnosis import catalogue as diagnostics
from plumbline.diagnosis.findings import Status
from plumbline.handbook.check import check
from plumbline.handbook.fences import steps
from plumbline.streaming.evidence import Close, Closes


def test_every_reference_in_the_example_holds(example: Catalogue) -> None:
    assert [str(one) for one in check(example)] == []


def test_the_examples_fix_and_decoy_are_executable_steps(example: Catalogue) -> None:
    guide = (example.root / "docs/troubleshooting/streaming/message-too-big.md").read_text("utf-8")
    assert [(step.id, step.kind) for step in steps(guide)] == [("fix-limit", "fix"), ("decoy-larger-queue", "decoy")]


def test_the_examples_diagnostic_judges(example: Catalogue) -> None:
    (found,) = diagnostics.load(example)
    close = Close(code=1009, reason="message-too-big", by="server", idle_s=0.0, age_s=1.0, clean=True, ago_s=3.0)
    assert found.judge(Closes(heartbeat_interval_s=25.0, recent=(close,))).status is Status.OK
    red = found.judge(Closes(heartbeat_interval_s=25.0, recent=(close, close)))
    assert (red.status, red.cause) == (Status.WARNING, "limit-too-low")


def test_the_examples_fault_is_one(example: Catalogue) -> None:
    from plumbline.lab import Fault

    names: dict[str, object] = {"__name__": "example_fault"}
    exec((example.root / "kb/streaming/message-too-big/fault.py").read_text("utf-8"), names)
    faults = [one for one in names.values() if isinstance(one, type) and issubclass(one, Fault) and one is not Fault]
    assert [fault.__name__ for fault in faults] == ["LimitTooLow"]
    assert faults[0].topology.workload.message_bytes > 1024
