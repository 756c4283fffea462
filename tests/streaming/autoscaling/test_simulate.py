"""The simulator: connections that stay where they are, replicas that come late and go slowly, and what that costs."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.streaming.autoscaling.fleet import Fleet, Habits
from plumbline.streaming.autoscaling.loads import Load, LoadError, read, shape
from plumbline.streaming.autoscaling.plot import svg
from plumbline.streaming.autoscaling.policy import Down, Metric, Policy, Rate
from plumbline.streaming.autoscaling.report import html
from plumbline.streaming.autoscaling.simulate import Change, World, simulate, turns

POLICY = Policy(min_replicas=2, max_replicas=20, metrics=(Metric(name="connections", average_value=5000),))
STAY = Habits(startup_s=20, drain_s=60, lifetime_s=0)


def flat(count, duration_s=1800):
    return Load((0.0, float(duration_s)), (count, count), (0.0, 0.0), "flat")


def square(low=6000, high=40_000):
    return shape("square", low=low, high=high, period_s=1200, duration_s=7200, per_connection=0.1)


def test_a_load_at_its_target_changes_nothing():
    result = simulate(POLICY, flat(20_000), World(STAY))
    assert result.changes == ()
    assert {tick.ready for tick in result.ticks} == {4}
    assert result.summary.reconnects == 0
    assert result.summary.replica_hours == pytest.approx(4 * 0.5, rel=0.01)


def test_a_new_replica_takes_no_load_from_the_old_ones_unless_connections_end():
    load = Load((0.0, 1.0, 1800.0), (8000.0, 30_000.0, 30_000.0), (0.0,) * 3, "jump")
    stays = simulate(POLICY, load, World(STAY))
    moves = simulate(POLICY, load, World(Habits(20, 60, lifetime_s=600)))
    assert stays.ticks[-1].ready >= 6
    assert stays.ticks[-1].fullest == pytest.approx(15_000, rel=0.01)
    assert moves.ticks[-1].fullest < stays.ticks[-1].fullest / 2
    assert stays.summary.overloaded_s > moves.summary.overloaded_s


def test_a_replica_that_goes_sends_all_its_clients_elsewhere_over_its_drain():
    load = Load((0.0, 600.0, 601.0, 3000.0), (20_000.0, 20_000.0, 10_000.0, 10_000.0), (0.0,) * 4, "drop")
    result = simulate(POLICY, load, World(STAY))
    assert [(one.before, one.after) for one in result.changes] == [(4, 2)]
    assert result.summary.reconnects == pytest.approx(5000, rel=0.05)
    assert result.summary.worst_reconnects_per_s == pytest.approx(5000 / 60, rel=0.2)
    assert result.summary.unserved_client_s == 0


def test_a_longer_window_ends_the_flapping_and_costs_replicas():
    quick = simulate(POLICY, square(), World())
    down = Down(stabilization_s=1800, rates=(Rate(type="pods", value=1, period_s=300),))
    patient = simulate(POLICY.model_copy(update={"down": down}), square(), World())
    assert quick.summary.turns_per_hour >= 4
    assert patient.summary.turns_per_hour == 0
    assert patient.summary.replica_hours > quick.summary.replica_hours
    assert patient.summary.overloaded_s < quick.summary.overloaded_s


def test_turns_are_changes_of_direction_in_the_worst_hour():
    at = [(0, 2, 4), (100, 4, 5), (200, 5, 3), (300, 3, 6), (9000, 6, 2)]
    assert turns([Change(when, before, after, ()) for when, before, after in at]) == 2


@given(
    count=st.integers(1, 6),
    wanted=st.floats(0, 1e5),
    spread=st.sampled_from(["least", "even"]),
    lifetime=st.sampled_from([0.0, 60.0, 3600.0]),
    keep=st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_no_client_is_lost_or_made_whatever_comes_and_goes(count, wanted, spread, lifetime, keep):
    fleet = Fleet(Habits(10, 30, lifetime, spread, "fewest"))
    fleet.scale(count, 0.0, warm=True)
    for now in range(60):
        if now == 20:
            fleet.scale(min(keep, count), float(now))
        fleet.step(wanted, float(now), 1.0)
        held = sum(one.connections for one in fleet.members) + fleet.waiting
        assert held == pytest.approx(wanted, rel=1e-6, abs=1e-6)
        assert all(one.connections >= 0 for one in fleet.members)
    assert len(fleet.members) == min(keep, count)


def test_least_connections_fills_the_emptiest_first():
    fleet = Fleet(Habits(spread="least"))
    fleet.scale(1, 0.0, warm=True)
    fleet.step(900, 0.0, 0.0)
    fleet.scale(3, 1.0, warm=True)
    fleet.step(1500, 1.0, 0.0)
    assert sorted(round(one.connections) for one in fleet.members) == [300, 300, 900]


def test_clients_wait_while_no_replica_is_ready():
    fleet = Fleet(Habits(startup_s=10))
    fleet.scale(1, 0.0)
    fleet.step(100, 0.0, 1.0)
    assert fleet.waiting == 100
    fleet.step(100, 10.0, 1.0)
    assert fleet.waiting == 0


def test_the_picture_and_the_page_hold_every_policy_and_parse():
    results = {"a <b>": simulate(POLICY, square()), "other": simulate(POLICY, square(), World(STAY, price_per_hour=1))}
    page = html(results, square(), 1.0)
    assert "a &lt;b&gt;" in page
    assert "<script" not in page
    assert '<th scope="col" class="text">Why</th>' in page
    root = ET.fromstring(svg(results))
    assert root.tag.endswith("svg")
    with pytest.raises(ValueError, match="between one and 4"):
        svg({})


def test_the_legend_names_every_line_and_stands_above_the_charts():
    root = ET.fromstring(svg({"one": simulate(POLICY, square()), "other": simulate(POLICY, square())}))
    at = {text.text: float(text.get("y")) for text in root.iter("{http://www.w3.org/2000/svg}text")}
    legend = [at[name] for name in ("one", "other", "all clients (right scale)")]
    assert max(legend) < at["Replicas asked for"]


def test_json_has_a_column_for_each_number():
    body = simulate(POLICY, flat(20_000)).as_json()
    assert {len(column) for column in body["ticks"].values()} == {1801}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t,connections\n", "has no column t_s, deliveries_per_second"),
        ("t_s,connections,deliveries_per_second\n0,1,1\n", "two rows at least"),
        ("t_s,connections,deliveries_per_second\n0,1,1\n0,1,1\n", ":3: t_s must grow"),
        ("t_s,connections,deliveries_per_second\n0,x,1\n1,1,1\n", ":2: every column wants a number"),
        ("t_s,connections,deliveries_per_second\n0,-1,1\n1,1,1\n", ":2: numbers must be finite"),
        ("t_s,connections,deliveries_per_second\n0,1,1\n9999999,1,1\n", "longer than 31 days"),
    ],
)
def test_a_recorded_load_that_is_wrong_is_named_with_its_line(tmp_path, text, said):
    (tmp_path / "load.csv").write_text(text)
    with pytest.raises(LoadError, match=said):
        read(tmp_path / "load.csv")


def test_a_recorded_load_is_read_with_straight_lines_between_its_points(tmp_path):
    (tmp_path / "load.csv").write_text("t_s,connections,deliveries_per_second\n100,0,0\n200,1000,50\n")
    load = read(tmp_path / "load.csv")
    assert load.duration_s == 100
    assert load.now(50) == (500, 25)
    assert load.now(1e9) == (1000, 50)


def test_an_unknown_shape_names_those_that_are_known():
    with pytest.raises(LoadError, match="known are daily, square, step, spike"):
        shape("circle", low=0, high=1, period_s=1, duration_s=1, per_connection=0)
    with pytest.raises(LoadError, match="0 <= low <= high"):
        shape("step", low=2, high=1, period_s=1, duration_s=1, per_connection=0)
