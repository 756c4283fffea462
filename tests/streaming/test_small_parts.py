"""Addresses, origins, the ledger of closes, log lines, and the lag of the loop."""

import logging

import pytest

from plumbline.streaming.core import closes
from plumbline.streaming.core.address import Address
from plumbline.streaming.core.closes import CODES, Ended, Ledger
from plumbline.streaming.core.counters import LoopLag
from plumbline.streaming.core.origins import origin_allowed
from plumbline.streaming.server import log


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("localhost:0", "127.0.0.1:0"),
        ("[::1]:9", "[::1]:9"),
        ("127.9.9.9:1", "127.9.9.9:1"),
    ],
)
def test_loopback_addresses_are_taken(text, shown):
    assert str(Address.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("80", "write HOST:PORT"),
        ("127.0.0.1:http", "write HOST:PORT"),
        ("127.0.0.1:70000", "write HOST:PORT"),
        ("example.org:80", "no IP address"),
        (":80", "no IP address"),
        ("0.0.0.0:80", "needs TLS and tokens"),
    ],
)
def test_other_addresses_are_refused_in_one_sentence(text, says):
    with pytest.raises(ValueError, match=says):
        Address.parse(text)


def test_a_remote_address_has_to_be_asked_for():
    assert Address.parse("0.0.0.0:80", allow_remote=True).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "let_in"),
    [
        (None, "gw:80", "", True),
        ("http://127.0.0.1:8765", "127.0.0.1:8765", "", True),
        ("http://localhost:8765", "localhost:8765", "", True),
        ("http://localhost:8000", "localhost:8765", "", False),
        ("http://[::1]:8765", "[::1]:8765", "", True),
        ("http://evil.example:8765", "evil.example:8765", "", False),  # DNS rebinding: Host and Origin agree
        ("https://app.example", "gw:80", "https://app.example", True),
        ("https://APP.example", "gw:80", " https://app.example/ , https://b.example", True),
        ("https://app.example.evil", "gw:80", "https://app.example", False),
        ("https://any.example", "gw:80", "*", True),
        ("null", "127.0.0.1:8765", "", False),
        ("http://127.0.0.1:8765", None, "", False),
        ("http://x", "[bad", "", False),
    ],
)
def test_pages_connect_only_from_where_they_may(origin, host, allowed, let_in):
    assert origin_allowed(origin, host, allowed) is let_in


def test_private_close_codes_say_by_their_number_whether_to_come_back():
    for code, item in CODES.items():
        assert item.code == code
        if code >= 4000:
            assert item.come_back.startswith("yes") == (code < 4500)
    assert len({item.label for item in CODES.values()}) == len(CODES)
    assert closes.label(4777) == "other"


def test_the_ledger_keeps_the_last_and_counts_all():
    ledger = Ledger(length=2)
    for number, code in enumerate([1000, 4008, 4999]):
        ledger.add(Ended(code, closes.label(code), "server", 0.5, 1.0, True, float(number)))
    assert [(item["code"], item["ago_s"]) for item in ledger.recent(10.0)] == [(4999, 8.0), (4008, 9.0)]
    assert ledger.counts == {"normal": 1, "slow-consumer": 1, "other": 1}


def test_a_log_line_is_one_line_whatever_is_in_it(caplog):
    with caplog.at_level(logging.INFO, log.NAME):
        log.event(logging.INFO, "something happened", count=1, seconds=0.12345, text='two words\n"quoted"', empty="")
        log.event(logging.DEBUG, "not this")
    assert caplog.messages == [r'something happened count=1 seconds=0.123 text="two words\n\"quoted\"" empty=""']


def test_the_worst_lag_is_remembered_for_ten_seconds_and_then_forgotten():
    lag = LoopLag(0.0)
    lag.note(0.3, 1.0)
    lag.note(0.01, 11.0)
    assert lag.worst_s == 0.3
    lag.note(0.02, 22.0)
    assert lag.worst_s == 0.02
