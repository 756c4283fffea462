"""`streaming.uneven-connections`: chance is told from habit, and ages tell why."""

from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.streaming.evidence import Worker, Workers

ID = "streaming.uneven-connections"


def worker(number, connections, age=3600.0, state="ready"):
    return Worker(f"worker-{number}", 100 + number, state, connections, uptime_s=age)


def spread(*rows):
    return Workers(tuple(worker(number, *row) for number, row in enumerate(rows)))


def test_an_even_spread_is_ok_and_says_the_counts(judge):
    finding = judge(ID)(spread((510,), (490,)))
    assert finding.status is Status.OK
    assert "worker-0 510, worker-1 490" in finding.sentence


def test_a_late_worker_that_stays_empty_is_told_from_old_connections(judge):
    finding = judge(ID)(spread((4000,), (12, 600.0)))
    assert (finding.status, finding.cause) == (Status.WARNING, "old-connections-stay")
    assert "plumb gateway balance" in finding.next[0]


def test_one_of_four_with_everybody_is_critical(judge):
    finding = judge(ID)(spread((4000,), (0, 5.0), (0, 5.0), (0, 5.0)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "old-connections-stay")


def test_a_worker_of_the_same_age_without_anybody_does_not_accept(judge):
    assert judge(ID)(spread((400,), (400,), (400,), (0,))).cause is None  # a third above the mean is left alone
    assert judge(ID)(spread((400,), (0,))).cause == "worker-does-not-accept"


def test_workers_of_one_age_that_all_accept_have_pinned_clients(judge):
    finding = judge(ID)(spread((900,), (100,)))
    assert (finding.status, finding.cause) == (Status.WARNING, "clients-are-pinned")


def test_what_chance_explains_is_no_finding(judge):
    assert judge(ID)(spread((8,), (2,))).status is Status.OK
    assert judge(ID)(spread((80,), (2,))).status is Status.WARNING


def test_without_ages_the_most_frequent_cause_is_named(judge):
    rows = (Worker("pid 1", 1, "unknown", 900), Worker("pid 2", 2, "unknown", 10))
    assert judge(ID)(Workers(rows)).cause == "old-connections-stay"


def test_a_worker_that_drains_or_does_not_answer_is_left_out(judge):
    rows = (worker(0, 500), worker(1, 480), worker(2, 3, state="draining"), worker(3, None))
    assert judge(ID)(Workers(rows)).status is Status.OK


def test_one_worker_nobody_and_no_answer(judge):
    assert judge(ID)(spread((900,))).status is Status.OK
    assert judge(ID)(spread((0,), (0,))).status is Status.OK
    assert judge(ID)(spread((None,))).status is Status.UNKNOWN


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1e6)), min_size=1, max_size=6))
def test_every_red_finding_names_a_declared_cause(judge, declared_causes, rows):
    finding = judge(ID)(spread(*rows))
    assert finding.status.red == (finding.cause is not None)
    assert finding.cause is None or finding.cause in declared_causes(ID)


@given(st.integers(2, 8), st.integers(1, 5000))
def test_an_even_spread_is_never_red_whatever_its_size(judge, many, each):
    assert judge(ID)(spread(*[(each,)] * many)).status is Status.OK
