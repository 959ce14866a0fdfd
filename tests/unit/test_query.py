"""The language of the search box: what is read, what is refused and where, and that printing loses nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlane.errors import InvalidInput
from runlane.search.query import FIELDS, MAX_LENGTH, MAX_VALUES, Query, QueryError, Term, moment, parse, seconds

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("   ", []),
        ("timeout", [Term("", ("timeout",))]),
        ('"two words" third', [Term("", ("two words",)), Term("", ("third",))]),
        ("status:failed,cancelled", [Term("status", ("failed", "cancelled"))]),
        ("-kind:web_agent", [Term("kind", ("web_agent",), negated=True)]),
        ("params.url:example", [Term("params", ("example",), ("url",))]),
        ("result.items.0:a,b", [Term("result", ("a,b",), ("items", "0"))]),
        ("slow:>30s attempt:2", [Term("slow", ("30s",), comparison=">"), Term("attempt", ("2",))]),
        ("Status:failed", [Term("status", ("failed",))]),
        ("https://example.com/a:b", [Term("", ("https://example.com/a:b",))]),
        ('error:"no \\"such\\" page"', [Term("error", ('no "such" page',))]),
        ("-", [Term("", ("-",))]),
        ("after:2h before:2026-11-23", [Term("after", ("2h",)), Term("before", ("2026-11-23",))]),
    ],
)
def test_a_query_is_read_term_by_term(text, terms):
    assert parse(text).terms == tuple(terms)


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("kin:noop", 0, "did you mean kind:?"),
        ("word zebra:1", 5, "There is no field zebra"),
        ("status:done", 7, "is no status; there are scheduled, queued"),
        ("status:failed,", 14, "missing here"),
        ("kind:", 5, "missing here"),
        ("kind:" + ",".join("a" * (MAX_VALUES + 1)), 5 + 2 * MAX_VALUES, f"A field may have {MAX_VALUES} values."),
        ('kind:"noop', 5, "not closed"),
        ('""', 0, "nothing between"),
        ('"a"b', 3, "Leave a space"),
        ('a"b c"', 1, "Leave a space"),
        ("slow:>fast", 6, "is not a duration"),
        ("slow:999999999w", 5, "a hundred years"),
        ("after:tomorrow", 6, "neither a duration"),
        ("attempt:two", 8, "not a whole number"),
        ("status.x:failed", 0, "has no parts"),
        ("params..x:1", 0, "one dot between"),
        ("params." + "a." * 10 + "a:1", 0, "up to 10 names"),
        (" ".join("w" for _ in range(21)), 40, "20 terms"),
        ("w" * (MAX_LENGTH + 1), MAX_LENGTH, "this one has 501"),
        ("a\x00b", 0, "NUL"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place_and_the_reason(text, position, why):
    with pytest.raises(QueryError) as refused:
        parse(text)

    assert refused.value.position == position
    assert why in refused.value.message


def test_every_field_is_explained():
    assert all(FIELDS.values())
    for name in FIELDS:
        with pytest.raises(QueryError, match="missing here"):
            parse(f"{name}:")


@given(st.text(max_size=MAX_LENGTH + 10))
def test_any_text_is_read_or_refused_in_a_sentence(text):
    try:
        query = parse(text)
    except InvalidInput as refused:
        assert "character" in refused.message
    else:
        assert parse(str(query)) == query


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=15).filter(str.strip)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TERMS = st.one_of(
    st.builds(lambda v, n: Term("", (v,), negated=n), TEXTS, st.booleans()),
    st.builds(lambda v, n: Term("kind", tuple(v), negated=n), st.lists(TEXTS, min_size=1, max_size=3), st.booleans()),
    st.builds(lambda v, p: Term("params", (v,), tuple(p)), TEXTS, st.lists(NAMES, max_size=3)),
    st.builds(lambda v, c: Term("attempt", (str(v),), comparison=c), st.integers(0, 99), st.sampled_from(["", ">"])),
    st.builds(lambda v: Term("status", (v,)), st.sampled_from(["failed", "running"])),
)


@given(st.lists(TERMS, max_size=6))
def test_what_is_printed_is_read_as_the_same(terms):
    query = Query(tuple(terms))

    assert parse(str(query)) == query
    assert str(parse(str(query))) == str(query)


def test_durations_and_moments_are_what_people_mean():
    assert (seconds("90s"), seconds("1.5h"), seconds("250ms")) == (90, 5400, 0.25)
    assert moment("2h", NOW) == NOW - timedelta(hours=2)
    assert moment("2026-11-23", NOW) == datetime(2026, 11, 23, tzinfo=UTC)
    assert moment("2026-11-23T10:00+02:00", NOW) == datetime(2026, 11, 23, 8, tzinfo=UTC)
