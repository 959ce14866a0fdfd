"""Figures over REST, from jobs that a real worker ran."""

from datetime import timedelta

import pytest

from runlane.clock import utc_now
from testbed.waiting import until


async def test_figures_follow_what_really_ran(api, client, start_worker):
    await start_worker()
    jobs = [await client.submit("noop") for _ in range(5)] + [await client.submit("always_fails", max_attempts=2)]
    for job_id in jobs:
        await client.job_is(job_id, "completed", "failed")

    async def figures():
        return (await api.get("/api/stats", params={"window": "1h"})).json()

    report = await until(figures, lambda found: found["total"]["completed"] + found["total"]["failed"] == 6)

    assert {name: report["total"][name] for name in ("submitted", "completed", "failed", "cancelled", "retried")} == {
        "submitted": 6,
        "completed": 5,
        "failed": 1,
        "cancelled": 0,
        "retried": 1,
    }
    assert report["total"]["failure_rate"] == pytest.approx(1 / 6)
    assert 0 < report["total"]["run_s"]["p50"] <= report["total"]["run_s"]["p99"]
    assert [kind["kind"] for kind in report["kinds"]] == ["always_fails", "noop"]
    assert (report["step"], len(report["buckets"])) == ("minute", 60)
    only = (await api.get("/api/stats", params={"window": "24h", "kind": "noop"})).json()
    assert (only["total"]["completed"], only["total"]["failed"], only["step"]) == (5, 0, "hour")

    ended = await api.get("/api/jobs", params={"finished_after": report["since"], "finished_before": report["until"]})
    assert {job["id"] for job in ended.json()["items"]} == set(jobs)
    later = await api.get("/api/jobs", params={"q": "finished_after:2200-01-01"})
    assert later.json()["items"] == []


async def test_any_span_in_the_finest_steps(api):
    now = utc_now()

    async def step(since, until=None):
        params = {"since": since.isoformat()} | ({"until": until.isoformat()} if until else {})
        return (await api.get("/api/stats", params=params)).json()["step"]

    assert await step(now - timedelta(hours=2)) == "minute"
    assert await step(now - timedelta(days=5)) == "hour"
    assert await step(now - timedelta(days=40), now - timedelta(days=39)) == "hour"
    assert await step(now - timedelta(days=300)) == "day"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("window=2h", "window"),
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00Z", "until"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("since=1026-01-02T00:00:00Z", "until"),
        ("since=9999-12-31T00:00:00Z&until=9999-12-31T23:59:59Z", "until"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
    ],
)
async def test_a_span_that_makes_no_sense_is_refused(api, query, field):
    reply = await api.get(f"/api/stats?{query}")

    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == field


async def test_the_system_is_sampled_and_its_cost_is_known(api, client, database_kind):
    await client.submit("noop")

    async def samples():
        return (await api.get("/api/stats/samples")).json()["items"]

    [sample, *_] = await until(samples, bool)
    assert sample["bytes"] > 0
    storage = (await api.get("/api/stats/storage")).json()
    assert storage["bytes"] > 0
    if database_kind == "sqlite":  # the disk of a server is another machine's
        assert storage["free_bytes"] > 0

    async def cost():
        return {row["step"]: row["rows"] for row in (await api.get("/api/stats/cost")).json()["items"]}

    await until(cost, lambda found: found == {"minute": 1, "hour": 1, "day": 1})
    purged = await api.delete("/api/stats", params={"step": "minute", "before": "2200-01-01T00:00:00Z"})
    assert purged.json() == {"purged": 1}
    assert await cost() == {"minute": 0, "hour": 1, "day": 1}
    assert (
        await api.delete("/api/stats", params={"step": "year", "before": "2200-01-01T00:00:00Z"})
    ).status_code == 422
