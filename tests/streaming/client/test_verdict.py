"""What the end of a connection means for coming back."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming.client import verdict
from plumbline.streaming.core.closes import CODES

NOW = 1_800_000_000.0


@pytest.mark.parametrize("code", CODES)
def test_the_client_does_what_the_gateways_table_of_close_codes_says(code):
    told, judged = CODES[code].come_back, verdict.of_close(code, "")
    if "token" in told:
        assert judged.fresh_token
    else:
        assert judged.again == (not told.startswith("no"))
    assert (judged.at_least_s > 0) == (" s or more" in told)


@given(st.integers(4000, 4999).filter(lambda code: code not in CODES))
def test_a_private_code_that_is_not_known_follows_the_rule_of_its_range(code):
    assert verdict.of_close(code, "x").again == (code < 4500)


def test_no_code_is_a_lost_connection():
    assert verdict.of_close(None, "").code == 1006
    assert verdict.of_close(None, "").again


def test_the_sentence_says_code_label_and_reason():
    assert verdict.of_close(4008, "too slow").sentence == (
        "the gateway closed the connection with 4008 (slow-consumer): too slow"
    )


@pytest.mark.parametrize("status", [400, 403, 404, 410, 426, 301])
def test_a_handshake_that_can_never_succeed_is_not_repeated(status):
    assert not verdict.of_refusal(status, {}, "", NOW).again


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_handshake_that_may_succeed_later_is_repeated_when_the_server_says(status):
    judged = verdict.of_refusal(status, {"Retry-After": "7"}, "busy\nmore", NOW)
    assert judged.again
    assert judged.at_least_s == 7
    assert judged.sentence == f"the gateway refused the handshake with HTTP {status}: busy"


def test_401_asks_for_another_token():
    assert verdict.of_refusal(401, {}, "", NOW).fresh_token


def test_retry_after_may_be_a_date():
    date = email.utils.formatdate(NOW + 90, usegmt=True)
    assert verdict.retry_after_s(date, NOW) == pytest.approx(90)


@given(st.text())
def test_retry_after_is_bounded_whatever_it_says(text):
    assert 0 <= verdict.retry_after_s(text, NOW) <= verdict.MAX_RETRY_AFTER_S


def test_an_absurd_retry_after_is_cut():
    assert verdict.retry_after_s("9" * 400, NOW) in (0, verdict.MAX_RETRY_AFTER_S)


def test_a_planned_close_is_no_failure():
    assert verdict.planned(1012)
    assert not verdict.planned(1006)
