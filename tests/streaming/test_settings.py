import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.streaming import Overflow, SettingError, Settings
from plumbline.streaming.core.settings import kinds


def test_every_setting_has_a_default_within_its_own_bounds_a_unit_and_words():
    for name, kind in kinds().items():
        assert kind.doc.endswith((".", ")")), name
        if kind.low is not None:
            assert kind.unit, name
            assert Settings().changed({name: kind.low}).as_dict()[name] == kind.low
            assert Settings().changed({name: kind.high}).as_dict()[name] == kind.high


@given(
    st.dictionaries(
        st.sampled_from(list(kinds())) | st.text(max_size=10), st.text() | st.integers() | st.floats() | st.none()
    )
)
def test_whatever_is_asked_for_is_applied_or_refused_in_one_sentence(values):
    try:
        changed = Settings().changed(values)
    except SettingError as error:
        assert str(error)  # noqa: PT017 - to be refused is as right
    else:
        assert Settings().changed(changed.as_dict()) == changed
        assert json.loads(json.dumps(changed.as_dict())) == changed.as_dict()


@given(
    st.sampled_from([name for name, kind in kinds().items() if kind.low is not None]),
    st.floats(allow_nan=True) | st.integers(),
)
def test_a_number_out_of_range_is_never_taken(name, value):
    kind = kinds()[name]
    try:
        taken = Settings().changed({name: value}).as_dict()[name]
    except SettingError:
        return
    assert kind.low <= taken <= kind.high or (kind.off and taken == 0)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("queue_max_bytes", "64KiB", 65536),
        ("queue_max_bytes", "2 MiB", 2 << 20),
        ("max_message_bytes", "128", 128),
        ("heartbeat_interval_s", "2.5", 2.5),
        ("heartbeat_interval_s", 2, 2.0),
        ("write_timeout_s", "0", 0.0),
        ("overflow", "latest", Overflow.LATEST),
        ("allowed_origins", "https://a.example", "https://a.example"),
    ],
)
def test_text_is_read_as_people_write_it(key, text, value):
    assert getattr(Settings().changed({key: text}), key) == value


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("queue_max_byte", 1, "there is no setting 'queue_max_byte'; did you mean 'queue_max_bytes'?"),
        ("zzz", 1, "there is no setting 'zzz'; known are overflow"),
        ("overflow", "drop_oldest", "did you mean 'drop-oldest'?"),
        ("overflow", 7, "overflow must be one of disconnect"),
        ("listen_backlog", 0, "listen_backlog=0 is out of range: it may be 1 to 65535"),
        ("listen_backlog", 1.5, "listen_backlog must be a whole number, not 1.5"),
        ("listen_backlog", True, "must be a whole number"),
        ("listen_backlog", "many", "listen_backlog must be a whole number, not 'many'"),
        ("heartbeat_timeout_s", "nan", "may be 0.05 to 3600 seconds"),
        ("heartbeat_timeout_s", 0, "out of range"),
        ("heartbeat_interval_s", 0.01, "0.05 to 3600, or 0 for off"),
        ("queue_max_bytes", "1GB", "queue_max_bytes must be a whole number of bytes, not '1GB'"),
        ("allowed_origins", 1, "allowed_origins must be text"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(key, value, says):
    with pytest.raises(SettingError) as refused:
        Settings().changed({key: value})
    assert says in str(refused.value)


def test_settings_cannot_be_made_wrong_in_a_program_either():
    with pytest.raises(SettingError, match="out of range"):
        Settings(queue_max_bytes=1)
    assert Settings(overflow="wait").overflow is Overflow.WAIT
