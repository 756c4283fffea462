"""Each limit, in synthetic samples: the finder names it and says its figures."""

import pytest

from plumbline.streaming.load.bottleneck import find
from plumbline.streaming.load.limits import Load
from plumbline.streaming.load.sampling import KernelSample, ProcessSample, Sample

CALM = Load(failures={})


def process(pid=1, *, busy=0.2, descriptors=100, waited=None):
    return ProcessSample(pid, "python", busy, busy, descriptors, 20_000, 1 << 20, waited)


def kernel(*, cpu=0.4, pages=100, overflows=0, time_wait=0):
    return KernelSample(cpu, 2, pages, 1000, 50, time_wait, overflows, overflows, 0, 1.0)


def samples(*, server=None, generator=None, machine=None, gateway=(), count=10):
    one = (server or process(1),), (generator or process(2),)
    return [Sample(float(at), *one, machine or kernel(), gateway) for at in range(count)]


LIMITS = {
    "ports": (samples(machine=kernel(time_wait=9)), Load({"ports": 7}), "generator", "ran out of ports: 7 attempts"),
    "descriptors": (samples(server=process(descriptors=19_500)), CALM, "server", "19,500 of 20,000 (98%)"),
    "accept-queue": (samples(machine=kernel(overflows=3)), CALM, "server", "overflowed 30 times"),
    "kernel-memory": (samples(machine=kernel(pages=990)), CALM, "kernel", "990 of 1,000 pages (tcp_mem)"),
    "nobody": (
        samples(),
        Load({"refused": 7}, connected=False, urls=("ws://x/",)),
        "server",
        "ws://x/: all 7 attempts",
    ),
    "generator": (samples(generator=process(5, busy=0.97)), CALM, "generator", "generator itself was the limit"),
    "server-cpu": (samples(server=process(6, busy=0.99)), CALM, "server", "used 99% of a core"),
    "loop-lag": (samples(gateway=({"loop_lag_s": 0.8},)), CALM, "server", "woke up to 0.80 s late"),
    "queues": (
        samples(gateway=({"fullest_queue_bytes": 900},)),
        Load({}, queue_limit_bytes=1000),
        "server",
        "900 bytes of 1,000",
    ),
    "machine-cpu": (samples(machine=kernel(cpu=0.99)), CALM, "machine", "all 2 cores were in use (99%)"),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_the_limit_that_binds_is_named_with_its_figures(limit):
    taken, load, where, words = LIMITS[limit]
    found = find(taken, load)
    assert (found.limit, found.where) == (limit, where)
    assert words in found.sentence
    assert found.evidence


def test_no_limit_says_how_near_the_busiest_thread_came():
    found = find(samples(), CALM)
    assert found.limit == "none"
    assert "the server's busiest thread used 20% of a core" in found.sentence


def test_nothing_was_sampled_and_nothing_is_claimed():
    assert find([], CALM).sentence == "No limit was reached."


def test_a_generator_at_its_end_is_blamed_before_the_server():
    found = find(samples(server=process(1, busy=0.99), generator=process(2, busy=0.99)), CALM)
    assert found.limit == "generator"


def test_a_late_generator_loop_is_its_own_fault_unless_the_machine_is_full():
    late = Load({}, generator_lag_s=[0.5] * 10)
    assert find(samples(), late).limit == "generator"
    assert find(samples(machine=kernel(cpu=0.99)), late).limit == "machine-cpu"


def lagging(lags, waits):
    """Samples of a gateway that tells the worst of its last seconds, and of its thread's waits for a core."""
    return [
        Sample(
            float(at), (process(1, busy=0.1, waited=waited),), (process(2),), kernel(), ({"loop_lag_s": lag, "pid": 1},)
        )
        for at, (lag, waited) in enumerate(zip(lags, waits, strict=True))
    ]


def test_a_server_that_others_keep_from_the_processor_is_not_said_to_be_blocked():
    found = find(lagging([0.0, 0.0, 0.4, 0.4, 0.4], [None, 0.05, 0.35, 0.1, 0.1]), CALM)
    assert found.limit == "machine-cpu"
    assert found.sentence.startswith("Others had the processor: the server's event loop woke up to 0.40 s late")
    assert any("0.35 s of a second" in one for one in found.evidence)


def test_waits_in_other_seconds_than_that_of_the_stall_excuse_nothing():
    found = find(lagging([0.0, 0.0, 0.4, 0.4, 0.4], [None, 0.3, 0.01, 0.3, 0.3]), CALM)
    assert found.limit == "loop-lag"
    assert found.sentence.endswith("so something blocks it.")


def test_a_lag_from_before_the_first_sample_is_held_against_the_longest_wait():
    assert find(lagging([0.4] * 4, [None, 0.2, 0.0, 0.0]), CALM).limit == "machine-cpu"
    assert find(lagging([0.4] * 4, [None, 0.1, 0.0, 0.0]), CALM).limit == "loop-lag"


def test_where_the_kernel_tells_no_waits_both_reasons_are_left_open():
    found = find(lagging([0.4] * 4, [None] * 4), CALM)
    assert found.sentence.endswith("something blocks it, or others had the processor.")


def test_a_generator_that_others_keep_from_the_processor_is_not_its_own_limit():
    late = Load({}, generator_lag_s=[0.5] * 10)
    found = find(samples(generator=process(2, waited=0.4)), late)
    assert found.limit == "machine-cpu"
    assert "the generator's event loop woke up to 0.50 s late" in found.sentence
    assert find(samples(generator=process(2, waited=0.1)), late).limit == "generator"


def test_one_busy_second_is_no_bottleneck():
    taken = samples(count=9) + samples(server=process(1, busy=1.0), count=1)
    assert find(taken, CALM).limit == "none"


def test_descriptors_that_only_the_errors_tell_of_are_found_too():
    assert find(samples(), Load({"descriptors": 3})).sentence.startswith("The generator ran out of file descriptors: 3")


def test_readers_closed_for_being_slow_name_the_queue():
    assert "2 readers were closed for it" in find(samples(), Load({}, slow_closes=2)).sentence
