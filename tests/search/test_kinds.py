import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_search.kinds import Kind, kind_of, mask, telling


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("why do all clients stall", Kind.QUESTION),
        ("clients stall and memory keeps growing", Kind.QUESTION),
        ("what does exit code 137 mean?", Kind.QUESTION),
        ("OSError: [Errno 24] Too many open files", Kind.ERROR),
        ("accept4() failed (24: Too many open files)", Kind.ERROR),
        ("queue full connection=17 queued_bytes=1048576", Kind.ERROR),
        ('Failed to pull image "registry.example/churn:1.4.1" from the mirror', Kind.ERROR),
        ('(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "runs_pk"', Kind.ERROR),
        ('Normal Pulled kubelet Successfully pulled image "registry.example/churn:1.4.1"', Kind.ERROR),
        ("the deploy failed to reach the second region", Kind.QUESTION),
        ("Normal users cannot log in", Kind.QUESTION),
        ("2026-11-20T14:02:11Z WARNING gateway queue full", Kind.ERROR),
        ("2026-11-20 14:02:11 INFO a\n2026-11-20 14:02:12 ERROR b", Kind.LOG),
        ('Traceback (most recent call last):\n  File "x.py", line 3, in <module>\nValueError', Kind.LOG),
        ("one\ntwo\nthree\nfour", Kind.LOG),
        ("first thought\nsecond thought", Kind.QUESTION),
    ],
)
def test_the_kind_is_told_from_the_form(query: str, kind: Kind):
    assert kind_of(query) is kind


def test_a_mask_drops_what_differs_between_occurrences_and_keeps_codes():
    line = "2026-11-20T14:02:11.480Z peer=10.0.0.7:51022 id=550e8400-e29b-41d4-a716-446655440000 at 0xdeadbeef errno 24"
    assert mask(line) == "peer= id= at errno 24"


def test_the_error_is_chosen_from_a_long_log():
    noise = [f"2026-11-20T14:02:{second:02}Z INFO request {second} served" for second in range(60)] * 50
    noise.insert(1500, "2026-11-20T14:02:30Z ERROR accept failed: [Errno 24] Too many open files")
    chosen = telling("\n".join(noise), budget=200)
    assert "accept failed: [Errno 24] Too many open files" in chosen
    assert len(chosen) <= 200


def test_an_event_that_repeats_is_told_once():
    log = "\n".join(f"2026-11-20T14:02:{second:02}Z ERROR retry {second} failed" for second in range(30))
    assert telling(log).count("failed") == 1


def test_chosen_lines_keep_their_order():
    assert (
        telling("ERROR first failed\nINFO between\nERROR second refused")
        == "ERROR first failed\nINFO between\nERROR second refused"
    )


@given(st.text(max_size=3000), st.integers(min_value=1, max_value=500))
def test_what_is_chosen_fits_the_budget(log: str, budget: int):
    assert len(telling(log, budget)) <= budget
    assert kind_of(log) in Kind
