"""The capacity page's formulas: more load never needs less, and figures of full runs are preferred."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "benchmarks/streaming"
DATA = json.loads((ROOT / "docs/assets/data/capacity.json").read_text())


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(FOLDER))
    try:
        return runpy.run_path(str(FOLDER / "capacity.py"))
    finally:
        sys.path.remove(str(FOLDER))


LOAD = st.fixed_dictionaries(
    {
        "connections": st.integers(1, 10**6),
        "subscriptions": st.integers(1, 100),
        "messages_per_s": st.floats(0, 10**5),
        "fan_out": st.floats(0, 10**5),
        "message_bytes": st.integers(1, 10**6),
        "heartbeat_s": st.sampled_from([0, 1, 25, 300]),
        "tls": st.booleans(),
        "slow_percent": st.floats(0, 100),
        "queue_bytes": st.integers(1024, 1 << 24),
        "lifetime_min": st.sampled_from([0, 1, 60]),
        "busy_percent": st.integers(5, 95),
    }
)


@given(LOAD, st.sampled_from(["messages_per_s", "message_bytes", "queue_bytes", "slow_percent", "subscriptions"]))
def test_more_of_anything_never_needs_less(script, load, key):
    before, after = script["plan"](load, DATA), script["plan"]({**load, key: load[key] * 2}, DATA)
    for name in ("cores", "workers", "out_bits_per_s", "nats_in_per_s", "nats_out_per_s", "deliveries_per_s"):
        assert after[name] >= before[name], name
    assert all(value >= 0 for value in after.values())


@given(LOAD)
def test_no_worker_holds_more_than_it_may(script, load):
    found = script["plan"](load, DATA)
    assert load["connections"] <= found["workers"] * DATA["settings"]["max_connections"]
    assert found["descriptors"] > load["connections"] / found["workers"]


@given(LOAD)
def test_tls_costs_and_a_lifetime_costs(script, load):
    plain, tls = (script["plan"]({**load, "tls": tls}, DATA) for tls in (False, True))
    assert tls["cores"] >= plain["cores"]
    assert tls["resident_bytes"] > plain["resident_bytes"]
    endless, hour = (script["plan"]({**load, "lifetime_min": minutes}, DATA) for minutes in (0, 60))
    assert hour["cores"] > endless["cores"]


def test_full_runs_are_preferred_where_they_are_recorded(script, tmp_path, monkeypatch):
    kept = json.loads((FOLDER / "results/sizing.json").read_text())
    hold = {"one worker": {"resident_bytes_per_connection": 4321, "slab_bytes_per_socket": 3210}}
    for name, results in {"sizing": kept["results"], "hold": hold}.items():
        run = {**kept, "results": results, "command": f"python benchmarks/streaming/{name}.py"}
        (tmp_path / f"{name}.json").write_text(json.dumps(run))
    monkeypatch.setitem(script["constants"].__globals__, "RESULTS", tmp_path)
    found = script["constants"]()
    assert found["figures"]["connection_bytes"] == {"value": 4321, "run": "hold"}
    assert found["figures"]["delivery_us"]["run"] == "sizing"
    assert set(found["runs"]) == {"hold", "sizing"}


def test_without_any_figures_it_says_what_makes_them(script, tmp_path, monkeypatch):
    monkeypatch.setitem(script["constants"].__globals__, "RESULTS", tmp_path)
    with pytest.raises(SystemExit, match=r"sizing\.py makes it"):
        script["constants"]()
