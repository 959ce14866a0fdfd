"""Pages follow the kinds that workers bring: choices, forms that are open, and what is left when a kind goes."""

from typing import Literal

import pytest

from jobs_app.admin.page import admin_alerts, admin_metrics, admin_queue, admin_schedules
from jobs_app.admin.schedules.state import AdminSchedules
from jobs_app.dashboard.suggestions import suggestions
from jobs_app.live.kind_rows import MANY_KINDS, first_kind, kind_groups
from jobs_app.submit import as_code
from jobs_app.submit.page import start_card
from jobs_app.submit.state import StartForm
from runlane.define.params import Secret
from tests.support.jobs import submitted
from tests.support.kinds import brought


@pytest.fixture
def bring(catalogued):
    """Replaces the kinds that workers have brought."""
    return lambda *kinds: catalogued.replace(kinds)


@pytest.fixture
async def form(tab) -> StartForm:
    return await tab.get_state(StartForm)


def inputs(form: StartForm) -> dict[str, tuple[str, int]]:
    """What each field begins with, and how often its input began again."""
    return {field["name"]: (field["default"], field["revision"]) for field in form.fields}


def test_pages_are_built_without_any_kind(bring):
    built = (start_card, admin_queue, admin_metrics, admin_schedules, admin_alerts)
    bring()
    without = [str(page().render()) for page in built]

    bring(brought("resize", title="Makes a picture smaller", width=(int, 80)))

    assert [str(page().render()) for page in built] == without


def test_choices_are_grouped_and_the_only_group_has_no_name():
    kinds = [brought("a"), brought("b", group="demo"), brought("c", group="demo")]

    assert [(group["label"], len(group["kinds"])) for group in kind_groups(kinds)] == [("Main", 1), ("Demo", 2)]
    assert [group["label"] for group in kind_groups(kinds[1:])] == [""]


def test_two_kinds_of_one_title_are_told_apart_by_their_names():
    [group] = kind_groups([brought("one", title="Report"), brought("two", title="Report"), brought("three")])

    assert [kind["title"] for kind in group["kinds"]] == ["Report (one)", "Report (two)", "Three"]


def test_a_form_begins_with_the_web_agent_else_with_the_first_kind_else_with_none():
    assert first_kind([brought("a"), brought("web_agent")]) == "web_agent"
    assert first_kind([brought("b"), brought("a")]) == "b"
    assert first_kind([]) == ""


async def test_a_form_without_kinds_takes_the_first_one_that_a_worker_brings(form, bring):
    bring()
    form.load()
    assert (form.kind, form.fields, form.trouble) == ("", [], "")

    bring(brought("resize", width=(int, 80)))
    form.follow()

    assert (form.kind, form.is_known, inputs(form)) == ("resize", True, {"width": ("80", 0)})


async def test_a_form_that_is_being_filled_keeps_what_was_typed_when_its_kind_changes(form, bring):
    bring(brought("resize", path=str, width=(int, 80), depth=(int, 8)))
    form.load()
    form.type_in("path", "/tmp/a.png")
    form.type_in("advanced.priority", "3")

    bring(brought("resize", path=(str, "x"), width=(int, 100), height=(int, 60)))
    form.follow()

    assert inputs(form) == {"path": ("", 0), "width": ("100", 1), "height": ("60", 0)}
    assert form._values == {"path": "/tmp/a.png", "width": "100", "height": "60", "advanced.priority": "3"}
    assert form.news == (
        "A worker has brought another version of this kind: Height is new, Depth is removed. What you typed is kept."
    )


async def test_what_was_typed_moves_to_an_input_of_another_sort_if_it_can_hold_it(form, bring):
    bring(brought("resize", size=(str, ""), mode=(str, ""), key=(str, "")))
    form.load()
    for name, typed in {"size": "12", "mode": "fit", "key": "hunter2"}.items():
        form.type_in(name, typed)

    bring(brought("resize", size=(int, 1), mode=(Literal["fill", "fit"], "fill"), key=(Secret, "")))
    form.follow()

    assert inputs(form) == {"size": ("12", 1), "mode": ("fit", 1), "key": ("", 1)}


async def test_a_form_whose_kind_stays_as_it_is_does_not_move(form, bring):
    bring(brought("resize", width=(int, 80)))
    form.load()
    form.type_in("width", "90")
    before, filled = form.fields, form.filled

    bring(brought("resize", width=(int, 80)), brought("crop"))
    form.follow()

    assert (form.fields, form.filled, form.news) == (before, filled, "")


async def test_a_form_reports_that_its_kind_was_removed_and_goes_on_when_it_is_back(form, bring, store):
    kind = brought("resize", width=(int, 80))
    bring(kind, brought("crop"))
    form.choose("resize")
    form.type_in("width", "90")

    bring(brought("crop"))
    form.follow()
    await form.submit({"width": "90"})

    assert not form.is_known
    assert form.news.startswith("The kind resize was removed.")
    assert "there is no kind 'resize'" in form.trouble
    assert inputs(form) == {"width": ("80", 0)}
    bring(kind)
    form.follow()
    assert (form.is_known, form._values["width"]) == (True, "90")


@pytest.mark.parametrize(("does", "what"), [("again", "be run again"), ("edit", "be edited")])
async def test_a_job_of_a_kind_that_is_gone_is_neither_run_again_nor_edited(form, bring, service, does, what):
    job = await submitted(service)
    form.load()
    bring(brought("resize"))

    toast = await getattr(form, does)(str(job.id))

    assert f"No worker has brought the kind noop; job {job.short_id} cannot {what} before one does." in str(toast)
    assert (form.rerun_of, form.editing) == ("", "")


async def test_the_last_job_is_not_repeated_when_its_kind_is_gone(form, bring, store):
    form.choose("noop")
    await form.submit({})
    bring(brought("resize"))

    toast = await form.repeat()

    assert "No worker has brought the kind noop; nothing can be started of it again." in str(toast)
    assert len((await store.page()).jobs) == 1


async def test_of_very_many_kinds_one_is_typed_and_a_name_that_is_none_starts_nothing(form, bring, store):
    bring(*(brought(f"job_{number}") for number in range(MANY_KINDS + 1)))
    form.load()

    form.choose("job_7x")
    assert form.trouble == "No worker has brought the kind job_7x; check its name, or start a worker that has it."
    await form.submit({})
    assert (await store.page()).jobs == []
    form.choose("job_7")

    assert (form.is_known, form.trouble) == (True, "")


async def test_a_menu_that_reports_no_choice_while_its_options_change_changes_nothing(form, bring):
    bring(brought("resize", width=(int, 80)))
    form.load()

    form.choose("")

    assert (form.kind, list(inputs(form))) == ("resize", ["width"])


async def test_a_new_schedule_is_of_a_kind_that_there_is(tab, bring):
    bring(brought("resize"))
    page = await tab.get_state(AdminSchedules)

    await page.load()

    assert page.form["kind"] == "resize"


def test_searches_are_completed_with_the_parameters_of_the_kinds_that_there_are(bring):
    bring(brought("resize", width=(int, 80)))
    assert suggestions("params.w") == ["params.width:"]

    bring(brought("resize", height=(int, 80)))

    assert (suggestions("params.w"), suggestions("params.h")) == ([], ["params.height:"])
    assert suggestions("kind:re") == ["kind:resize"]


def test_what_a_form_would_start_is_python_for_the_client():
    body = {"kind": "my.crawl", "params": {"url": "https://x", "from": 1, "deep": {"a": [None]}}, "priority": 5}
    text = as_code.python("http://jobs.example.com", body | {"scheduled_for": "2026-12-01T10:00:00+00:00"})

    compile(text, "copied", "exec")
    assert "from datetime import datetime\n" in text
    assert 'async with Client("http://jobs.example.com") as client' in text.replace("'", '"')
    assert (
        "client.with_options(priority=5, scheduled_for=datetime.fromisoformat('2026-12-01T10:00:00+00:00'))"
        ".submit('my.crawl', url='https://x', deep={'a': [None]}, **{'from': 1})"
    ) in text


def test_what_a_form_would_start_is_a_command():
    body = {"kind": "crawl", "params": {"url": "https://x/a b", "pages": 3, "deep": {"a": [None]}}, "delay_s": 60}

    schema = {"properties": {"url": {"type": "string"}, "pages": {"type": "integer"}}}
    assert as_code.command("http://localhost:8000", body, schema) == (
        """runlane submit crawl 'url=https://x/a b' pages=3 'deep:={"a":[null]}' --delay 60 --wait"""
    )
    assert as_code.command("https://jobs.example.com", body, schema).startswith(
        "RUNLANE_URL=https://jobs.example.com runlane submit crawl"
    )
