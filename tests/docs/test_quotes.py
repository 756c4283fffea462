"""Figures in sentences come from the benchmarks' results, and from nowhere else."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks/streaming"
MACHINE = {"cpu": "a processor", "cores": 2, "load_average": [1.5, 1.0, 0.5]}
RUN = {
    "command": "python benchmarks/streaming/one.py",
    "date": "2026-01-02",
    "commit": "abc",
    "machine": MACHINE,
    "versions": {"nats-server": "2.15.1"},
}
HOP = {"p50_ms": 0.6, "p99_ms": 1.25}
BLOCK = re.compile(r"<!-- figures of .*?<!-- end of the figures -->", re.DOTALL)
TIME = re.compile(r"\b\d[\d,.]* ?(?:µs|us|ns)\b")  # a cost: milliseconds are settings and limits more often
RESULTS = {
    "the floor": ({"floor": {"cpu_us_per_delivery": 8.25}}, {"connections": 14_000}, "15,000 times 8.25 µs are 124 ms"),
    "handshakes": ({"plain": {"handshake_us": 70}, "tls": {"handshake_us": 560}}, {}, "8 times"),
    "the spread": ({"hashed": {"2": {"100": 1.04}}, "late": {"2": [2.0, 1.1]}}, {"late": 4000}, "| 2 | 1.040 |"),
    "tracing": ({"broker_ns": 100, "off_ns": 180, "hundredth_ns": 600, "all_ns": 40_100}, {}, "80 ns of CPU"),
    "the replay": ({"us": 0.571}, {"clients": 2000, "missed": 200}, "0.57 µs"),
    "the relay": (
        [
            {
                "workers": 1,
                "messages_per_s": 1e5,
                "supervisor_us": 4.04,
                "worker_us": 4.04,
                "publisher_us": 3.9,
                "reader_us": None,
                "messages_per_write": 510.2,
            }
        ],
        {},
        "| 1 | 100,000 | 4.0 | 4.0 | 3.9 |  | 510 |",
    ),
    "balancing": ({"late": {"2": [2.0, 1.12], "4": [4.0]}}, {"late": 4000}, "round by round: 2.00, 1.12 ("),
    "the cluster": (
        {
            "cluster": {
                "one_channel_per_s": 270_000,
                "hundred_channels_per_s": 26_000,
                "one_by_one_per_s": 6_000,
                "contended": {"acknowledged_per_s": 130_000, "collisions": 169},
                "hop": {"arrives": HOP, "acknowledged": HOP},
                "attached": {"channels": 1000, "new_s": 0.2, "told_after_s": 0.1, "anew_s": 0.08},
            },
            "sync_always": {"one_channel_per_s": 160_000, "one_by_one_per_s": 1700},
            "regions": {
                "mirror_hop": {"arrives": HOP},
                "acknowledged": 10_015,
                "hidden_by_the_loss": 35,
                "lag_seen_at_the_loss": 0,
                "follows_again_after_s": 0.21,
            },
        },
        {"bytes": 128},
        "| home killed under load | 35 of 10,015 acknowledged messages were hidden",
    ),
    "the client": ([{"client": "ours", "cpu_us": 5.91, "resident_kib": None}], {}, "| ours | 5.9 | - |"),
}


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(FOLDER))
    try:
        return runpy.run_path(str(FOLDER / "quotes.py"))
    finally:
        sys.path.remove(str(FOLDER))


def test_every_quotation_is_what_the_recorded_results_say():
    done = subprocess.run(
        [sys.executable, FOLDER / "quotes.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_quotation_is_tried_below(script):
    assert set(RESULTS) == set(script["QUOTES"])


@pytest.mark.parametrize("name", RESULTS)
def test_a_new_result_makes_a_new_sentence_with_its_command(script, name):
    results, bounds, said = RESULTS[name]
    text = script["QUOTES"][name].text(RUN | {"results": results, "bounds": bounds})
    assert said in text
    assert "`python benchmarks/streaming/one.py`, 2026-01-02, commit abc" in text


def test_what_is_not_recorded_says_how_to_record_it(script, tmp_path, monkeypatch):
    monkeypatch.setitem(script["quoted"].__globals__, "RESULTS", tmp_path)
    assert script["quoted"]("the floor") == "Not recorded yet: `python benchmarks/streaming/broadcast.py`."
    (tmp_path / "replay.json").write_text(
        json.dumps(RUN | {"results": {"us": 1}, "bounds": {"clients": 1, "missed": 2}})
    )
    assert "1.00 µs" in script["quoted"]("the replay")


def test_a_page_that_lost_a_mark_is_named(script):
    with pytest.raises(SystemExit, match=r"reference/gateway.md: the marks"):
        script["written"]("reference/gateway.md", "# A page without marks\n")


@pytest.mark.parametrize("page", sorted((ROOT / "docs/infrastructure").glob("*.md")), ids=lambda page: page.stem)
def test_no_page_has_a_cost_that_was_typed_in(page):
    typed = TIME.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))
    assert page.stem == "benchmarks" or not typed
