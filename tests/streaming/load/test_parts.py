"""Small parts: schedule, pump, plan, uptime, letters, samples, plots, progress."""

import asyncio
import io
import re
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.load.letters import Letters, pack
from plumbline.streaming.load.plan import Plan, processes
from plumbline.streaming.load.progress import Progress, milliseconds
from plumbline.streaming.load.pump import Pump, steady
from plumbline.streaming.load.records import Second
from plumbline.streaming.load.report.plots import Line, bars, lines
from plumbline.streaming.load.sampling import Sampler, server_pids, sockstat
from plumbline.streaming.load.scenario import scenario
from plumbline.streaming.load.schedule import due
from plumbline.streaming.load.uptime import Uptime


@given(
    st.floats(1, 500),
    st.integers(1, 20),
    st.integers(1, 5),
    st.none() | st.integers(0, 9),
)
def test_the_publishers_of_a_group_share_its_schedule_without_a_gap_or_an_overlap(per_s, channels, parts, seed):
    whole = list(due(10.0, 12.0, per_s, channels, random_seed=seed))
    shares = [list(due(10.0, 12.0, per_s, channels, part=part, parts=parts, random_seed=seed)) for part in range(parts)]
    assert sorted((one.at, one.channel) for share in shares for one in share) == [
        (one.at, one.channel) for one in whole
    ]
    owners = {one.channel: part for part, share in enumerate(shares) for one in share}
    assert all(channel % parts == part for channel, part in owners.items())
    assert all(10.0 <= one.at < 12.0 for one in whole)


def test_even_gaps_make_the_asked_rate_and_random_ones_come_near():
    assert len(list(due(0.0, 100.0, 50, 3))) == 5000
    assert len(list(due(0.0, 100.0, 50, 3, random_seed=1))) == pytest.approx(5000, rel=0.05)


@given(st.floats(1, 100), st.integers(1, 7))
def test_processes_share_a_steady_rate(per_s, parts):
    whole = list(steady(0.0, 3.0, per_s))
    shared = [one for part in range(parts) for one in steady(0.0, 3.0, per_s, part=part, parts=parts)]
    assert sorted(shared) == whole


def test_a_late_pump_does_everything_that_was_due_with_its_due_time():
    now = [0.0]
    done = []

    async def late():
        pump = Pump(clock=lambda: now[0])
        pump.add(iter([(at / 10, at) for at in range(10)]), lambda at, what: done.append((at, what)))
        now[0] = 100.0  # a stall: all ten are due
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        pump.clear()

    asyncio.run(late())
    assert done == [(at / 10, at) for at in range(10)]


def test_every_reader_of_a_group_is_dealt_out_once_over_all_processes():
    made = scenario(
        {
            "connections": 10,
            "groups": [{"name": "s", "channels": 5, "readers": 4, "publishers": 2}, {"name": "l", "mode": "latest"}],
            "phases": [{"name": "a", "seconds": 1}],
        },
        "x",
    )
    roles = [role for process in range(3) for role in Plan(made, "run").roles(process, 3)]
    assert sorted(role.number for role in roles) == list(range(13))
    reads = [channel for role in roles for channel, mode in role.reads if mode == "all"]
    assert sorted(reads) == sorted(f"run.s.{index}" for index in range(5) for _ in range(4))
    assert sum(("run.l.0", "latest") in role.reads for role in roles) == 10
    assert [(role.group, role.part) for role in roles if role.group] == [("s", 0), ("s", 1), ("l", 0)] or sorted(
        (role.group, role.part) for role in roles if role.group
    ) == [("l", 0), ("s", 0), ("s", 1)]


def test_no_process_holds_more_sockets_than_it_may_have_descriptors():
    made = scenario({"connections": 30_000, "phases": [{"name": "a", "seconds": 1}]}, "x")
    assert processes(made) == 2
    assert processes(made, at_least=3) == 3


def test_uptime_is_exact_between_changes():
    one = Uptime(0.0)
    one.change(10.0, up=2, wanted=2)
    one.change(15.0, up=-1)
    one.change(20.0, up=1)
    one.advance(30.0)
    assert (one.up_s, one.wanted_s) == (35.0, 40.0)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3), max_size=5), st.data())
def test_letters_survive_any_cut(letters, data):
    sent = b"".join(map(pack, letters))
    at = data.draw(st.integers(0, len(sent)))
    box = Letters()
    assert box.feed(sent[:at]) + box.feed(sent[at:]) == letters


def test_sockstat_is_read_by_name():
    text = "sockets: used 22\nTCP: inuse 1 orphan 0 tw 12 alloc 1 mem 7\nUDP: inuse 0 mem 0\n"
    assert sockstat(text) == {"inuse": 1, "orphan": 0, "tw": 12, "alloc": 1, "mem": 7}
    assert sockstat("") == {}


def test_a_sample_covers_the_time_since_the_one_before():
    import os

    now = [0.0]
    sampler = Sampler(lambda: [os.getpid(), 2**22 + 1], [os.getpid()], clock=lambda: now[0])
    sampler.take()
    now[0] = 2.0
    sample = sampler.take()
    (mine,) = sample.servers  # who is not there is left out
    assert mine.pid == os.getpid()
    assert mine.descriptors > 0
    assert mine.descriptors_limit >= mine.descriptors
    assert (sample.kernel is not None) == (sys.platform == "linux")
    assert server_pids([os.getpid()], ["/no/such/admin.sock"])[0] == os.getpid()


def parsed(figure):
    return ET.fromstring(figure.replace("&nbsp;", " "))


def test_a_plot_follows_the_pages_own_colours_and_has_a_name():
    drawn = lines(
        'A "plot" & more',
        [Line("a", [1, 2], [3, 4]), Line("b", [1, 2], [0, 1])],
        x="s",
        y="ms",
        log_y=True,
        marks=[(1.5, "kill")],
    )
    root = parsed(drawn)
    svg = root[0]
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'A "plot" & more'
    assert root[1].text == 'A "plot" & more'
    assert "currentColor" in drawn
    assert "#010203" not in drawn
    assert "http" not in re.sub(r"xmlns(:xlink)?=.http[^\"]*\"", "", drawn.replace("'", '"'))


def test_two_plots_on_one_page_share_no_id():
    ids = [
        re.findall(r'\bid="([^"]+)"', plot)
        for plot in (bars("one", ["a"], [1], x="s"), bars("two", ["a"], [2000], x="s"))
    ]
    assert not set(ids[0]) & set(ids[1])


def test_a_plot_of_zeros_is_drawn_too():
    assert "<svg" in lines("zeros", [Line("a", [1], [0])], x="s", y="ms", log_y=True, log_x=True)


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("ys", [[1000, 1000, 1001], [43.2] * 3, [0.001] * 3, [5, 6, 40]])
def test_there_is_room_above_a_line_however_flat_it_is(ys, log_y):
    drawn = lines("flat", [Line("a", [1, 2, 3], ys)], x="s", y="ms", log_y=log_y)
    top = float(re.search(r'<clipPath.*?<rect x="[^"]+" y="([^"]+)"', drawn, re.DOTALL)[1])
    path = re.search(r'<path d="([^"]+)"[^>]+stroke: #2a7fd4', drawn)[1]
    heights = [float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", path)]
    assert len(heights) == 3
    assert min(heights) > top + 2


def test_one_point_alone_is_seen():
    assert "<use" in lines("one", [Line("a", [1], [5])], x="s", y="ms").partition('id="one-line2d')[2]


@pytest.mark.parametrize("live", [False, True])
def test_progress_says_how_it_goes(live):
    stream = io.StringIO()
    totals = {"links": 10, "closes": 1, "failures": 2}
    with Progress(stream, live=live) as progress:
        progress(Second(1.0, "ramp", up=5), totals)
        progress(Second(2.0, "load", up=10, deliveries=1500, p50_s=0.001, p99_s=0.02), totals)
    if not live:
        first, second = stream.getvalue().splitlines()
        assert "connected 5 of 10" in first
        assert "deliveries/s 1,500" in second
        assert "p99 20 ms" in second


def test_durations_are_written_as_people_read_them():
    assert [milliseconds(value) for value in (0.00042, 0.018, 2.314)] == ["0.42 ms", "18 ms", "2.31 s"]
