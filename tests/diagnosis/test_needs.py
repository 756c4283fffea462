"""The page of targets says of each diagnostic what it can be judged by."""

import pytest

from plumbline.catalogue import locate
from plumbline.diagnosis.catalogue import load
from plumbline.diagnosis.needs import enough, needs_table

CATALOGUE = locate()


@pytest.fixture(scope="module")
def judges():
    return {str(one.id): one.judge for one in load(CATALOGUE) if one.judge is not None}


def test_the_page_carries_the_table_that_the_code_makes():
    page = (CATALOGUE.root / "docs/reference/targets.md").read_text(encoding="utf-8")
    told = "the table is older than the diagnostics: python deploy/reference_tables.py"
    assert needs_table(load(CATALOGUE)) in page, told


@pytest.mark.parametrize(
    ("problem", "named", "expected"),
    [
        ("streaming.tls-handshake-cost", {"url"}, True),
        ("streaming.tls-handshake-cost", {"pid"}, False),
        ("streaming.tls-handshake-cost", {"admin"}, True),
        ("streaming.ephemeral-port-exhaustion", set(), True),
        ("streaming.ephemeral-port-exhaustion", {"url"}, False),  # it would judge this machine, not the URL
        ("streaming.dead-peer-unnoticed", {"cgroup"}, False),
        ("streaming.dead-peer-unnoticed", {"url"}, True),
        ("streaming.listen-backlog-overflow", {"url"}, True),
        ("streaming.listen-backlog-overflow", set(), True),
        ("streaming.high-fanout-latency", {"url"}, False),  # it would send: only where the target names a channel
        ("streaming.high-fanout-latency", {"url", "fanout"}, True),
    ],
)
def test_a_field_is_enough_if_something_is_read_from_it(judges, problem, named, expected):
    assert enough(judges[problem], named) is expected


def test_what_is_enough_only_together_or_has_no_column_stands_in_the_last_one():
    rows = {row.split("`")[1]: row.rsplit("|", 2)[1].strip() for row in needs_table(load(CATALOGUE)).splitlines()[2:]}
    assert rows["deployment.column-order-swapped"] == "`golden` + `model` + `url`"
    assert rows["deployment.corrupted-artifact"] == "`artefact`; `registry`"
    assert rows["streaming.high-fanout-latency"] == ""  # its columns say it
    assert rows["host.oom-killed"] == ""
