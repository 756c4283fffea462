"""Who reads what, against a dictionary of sets; and which rule holds for which channel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming import SettingError, Settings
from plumbline.streaming.core.commands import Mode
from plumbline.streaming.core.setting_kinds import Overflow
from plumbline.streaming.core.subscriptions import Subscriptions, TooManySubscriptionsError

LIMIT = 3
steps = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "leave"]), st.integers(0, 2), st.sampled_from("abcde")), max_size=60
)


@given(steps)
def test_subscriptions_are_sets_by_reader_within_a_limit(story):
    subscriptions, model = Subscriptions(), {0: set(), 1: set(), 2: set()}
    for step, reader, name in story:
        mine = model[reader]
        if step == "add":
            if name not in mine and len(mine) == LIMIT:
                with pytest.raises(TooManySubscriptionsError):
                    subscriptions.add(reader, name, LIMIT)
            else:
                subscriptions.add(reader, name, LIMIT)
                mine.add(name)
        elif step == "remove":
            assert subscriptions.remove(reader, name) == (name in mine)
            mine.discard(name)
        else:
            assert set(subscriptions.leave(reader)) == mine
            mine.clear()
        assert len(subscriptions) == sum(map(len, model.values()))
        for one, names in model.items():
            assert set(subscriptions.of(one)) == names
            assert all(subscriptions.has(one, letter) == (letter in names) for letter in "abcde")


def test_the_first_pattern_that_matches_counts_and_the_rest_is_the_gateways_own():
    settings = Settings(history_s=9).changed(
        {"channels": {"scores.*": {"overflow": "latest", "history_bytes": "1KiB"}, "*": {"mode": "latest"}}}
    )
    settings = settings.changed({"channels.scores.live.*.overflow": "wait"})
    rules = settings.rules()
    assert rules.of("scores.live.x").overflow is Overflow.LATEST, "scores.* was there first"
    assert rules.of("scores.live.x").mode is Mode.ALL
    assert rules.of("scores.x").history_bytes == 1024
    assert rules.of("scores.x").history_s == 9
    assert rules.of("other").mode is Mode.LATEST
    assert rules.of("other").overflow is Overflow.DISCONNECT
    assert settings.as_dict()["channels.scores.live.*.overflow"] == "wait"
    assert Settings().changed(settings.as_dict()) == settings


def test_a_rules_value_is_taken_away_by_an_empty_one_and_a_file_takes_the_place_of_what_was():
    settings = Settings().changed({"channels.a.mode": "latest", "channels.b.mode": "latest", "history_s": 7})
    assert settings.changed({"channels.a.mode": ""}).as_dict().keys() - Settings().as_dict().keys() == {
        "channels.b.mode"
    }
    read_anew = Settings().changed({"channels.b.history_s": 5})
    assert settings.changed(read_anew.instead_of(settings)) == read_anew


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("channels.a.overflo", "latest", "did you mean 'overflow'"),
        ("channels.a.overflow", "newest", "channels.a: overflow must be one of"),
        ("channels.a.history_messages", -1, "out of range"),
        ("channels.a.max_connections", 1, "no setting for channels"),
        ("channels.a", "latest", "channels.<pattern>.<setting>"),
        ("channels..mode", "latest", "1 to 200 characters"),
        ("channels.a b.mode", "latest", "white space"),
        ("channels", 3, "a table for each pattern"),
        ("channels", {"a": 3}, "a table for each pattern"),
    ],
)
def test_a_wrong_rule_is_said_in_one_sentence(key, value, says):
    with pytest.raises(SettingError) as refused:
        Settings().changed({key: value})
    assert says in str(refused.value)


def test_there_are_not_more_patterns_than_can_be_looked_at():
    with pytest.raises(SettingError, match="256 patterns"):
        Settings().changed({f"channels.c{number}.mode": "latest" for number in range(257)})
