"""The page of metrics, without a browser: what it shows, and where its links lead."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from jobs_app import routes
from jobs_app.admin.metrics.state import AdminMetrics, _just_below
from jobs_app.ui import formats
from runlane.clock import utc_now
from runlane.core.attempts import completed, failed
from runlane.metrics.statistics import Step, floor
from runlane.model.snapshot import JobError
from runlane.search.matching import JobFilter
from testbed.attempts import end_attempt
from tests.support.jobs import running

BROKEN = JobError(type="ValueError", message="no")


@pytest.fixture
async def metrics(tab, visit, service, statistics):
    for number in range(6):
        job = await running(service)
        await end_attempt(
            service, failed(job.id, 1, BROKEN, retry_at=None) if number == 0 else completed(job.id, 1, None)
        )
    await statistics.roll_up(utc_now())

    async def shown(**query):
        visit(routes.ADMIN_METRICS, f"{routes.ADMIN_METRICS}?{urlencode(query)}", **query)
        page = await tab.get_state(AdminMetrics)
        await page.load()
        return page

    return shown


async def test_the_charts_are_of_the_window_that_the_address_names(metrics):
    page = await metrics(window="7d", kind="noop")

    assert (page.window, page.kind, page.step, len(page.buckets)) == ("7d", "noop", "hour", 168)
    assert (page.total["completed"], page.total["failed"], page.total["failure_rate"]) == ("5", "1", "16.7 %")
    assert page.charts[0]["title"] == "Jobs an hour"


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("x", "2026-01-01"),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-02T00:00:00Z"),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59-14:00"),
    ],
)
async def test_an_address_that_makes_no_sense_shows_the_usual(metrics, since, until):
    page = await metrics(window="9y", kind="<b>", since=since, until=until)

    assert (page.window, page.kind, page.step) == ("1h", "", "minute")


async def test_a_bucket_leads_to_its_jobs(metrics, service, store):
    page = await metrics(window="24h")
    await page.choose(formats.iso(floor(utc_now(), Step.HOUR)))

    async def listed(address):
        query = parse_qs(urlsplit(address).query)
        statuses = tuple(query.get("status", ()))
        return [job.status for job in (await store.page(JobFilter(statuses=statuses, text=query["q"][0]))).jobs]

    assert len(await listed(page.point["address"])) == 6
    assert await listed(page.point["failed_address"]) == ["failed"]
    assert await listed(page.point["slow_address"]) != []
    zoomed = await tab_address(page.zoom())
    assert zoomed["since"] == page.chosen
    page = await metrics(since=zoomed["since"], until=zoomed["until"])
    assert (page.window, page.step, len(page.buckets)) == ("", "minute", 60)


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.0109, 0.0115, 1.0009, 3600.0])
def test_the_slowest_are_asked_for_from_a_little_below_never_from_above(seconds):
    assert float(_just_below(seconds)) <= max(seconds * 0.975 - 0.001, 0.0)


async def tab_address(event):
    [(_, value)] = [(name, value) for name, value in event.args if str(name) == "path"]
    query = parse_qs(urlsplit(str(value).strip('"')).query)
    return {name: values[0] for name, values in query.items()}


async def test_purging_is_confirmed_and_reported(metrics):
    page = await metrics()
    page.ask_purge("everything")
    assert page.purging == ""
    page.ask_purge("hour")

    await page.purge()

    assert {cost["step"]: cost["rows"] for cost in page.costs} | {"minute": "-"} == {
        "minute": "-",
        "hour": "0",
        "day": "3",
    }
