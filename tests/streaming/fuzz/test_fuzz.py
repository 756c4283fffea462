"""The fuzzed targets on every run: with seeds, with what once broke them, and with what Hypothesis thinks of."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .seeds import FOLDER, SEEDS
from .targets import TARGETS

CRASHERS = Path(__file__).parent / "crashers"  # what `make fuzz` found, named by its target


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_keep_what_the_target_promises(name):
    seeds = st.sampled_from(SEEDS[name])
    mixed = st.tuples(seeds, st.binary(max_size=20), st.integers(0, 60)).map(
        lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] :]
    )

    @given(st.binary(max_size=400) | mixed)
    @settings(max_examples=150, deadline=None)
    def anything(data):
        TARGETS[name](data)

    anything()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_once_broke_a_target_keep_what_it_promises(name):
    assert sorted(path.read_bytes() for path in (FOLDER / name).iterdir()) == sorted(SEEDS[name])
    for seed in [*SEEDS[name], *(path.read_bytes() for path in CRASHERS.glob(f"{name}-*"))]:
        TARGETS[name](seed)
