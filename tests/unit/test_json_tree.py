"""JSON as a tree: folded, searched, cut, and exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_app.job.tree.json_tree import BEYOND, FIRST_ROWS, SHOWN_CHARS, SHOWN_ENTRIES, at_path, tree_rows
from runlane import plain_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
)


def shown(*args, **kwargs):
    return [(row["key"], row["text"]) for row in tree_rows(*args, **kwargs)]


def test_keys_and_values_are_rows_and_numbers_are_exact():
    value = {"n": 2**70, "t": "x", "list": [True, None]}

    assert shown(value) == [
        ("", "3 keys"),
        ("n", str(2**70)),
        ("t", '"x"'),
        ("list", "2 entries"),
        ("0", "true"),
        ("1", "null"),
    ]


def test_a_row_is_folded_and_unfolded():
    value = {"a": {"b": {"c": 1}}}

    assert ("c", "1") not in shown(value)
    assert ("c", "1") in shown(value, toggled=["/a/b"])
    assert shown(value, toggled=["/a"]) == [("", "1 key"), ("a", "1 key")]


def test_long_texts_and_lists_are_cut_until_the_rest_is_asked_for():
    text, entries = "x" * 1000, list(range(SHOWN_ENTRIES + 10))

    [_, cut] = tree_rows({"t": text})
    assert (cut["cut"], len(cut["text"])) == (True, SHOWN_CHARS + 1)
    assert tree_rows({"t": text}, whole=["/t"])[1]["text"] == f'"{text}"'
    assert tree_rows(entries)[-1]["text"] == "10 more"
    assert tree_rows(entries, whole=[""])[-1]["text"] == str(entries[-1])


def test_a_search_shows_what_has_the_word_and_what_leads_there():
    value = {"page": {"title": "Hello", "url": "x"}, "other": 1}

    found = tree_rows(value, search="HELL")

    assert [row["key"] for row in found] == ["", "page", "title"]
    assert [row["found"] for row in found] == [False, False, True]
    assert tree_rows(value, search="nowhere") == []


def test_a_huge_value_is_bounded():
    rows = tree_rows([[i] for i in range(10_000)], whole=[""], toggled=[f"/{i}" for i in range(10_000)])

    assert len(rows) == FIRST_ROWS + 1
    assert rows[-1]["kind"] == "more"


def test_rows_beyond_the_first_are_shown_when_more_are_asked_for():
    value = list(range(FIRST_ROWS))

    cut = tree_rows(value, whole=[""])
    assert (len(cut), cut[-1]["path"], cut[-1]["cut"]) == (FIRST_ROWS + 1, BEYOND, True)
    whole = tree_rows(value, whole=[""], max_rows=FIRST_ROWS + 1)
    assert (len(whole), whole[-1]["text"]) == (FIRST_ROWS + 1, str(value[-1]))


@given(values)
def test_every_row_names_the_part_that_it_shows(value):
    for row in tree_rows(value):
        part = at_path(value, row["path"])
        if not row["branch"] and not row["cut"] and row["kind"] != "more":
            assert row["text"] == plain_json.dumps(part)


@pytest.mark.parametrize("path", ["/x", "/0/1/2", "/a/b", "/" + "x" * 10_000])
def test_a_path_that_leads_nowhere_is_refused(path):
    with pytest.raises(KeyError):
        at_path({"a": 1}, path)
