"""JSON that can be stored, sent and shown; everything else is refused with its path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlane import plain_json
from runlane.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"a": NaN}', "a"),
        ('{"a": [1, -Infinity]}', "a.1"),
        ('{"a": 1e999}', "a"),
        ('{"a": ' + "9" * 5000 + "}", "a"),
        ('{"a": "\\ud800"}', "a"),
        ('{"\\udfff": 1}', "body"),
        ('{"a": {"b": "x\\u0000"}}', "a.b"),
        ('{"a\\u0000": 1}', "body"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "a" + ".0" * 50),
        ("[" * 100_000, "body"),
        ('{"a": 1, "a": 2}', "body"),
        ('{"a": [{"b": 1, "c": {}, "b": 1}]}', "body"),
        ("{", "body"),
        ("", "body"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_path(text, field):
    with pytest.raises(InvalidInput) as refusal:
        plain_json.loads(text)

    assert refusal.value.errors[0].field == field


@pytest.mark.parametrize("raw", [b'"\xff"', '{"a": 1}'.encode("utf-16")])
def test_bytes_that_are_not_utf8_are_refused(raw):
    with pytest.raises(InvalidInput, match="UTF-8"):
        plain_json.loads(raw)


@pytest.mark.parametrize("value", [{1: "a"}, {"a": object()}, {"a": {1, 2}}, float("nan")])
def test_what_json_does_not_have_is_refused(value):
    with pytest.raises(InvalidInput):
        plain_json.check(value)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.integers(1, 20))
def test_a_text_holds_no_more_values_than_are_counted(value, counted_bytes):
    """In parts of any length, wherever they cut quotes and escapes."""
    raw = plain_json.dumps(value).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plain_json, "_COUNTED_BYTES", counted_bytes)
        in_parts = plain_json.values_in(raw, 10**6)

    assert in_parts == plain_json.values_in(raw, 10**6)
    assert number_of_values(value) <= in_parts + 1


def number_of_values(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(number_of_values, inner))


def test_texts_are_one_value_each_whatever_is_in_them():
    assert plain_json.values_in(plain_json.dumps([',[{\\"', "\\", '",",']).encode(), 100) == 3


@given(JSON)
def test_what_can_be_kept_comes_back_exactly(value):
    assert plain_json.loads(plain_json.dumps(value)) == value
    plain_json.check(value)


def test_integers_of_any_size_stay_exact():
    assert plain_json.loads(str(2**200)) == 2**200
