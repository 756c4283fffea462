"""The benchmarks run: seconds and few connections; what they find is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ("hold", "fanout", "broadcast", "saturation", "scaling", "storm", "soak", "sizing")


def script(name, *words, **options):
    command = [sys.executable, str(ROOT / "benchmarks/streaming" / f"{name}.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


@pytest.mark.skipif(sys.platform != "linux", reason="the floor is made of epoll, costs of schedstat")
def test_the_gateway_and_the_bare_c_server_meet_the_same_generator():
    done = script("broadcast", "--quick", "--peers", "floor,plumbline")
    assert done.returncode == 0, done.stderr
    kept = json.loads((ROOT / ".plumbline/bench/quick/broadcast.json").read_text())
    assert set(kept["results"]) == {"floor", "plumbline"}
    for row in kept["results"].values():
        assert row["deliveries"] == 200 * 3
        assert row["lost"] == 0
        assert row["cpu_us_per_delivery"] > 0
    assert kept["machine"]["load_average"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_does_and_where_it_ends(name):
    source = (ROOT / "benchmarks/streaming" / f"{name}.py").read_text(encoding="utf-8")
    compile(source, name, "exec")
    about = source.split('"""')[1]
    assert f"python benchmarks/streaming/{name}.py" in about
    assert "Bounds:" in about


def test_the_page_of_the_benchmarks_is_made_of_their_results():
    done = script("page", "--check")
    assert done.returncode == 0, done.stderr
