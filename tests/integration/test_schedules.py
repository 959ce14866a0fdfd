"""Schedules over REST, and real workers that make their jobs."""

import pytest

from testbed.waiting import until

pytestmark = pytest.mark.databases

DRAFT = {"name": "every night", "kind": "noop", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


async def made(api, **changes):
    reply = await api.post("/api/schedules", json=DRAFT | changes)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_schedule_is_made_listed_changed_and_deleted(api):
    reply = await api.post("/api/schedules", json=DRAFT)
    schedule = reply.json()

    assert reply.status_code == 201
    assert reply.headers["location"] == f"/api/schedules/{schedule['id']}"
    assert len(schedule["next"]) == 5
    assert schedule["next"][0] == schedule["next_at"]
    assert (await api.get("/api/schedules")).json() == {"items": [schedule]}
    assert (await api.get(reply.headers["location"])).json() == schedule

    paused = (await api.patch(reply.headers["location"], json={"paused": True})).json()
    assert (paused["paused"], paused["next"], paused["cron"]) == (True, [], schedule["cron"])

    assert (await api.delete(reply.headers["location"])).status_code == 204
    assert (await api.get(reply.headers["location"])).status_code == 404


async def test_a_schedule_is_run_now(api):
    schedule = await made(api)

    reply = await api.post(f"/api/schedules/{schedule['id']}/run")

    assert reply.status_code == 201
    assert (await api.get(reply.headers["location"])).json()["id"] == reply.json()["id"]
    assert (await api.get(f"/api/schedules/{schedule['id']}")).json()["last_job_id"] == reply.json()["id"]


async def test_a_timing_is_previewed(api):
    reply = await api.post("/api/schedules/preview", json={"cron": "0 0 29 2 *"})

    assert [at[:10] for at in reply.json()["next"]][:2] == ["2028-02-29", "2032-02-29"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cron": "* " * 60}, "cron"),
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "* * * * * *"}, "cron"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "🙂"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": None}, "cron"),
        ({"cron": 5}, "cron"),
        ({"interval_s": 60}, "cron"),
        ({"cron": None, "interval_s": 0}, "interval_s"),
        ({"cron": None, "interval_s": -1}, "interval_s"),
        ({"cron": None, "interval_s": 1e12}, "interval_s"),
        ({"cron": None, "interval_s": "60"}, "interval_s"),
        ({"timezone": "Europe/Berln"}, "timezone"),
        ({"kind": "nop"}, "kind"),
        ({"params": {"x": 1}}, "params.x"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"catch_up": "twice"}, "catch_up"),
        ({"priority": 1001}, "priority"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"speed": 1}, "speed"),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused_with_its_field(api, changes, field):
    reply = await api.post("/api/schedules", json=DRAFT | changes)

    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)
    assert (await api.get("/api/schedules")).json() == {"items": []}


async def test_a_name_that_is_taken_is_refused(api):
    await made(api)

    reply = await api.post("/api/schedules", json=DRAFT)

    assert (reply.status_code, reply.json()["title"]) == (409, "This name is taken")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "POST"])
async def test_an_unknown_schedule_is_reported_as_unknown(api, method):
    path = "/api/schedules/00000000-0000-0000-0000-000000000000" + ("/run" if method == "POST" else "")

    reply = await api.request(method, path, json={} if method == "PATCH" else None)

    assert (reply.status_code, reply.json()["title"]) == (404, "No such schedule")


async def test_each_occurrence_is_made_once_however_many_workers_run(api, start_worker):
    schedule = await made(api, cron=None, interval_s=1)
    for _ in range(2):
        await start_worker()

    async def occurrences():
        jobs = (await api.get("/api/jobs", params={"status": "completed"})).json()["items"]
        first_rows = [(await api.get(f"/api/jobs/{job['id']}/events")).json()["items"][0] for job in jobs]
        return [row["data"]["occurrence"] for row in first_rows]

    times = await until(occurrences, lambda found: len(found) >= 4)
    await api.delete(f"/api/schedules/{schedule['id']}")

    assert len(set(times)) == len(times)
