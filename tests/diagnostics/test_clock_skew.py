"""`host.clock-skew`: only what is certain counts, and three clocks are needed to blame one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.diagnosis import Status
from plumbline.host.clockskew import Clock, ClockSkew

ID = "host.clock-skew"


def clock(offset_s, uncertainty_s=0.001, name="ntp://time.example"):
    return Clock(name, "ntp", offset_s, uncertainty_s, "" if offset_s is not None else "timed out")


def skew(*clocks, token=None, kept=True):
    return ClockSkew(clocks=clocks, token_ahead_s=token, disciplined=kept, max_error_s=0.002)


@pytest.fixture(scope="module")
def judge_clocks(judge):
    return judge(ID)


def test_clocks_that_agree_are_ok(judge_clocks):
    finding = judge_clocks(skew(clock(0.002), clock(-0.3, 0.6)))
    assert finding.status is Status.OK
    assert "give or take 0.001 s" in finding.sentence


def test_a_kernel_that_keeps_its_clock_is_ok(judge_clocks):
    assert judge_clocks(skew()).status is Status.OK


def test_one_clock_against_the_others_is_its_own_fault(judge_clocks):
    finding = judge_clocks(skew(clock(0.0), clock(90.0, 0.6, "https://login.example/"), clock(0.01)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "peer-clock-off")
    assert "https://login.example/ is 90 s ahead of this machine, give or take 0.6 s" in finding.sentence


def test_all_others_against_us_is_our_fault(judge_clocks):
    finding = judge_clocks(skew(clock(-7.0), clock(-7.01)))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "own-clock-off")
    assert "behind this machine" in finding.sentence


def test_two_clocks_alone_cannot_tell(judge_clocks):
    assert judge_clocks(skew(clock(5.0), clock(None))).cause == "clocks-differ"


def test_what_is_not_certain_is_no_difference(judge_clocks):
    assert judge_clocks(skew(clock(5.0, 5.0))).status is Status.OK


def test_a_small_certain_difference_is_a_warning_and_a_second_is_critical(judge_clocks, load):
    module = load(ID)
    drifted, breaks = module.DRIFTED.value, module.BREAKS.value
    assert judge_clocks(skew(clock(drifted, 0.0), clock(0))).status is Status.OK
    assert judge_clocks(skew(clock(drifted + 0.01, 0.0), clock(0))).status is Status.WARNING
    assert judge_clocks(skew(clock(-breaks, 0.0), clock(0))).status is Status.CRITICAL


def test_a_token_from_the_future_is_red_though_all_clocks_agree(judge_clocks):
    finding = judge_clocks(skew(clock(0.0), token=45.0))
    assert (finding.status, finding.cause) == (Status.CRITICAL, "token-from-the-future")
    assert judge_clocks(skew(clock(0.0), token=-45.0)).status is Status.OK


def test_every_declared_cause_can_be_found(judge_clocks, declared_causes):
    found = {
        judge_clocks(skew(clock(0.0), clock(0.0), clock(9.0))).cause,
        judge_clocks(skew(clock(9.0), clock(9.0))).cause,
        judge_clocks(skew(clock(9.0))).cause,
        judge_clocks(skew(clock(0.0), token=9.0)).cause,
    }
    assert found == declared_causes(ID)


clocks = st.lists(st.builds(clock, st.none() | st.floats(-1e5, 1e5), st.floats(0, 100)), max_size=6)


@given(found=clocks)
def test_it_is_red_exactly_if_some_clock_is_certainly_off(judge_clocks, load, found):
    limit = load(ID).DRIFTED.value
    assert judge_clocks(skew(*found)).status.red == any(one.off(limit) for one in found)
