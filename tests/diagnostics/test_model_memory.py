"""`deployment.model-memory`: growth of private memory, divided by loads, and what comes between them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.deployment.evidence_growing import ServerMemory
from plumbline.diagnosis import Status

ID = "deployment.model-memory"
MIB = 1 << 20
LEVEL = ServerMemory(
    window_s=60.0,
    private_bytes=400 * MIB,
    growth_bytes=0,
    steady=False,
    loads=20,
    requests=900,
    quiet=12,
    quiet_growth_bytes=0,
    mapped_growth_bytes=30 * MIB,
    threads_growth=0,
)
LEAK = replace(LEVEL, growth_bytes=100 * MIB, steady=True, threads_growth=20)


def test_memory_that_comes_back_after_each_load_is_ok_and_so_is_mapped_weight(judge):
    finding = judge(ID)(LEVEL, None)
    assert finding.status is Status.OK
    assert "400.0 MiB to 400.0 MiB in 60 s, with 20 loads and 900 requests: level" in finding.sentence


def test_what_stays_of_each_load_is_the_cause_with_threads_and_the_loads_that_are_left(judge):
    limit = SimpleNamespace(limit_bytes=500 * MIB, working_set_bytes=400 * MIB)
    finding = judge(ID)(LEAK, limit)
    assert (finding.status, finding.cause) == (Status.WARNING, "kept-on-reload")
    assert "5.0 MiB stays of each load" in finding.sentence
    assert "+20 threads; 20 more until its limit of 500.0 MiB" in finding.sentence


def test_growth_between_loads_is_not_the_loads(judge):
    finding = judge(ID)(replace(LEAK, quiet_growth_bytes=60 * MIB), None)
    assert (finding.status, finding.cause) == (Status.WARNING, "grows-with-time")
    assert judge(ID)(replace(LEAK, quiet_growth_bytes=40 * MIB), None).cause == "kept-on-reload"
    assert judge(ID)(replace(LEAK, quiet_growth_bytes=60 * MIB, quiet=2), None).cause == "kept-on-reload"


@pytest.mark.parametrize("loads", [None, 0, 2])
def test_without_enough_loads_only_much_growth_is_named(judge, loads):
    assert judge(ID)(replace(LEAK, loads=loads), None).cause == "grows-with-time"
    assert judge(ID)(replace(LEAK, loads=loads, growth_bytes=7 * MIB), None).status is Status.OK


def test_a_step_and_what_a_server_without_a_leak_keeps_are_ok(judge):
    assert judge(ID)(replace(LEAK, steady=False), None).status is Status.OK
    assert judge(ID)(replace(LEAK, growth_bytes=300 * 8700, loads=300), None).status is Status.OK


counts = st.none() | st.integers(0, 400)


@given(st.integers(-50 * MIB, 50 * MIB), st.booleans(), counts, st.integers(0, 30), st.integers(-MIB, 50 * MIB))
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, growth, steady, loads, quiet, between):
    memory = replace(LEAK, growth_bytes=growth, steady=steady, loads=loads, quiet=quiet, quiet_growth_bytes=between)
    finding = judge(ID)(memory, None)
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)
