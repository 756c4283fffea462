"""What is refused, and how: one sentence, and nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Assistant


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("read_guide", {"id": "host.quik"}, "guide 'host.quik' does not exist; did you mean 'host.quick'?"),
        ("read_guide", {"id": "zzz"}, "guide 'zzz' does not exist; search_handbook finds the ids that exist"),
        ("read_guide", {"id": "host.old"}, "the guide 'host.old' was retired: 'host.quick' took its place"),
        ("read_guide", {"id": "host.gone"}, "the guide 'host.gone' was retired: nobody has it any more"),
        ("read_guide", {}, "read_guide needs the argument 'id'"),
        (
            "explain_diagnostic",
            {"id": "host.quik"},
            "diagnostic 'host.quik' does not exist; did you mean 'host.quick'?",
        ),
        (
            "run_diagnostic",
            {"ids": ["/etc/passwd"]},
            "diagnostic '/etc/passwd' does not exist; list_diagnostics gives the ids that exist",
        ),
        (
            "run_diagnostic",
            {"ids": ["host.quick"], "host": "10.0.0.1"},
            "run_diagnostic has no argument 'host'; it takes ids and target",
        ),
        ("list_diagnostics", {"all": True}, "list_diagnostics has no argument 'all'; it takes nothing"),
        ("run_diagnostics", {}, "tool 'run_diagnostics' does not exist; did you mean 'run_diagnostic'?"),
        (
            "search_handbook",
            {"query": "slow", "limit": 500},
            "search_handbook: 'limit' is wrong: input should be less than or equal to 20",
        ),
        ("search_handbook", {"query": " "}, "the query is empty: say a symptom, an error message or a log line"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    small: Assistant, tool: str, arguments: dict[str, object], sentence: str
) -> None:
    assert small.refusal(tool, **arguments) == sentence


@pytest.mark.parametrize("target", ["ws://10.0.0.1/ws", "https://example.com", "pid:1", "/run/admin.sock", "../x", ""])
def test_a_free_form_target_is_refused(small: Assistant, target: str) -> None:
    said = small.refusal("run_diagnostic", ids=["host.quick"], target=target)
    assert "is no target that may be named here; known are lab" in said


def test_a_secret_in_a_refused_target_is_not_repeated(small: Assistant) -> None:
    said = small.refusal("run_diagnostic", ids=["host.quick"], target="ws://u:sesame-canary@10.0.0.1/ws")
    assert "sesame-canary" not in said


def test_the_session_goes_on_after_a_refusal(small: Assistant) -> None:
    small.refusal("read_guide", id="zzz")
    listed = small.answer("list_diagnostics")
    assert [one["id"] for one in listed["diagnostics"]] == ["host.far", "host.quick", "host.slow"]
    assert listed["diagnostics"][1]["guides"] == ["host.quick"]
    assert listed["targets"] == ["lab"]
