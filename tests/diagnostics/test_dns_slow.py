"""`host.dns-slow`: what one lookup costs, and of what: a silent server, a slow one, many names, nobody."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.names import NameResolution, NameServer

ID = "host.dns-slow"
QUICK = NameServer("10.0.0.2", 3, 3, False, 0.002, "NOERROR")
SILENT = NameServer("10.0.0.1", 3, 0, False, None, "")
REFUSED = NameServer("10.0.0.3", 3, 0, True, None, "")
HEALTHY = NameResolution(
    path="/etc/resolv.conf", servers=(QUICK,), search=0, ndots=1, timeout_s=5.0, attempts=2, rotate=False, tried=1,
    patience_s=1.5, getaddrinfo_s=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def names(judge):
    return judge(ID)


def test_a_quick_resolver_is_ok(names):
    finding = names(HEALTHY)
    assert finding.status is Status.OK
    assert "0 servers of 1 silent" in finding.sentence


@pytest.mark.parametrize("rotate", [False, True])
def test_a_silent_first_server_is_critical(names, rotate):
    finding = names(replace(HEALTHY, servers=(SILENT, QUICK), rotate=rotate))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "first-server-silent")


def test_a_silent_server_behind_a_good_one_is_ok_and_so_is_a_refused_one_before_it(names):
    assert names(replace(HEALTHY, servers=(QUICK, SILENT))).status is Status.OK
    assert names(replace(HEALTHY, servers=(REFUSED, QUICK))).status is Status.OK


def test_with_rotate_a_silent_second_server_is_felt_too(names):
    assert names(replace(HEALTHY, servers=(QUICK, SILENT), rotate=True)).cause == "first-server-silent"


def test_a_slow_answer_is_the_resolver(names):
    finding = names(replace(HEALTHY, servers=(replace(QUICK, median_s=0.7),)))
    assert (finding.status, finding.cause) == (Status.WARNING, "resolver-slow")


def test_lost_answers_are_the_resolver(names):
    assert names(replace(HEALTHY, servers=(replace(QUICK, answered=2),), tried=4)).cause == "resolver-slow"


def test_many_names_of_quick_answers_are_the_search_list(names):
    finding = names(replace(HEALTHY, servers=(replace(QUICK, median_s=0.15),), tried=7))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "search-multiplies")


@pytest.mark.parametrize("server", [SILENT, REFUSED, replace(QUICK, rcode="SERVFAIL")])
def test_nobody_that_works_is_critical_however_quickly_it_fails(names, server):
    finding = names(replace(HEALTHY, servers=(server,)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "no-server-answers")


def test_the_systems_own_resolver_being_slow_counts_as_well(names):
    assert names(replace(HEALTHY, getaddrinfo_s=1.5)).status is Status.CRITICAL


def test_half_a_second_is_a_warning_and_below_is_ok(names, load):
    edge = load(ID).SLOW.value
    assert names(replace(HEALTHY, servers=(replace(QUICK, median_s=edge),))).status is Status.WARNING
    assert names(replace(HEALTHY, servers=(replace(QUICK, median_s=edge * 0.99),))).status is Status.OK


def test_every_declared_cause_can_be_found(names, declared_causes):
    found = {
        names(replace(HEALTHY, servers=(SILENT, QUICK))).cause,
        names(replace(HEALTHY, servers=(replace(QUICK, median_s=1.2),))).cause,
        names(replace(HEALTHY, servers=(replace(QUICK, median_s=0.2),), tried=4)).cause,
        names(replace(HEALTHY, servers=(SILENT,))).cause,
    }
    assert found == declared_causes(ID)


servers = st.lists(st.sampled_from([QUICK, SILENT, REFUSED]), min_size=1, max_size=3)


@given(found=servers, tried=st.integers(1, 4), rotate=st.booleans())
def test_the_sentence_carries_a_number_and_a_server_that_answers_first_is_never_red(names, found, tried, rotate):
    finding = names(replace(HEALTHY, servers=tuple(found), tried=tried, rotate=rotate))
    assert any(letter.isdigit() for letter in finding.sentence)
    assert not (finding.status.red and found[0] is QUICK and not rotate)
