"""What an address holds about a list, and what may be typed next in its search box."""

import base64
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs_app.dashboard.list_view import COLUMNS, PAGE_SIZES, ListView
from jobs_app.dashboard.suggestions import AGES, suggestions
from runlane.core.pagination import SORTS
from runlane.model.status import JobStatus
from runlane.search.query import FIELDS, MAX_LENGTH, parse

views = st.builds(
    ListView,
    status=st.sampled_from(["", *JobStatus]).map(str),
    q=st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_LENGTH),
    sort=st.sampled_from(list(SORTS)),
    size=st.sampled_from(PAGE_SIZES),
    columns=st.sets(st.sampled_from(list(COLUMNS))).map(lambda chosen: tuple(c for c in COLUMNS if c in chosen)),
)


JOB = UUID(int=7)
CURSOR = base64.urlsafe_b64encode(f'["-priority",5,"{JOB}"]'.encode()).decode()


@given(views, st.integers(2, 999_999_999))
def test_an_address_leads_to_the_page_that_made_it(view, page):
    there = replace(view, sort="-priority", cursor=CURSOR, page=page)

    assert ListView.of_address(there.address()) == there


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (f"?sort=-priority&cursor={CURSOR}", (CURSOR, 2)),
        (f"?sort=-priority&cursor={CURSOR}&page=x", (CURSOR, 2)),
        (f"?sort=-priority&cursor={CURSOR}&page={'9' * 5000}", (CURSOR, 2)),
        (f"?sort=priority&cursor={CURSOR}&page=7", ("", 1)),
        ("?cursor=x&page=7", ("", 1)),
        ("?page=7", ("", 1)),
    ],
)
def test_a_place_that_is_not_in_the_list_is_its_begin(address, place):
    view = ListView.of_address(address)

    assert (view.cursor, view.page) == place


def test_the_usual_view_needs_no_words():
    assert ListView().address() == ""


@given(views)
def test_an_address_shows_the_view_that_made_it(view):
    assert ListView.of_address(view.address()) == view


@given(st.dictionaries(st.sampled_from(["status", "q", "sort", "size", "columns", "cursor", "page", "x"]), st.text()))
def test_what_makes_no_sense_in_an_address_is_as_usual(asked):
    view = ListView.read(asked)

    assert view.status in {"", *JobStatus}
    assert view.sort in SORTS
    assert view.size in PAGE_SIZES
    assert set(view.columns) <= set(COLUMNS)
    assert len(view.q) <= MAX_LENGTH


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("sta", ["status:"]),
        ("status:fa", ["status:failed"]),
        ("-status:comp", ["-status:completed"]),
        ("timeout status:failed,canc", ["timeout status:failed,cancelled"]),
        ("kind:web", ["kind:web_agent"]),
        ("kind:noop params.go", ["kind:noop params.goal:"]),
        ("params.source", ["params.source.url:"]),
        ("-params.format:m", ["-params.format:markdown"]),
        ("finished_after:", [f"finished_after:{age}" for age in AGES]),
        ("after:30m,2", []),
        ("slow:>5", ["slow:>5m"]),
        ("worker:host-1", ["worker:host-12"]),
        ("word ", []),
        ("", []),
        ("error:time", []),
        ("status:failed", []),
    ],
)
def test_the_last_word_is_completed(typed, expected):
    assert suggestions(typed, ["host-1", "host-12", "other-1"]) == expected


@given(st.text())
@example(" p")
@example("  kind:n")
def test_what_is_suggested_begins_with_what_was_typed(typed):
    assert all(text.startswith(typed) for text in suggestions(typed, [typed, "host-1"]))


def test_every_suggestion_of_a_value_can_be_read():
    fields = [*FIELDS, "params.format"]

    assert all(parse(text).terms for field in fields for text in suggestions(f"{field}:", ["host-1"]))
