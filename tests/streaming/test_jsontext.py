"""What clients send is read quickly; here it is read by the standard library too, and both must say the same."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plumbline.streaming.core.jsontext import encode_data, encode_read, quoted, read_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
# Pieces of JSON and of what is nearly JSON, in any order: most are refused, by both.
pieces = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            "\\",
            "\\u",
            "d800",
            "\\ud83d",
            "\\ude00",
            "\\n",
            "null",
            "true",
            "false",
            "NaN",
            "-Infinity",
            "0",
            "-0",
            "01",
            "1.5",
            "1e5",
            "1E+400",
            "-1e-400",
            "1.",
            ".5",
            "\t",
            "\n",
            "é",
            "123456789012345678901234567890",
            '{"a":1,"a":2}',
            "[1,]",
            "\x00",
            "\x7f",
            "\ufeff",
            "\u2028",
        ]
    ),
    max_size=8,
).map("".join)


def refuse(name):
    raise ValueError(name)


def outcome(read, text):
    try:
        return repr(read(text))
    except ValueError:
        return "refused"


def read_slowly(text):
    return json.loads(text, parse_constant=refuse)


@given(pieces | st.text() | values.map(json.dumps) | values.map(lambda one: json.dumps(one, ensure_ascii=False)))
@example('{"a":1,"a":2}')
@example('"\\ud800"')
@example('"\\udc00\\ud800"')
@example("1e999")
@example("NaN")
@example("-Infinity")
@example("18446744073709551616")
@example("1" * 5000)
def test_both_readers_understand_and_refuse_the_same(text):
    assert outcome(read_json, text) == outcome(read_slowly, text)


@given(pieces | values.map(json.dumps))
@example("[1e999, null]")
@example('"\\ud800"')
@example("1e16")
def test_what_was_read_is_written_as_one_line_of_the_same_value(text):
    try:
        value = read_json(text)
    except ValueError:
        return
    try:
        expected = json.loads(encode_data(value))
    except ValueError:
        with pytest.raises(ValueError, match=r"JSON|nested"):
            encode_read(value)
        return
    written = encode_read(value)
    assert repr(json.loads(written)) == repr(expected)
    assert not any(byte < 0x20 for byte in written), "an event of server-sent events is one line"


@given(st.text() | st.text(st.characters(categories=["Cs", "Ll"])))
@example("\ud800\udc00")
def test_quoted_text_reads_as_it_was(text):
    paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # as no JSON text can be read
    assert json.loads(quoted(text)) == paired


def test_what_is_nested_too_deeply_is_refused():
    with pytest.raises(RecursionError):
        read_json("[" * 100_000 + "]" * 100_000)
