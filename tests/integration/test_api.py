"""The REST contract, row by row, and everything that is refused."""

import asyncio
import json
from uuid import UUID

import httpx
import pytest
from fastapi.responses import PlainTextResponse

from jobs_app.admin.health import troubles
from jobs_app.admin.overview import overview
from jobs_app.server.security import guard
from runlane.core.attempts import completed
from runlane.queue import keys
from testbed.attempts import end_attempt, start_attempt
from testbed.waiting import until
from tests.support.replies import FIELDS, UNKNOWN, assert_problem


async def nothing_is_stored(api):
    return (await api.get("/api/jobs")).json()["items"] == []


async def test_a_submitted_job_is_answered_with_201_its_place_and_itself(api):
    reply = await api.post("/api/jobs", json={"kind": "web_agent", "params": {"steps": 3}, "priority": 7})

    job = reply.json()
    assert reply.status_code == 201
    assert reply.headers["location"] == f"/api/jobs/{job['id']}"
    assert (job["status"], job["version"], job["attempt"], job["priority"]) == ("queued", 1, 1, 7)
    assert job["created_at"].endswith("Z")
    assert (await api.get(reply.headers["location"])).json() == job


async def test_a_job_has_exactly_the_fields_of_the_contract(api):
    job = (await api.post("/api/jobs", json={"kind": "noop"})).json()

    assert set(job) == FIELDS


async def test_a_list_has_results_only_if_they_are_asked_for(api, active):
    job_id = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]
    await start_attempt(active.service, UUID(job_id), "worker-1")
    await end_attempt(active.service, completed(UUID(job_id), 1, {"found": 3}))

    [brief] = (await api.get("/api/jobs")).json()["items"]
    [whole] = (await api.get("/api/jobs?fields=result&fields=params")).json()["items"]

    assert (set(brief), brief["result"], brief["omitted"]) == (FIELDS | {"omitted"}, None, ["result"])
    assert (whole["result"], whole["omitted"]) == ({"found": 3}, [])
    assert_problem(await api.get("/api/jobs?fields=secrets"), 422)


async def test_json_is_taken_under_the_name_that_curl_gives_it(api):
    reply = await api.post(
        "/api/jobs", content=b'{"kind":"noop"}', headers={"content-type": "application/x-www-form-urlencoded"}
    )

    assert reply.status_code == 201


@pytest.mark.parametrize(
    ("path", "most_bytes"),
    [
        ("/api/jobs", 832_000),
        ("/api/jobs/batch", 16_000_000),
        ("/api/jobs/bulk", 500_000),
        ("/api/schedules", 832_000),
        ("/api/schedules/preview", 64_000),
        ("/api/alerts/rules", 64_000),
        (f"/api/jobs/{UNKNOWN}/cancel", 64_000),
    ],
)
async def test_a_body_is_refused_by_its_size_whether_it_says_so_or_not(api, path, most_bytes):
    async def pieces():
        for _ in range(most_bytes // 50_000 + 1):
            yield b"[" * 50_000

    declared = await api.post(path, content=b"{}", headers={"content-length": str(most_bytes + 1)})
    turned_out = await api.post(path, content=pieces())

    for reply in (declared, turned_out):
        assert_problem(reply, 413)
        assert reply.json()["detail"] == (
            f"The body is larger than the {most_bytes} bytes that {path} takes. Send less at once."
        )


async def test_a_large_body_of_very_many_values_is_refused_without_being_parsed(api):
    reply = await api.post("/api/jobs/batch", content=b"[" + b",".join([b"[]"] * 2_000_000) + b"]")

    assert_problem(reply, 413)
    assert "values or more; 200000 are taken at once" in reply.json()["detail"]


async def test_a_large_body_of_few_values_is_taken(api):
    jobs = [{"kind": "web_agent", "params": {"goal": "a," * 1000}}] * 1000

    reply = await api.post("/api/jobs/batch", json={"jobs": jobs})

    assert (reply.status_code, len(reply.json()["items"])) == (201, 1000)


async def test_a_name_that_comes_twice_in_one_object_is_refused(api):
    reply = await api.post("/api/jobs", content=b'{"kind": "noop", "kind": "slow"}')

    assert_problem(reply, 422)
    assert reply.json()["errors"] == [{"field": "body", "message": "names 'kind' twice in one object"}]


async def test_the_same_idempotency_key_gives_the_same_job_again(api):
    replies = await asyncio.gather(
        *(api.post("/api/jobs", json={"kind": "noop"}, headers={"Idempotency-Key": "k"}) for _ in range(8))
    )

    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [201]
    assert len({reply.json()["id"] for reply in replies}) == 1


async def test_the_same_idempotency_key_with_another_submission_is_refused(api):
    async def submit(**more):
        return await api.post("/api/jobs", json={"kind": "noop", **more}, headers={"Idempotency-Key": "k"})

    job_id = (await submit(priority=1)).json()["id"]
    await api.patch(f"/api/jobs/{job_id}", json={"priority": 2})

    assert [(await submit(**same)).status_code for same in ({"priority": 1}, {"params": {}, "priority": 1})] == [
        200
    ] * 2
    for other in ({}, {"priority": 2}, {"kind": "slow", "priority": 1}, {"priority": 1, "delay_s": 1}):
        reply = await submit(**other)
        assert_problem(reply, 422, "idempotency-key")
        assert job_id[-8:] in reply.json()["detail"] or job_id[:8] in reply.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "web_agnt"}, "kind"),
        ({"kind": 5}, "kind"),
        ({"kind": "web_agent", "params": {"steps": "ten"}}, "params.steps"),
        ({"kind": "web_agent", "params": {"steps": 0}}, "params.steps"),
        ({"kind": "noop", "params": {"extra": 1}}, "params.extra"),
        ({"kind": "noop", "params": [1]}, "params"),
        ({"kind": "noop", "extra": 1}, "extra"),
        ({"kind": "web_agent", "params": {"goal": "x" * 500_000}}, "params.goal"),
        ({"kind": "noop", "scheduled_for": "2026-12-01T10:00:00"}, "scheduled_for"),
        ({"kind": "noop", "scheduled_for": "2036-12-01T10:00:00Z"}, "scheduled_for"),
        ({"kind": "noop", "scheduled_for": "0001-01-01T00:00:00+23:00"}, "scheduled_for"),
        ({"kind": "noop", "scheduled_for": "tomorrow"}, "scheduled_for"),
        ({"kind": "noop", "delay_s": -1}, "delay_s"),
        ({"kind": "noop", "delay_s": 315_360_000}, "delay_s"),
        ({"kind": "noop", "delay_s": "1"}, "delay_s"),
        ({"kind": "noop", "priority": 10**30}, "priority"),
        ({"kind": "noop", "max_attempts": 0}, "max_attempts"),
        ({"kind": "noop", "max_attempts": 10**9}, "max_attempts"),
    ],
)
async def test_a_bad_submission_is_refused_by_field_and_nothing_is_stored(api, body, field):
    assert_problem(await api.post("/api/jobs", json=body), 422, field)
    assert await nothing_is_stored(api)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'"noop"', "body"),
        (b'{"kind": "\xff"}', "body"),
        (b'{"kind": "slow", "params": {"seconds": NaN}}', "params.seconds"),
        (b'{"kind": "slow", "params": {"seconds": 1e999}}', "params.seconds"),
        (b'{"kind": "web_agent", "params": {"goal": "\\ud800"}}', "params.goal"),
        (b'{"kind": "web_agent", "params": {"goal": "a\\u0000b"}}', "params.goal"),
        (b'{"kind": "no\\u0000op"}', "kind"),
        (b'{"kind": "noop", "priority": ' + b"9" * 5000 + b"}", "priority"),
        (b'{"kind": "noop", "params": {"a": ' + b"[" * 60 + b"]" * 60 + b"}}", "params.a" + ".0" * 49),
        (b'{"a":' * 100_000, "body"),
    ],
)
async def test_bodies_that_are_no_json_to_keep_are_refused(api, raw, field):
    assert_problem(await api.post("/api/jobs", content=raw), 422, field)
    assert await nothing_is_stored(api)


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_an_idempotency_key_has_a_sane_length(api, key):
    reply = await api.post("/api/jobs", json={"kind": "noop"}, headers={"Idempotency-Key": key})

    assert_problem(reply, 422, "idempotency-key")


async def test_a_batch_is_made_whole(api):
    reply = await api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}] * 1000})

    assert reply.status_code == 201
    assert len({job["id"] for job in reply.json()["items"]}) == 1000


async def test_the_same_idempotency_key_gives_the_same_batch_again(api):
    async def submit(jobs):
        return await api.post("/api/jobs/batch", json={"jobs": jobs}, headers={"Idempotency-Key": "k"})

    batch = [{"kind": "noop", "priority": n} for n in range(3)]
    replies = [await submit(batch) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [201, 200, 200]
    assert replies[0].json() == replies[1].json() == replies[2].json()
    for other in (batch[::-1], batch[:2], [*batch, {"kind": "noop"}]):
        assert_problem(await submit(other), 422, "idempotency-key")
    one = await api.post("/api/jobs", json=batch[0], headers={"Idempotency-Key": "k"})
    assert_problem(one, 422, "idempotency-key")


@pytest.mark.parametrize(
    ("jobs", "field"),
    [
        ([], "jobs"),
        ([{"kind": "noop"}] * 1001, "jobs"),
        ([{"kind": "noop"}, {"kind": "nope"}], "jobs.1.kind"),
        ([{"kind": "noop"}, {"kind": "noop", "delay_s": -1}], "jobs.1.delay_s"),
        ([{"kind": "noop"}, {"kind": "web_agent", "params": {"steps": 0}}], "jobs.1.params.steps"),
    ],
)
async def test_a_batch_with_a_fault_is_refused_with_its_index_and_nothing_is_stored(api, jobs, field):
    assert_problem(await api.post("/api/jobs/batch", json={"jobs": jobs}), 422, field)
    assert await nothing_is_stored(api)


async def test_the_list_is_newest_first_in_pages(api):
    ids = [(await api.post("/api/jobs", json={"kind": "noop"})).json()["id"] for _ in range(5)]

    first = (await api.get("/api/jobs", params={"limit": 3})).json()
    second = (await api.get("/api/jobs", params={"limit": 3, "cursor": first["next_cursor"]})).json()

    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None


async def test_the_list_is_filtered_by_repeated_statuses_and_kinds(api):
    noop = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]
    slow = (await api.post("/api/jobs", json={"kind": "slow"})).json()["id"]
    later = (await api.post("/api/jobs", json={"kind": "slow", "delay_s": 60})).json()["id"]

    async def found(query):
        return {job["id"] for job in (await api.get(f"/api/jobs?{query}")).json()["items"]}

    assert await found("status=queued") == {noop, slow}
    assert await found("status=queued&status=scheduled&kind=slow") == {slow, later}
    assert await found("kind=slow&kind=noop") == {noop, slow, later}
    assert await found(f"q={noop}") == {noop}
    assert await found("created_after=2999-01-01T00:00:00Z") == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1000000000", "limit"),
        ("limit=x", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=WyJwcmlvcml0eSIsIDFlNDAsICJ4Il0=", "cursor"),
        ("cursor=%00", "cursor"),
        ("status=done", "status.0"),
        ("sort=colour", "sort"),
        ("q=%00", "q"),
        ("q=" + "x" * 501, "q"),
        ("q=status:done", "q"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("created_before=soon", "created_before"),
    ],
)
async def test_a_bad_question_is_refused_by_field(api, query, field):
    assert_problem(await api.get(f"/api/jobs?{query}"), 422, field)


@pytest.mark.parametrize(
    "call", ["get /", "get /events", "get /stream", "get /artifacts", "post /cancel", "post /retry", "delete /"]
)
async def test_an_unknown_job_is_a_404_and_no_uuid_a_422(api, call):
    method, path = call.split()

    assert_problem(await api.request(method, f"/api/jobs/{UNKNOWN}{path.rstrip('/')}"), 404)
    assert_problem(await api.request(method, f"/api/jobs/nonsense{path.rstrip('/')}"), 422, "id")


async def test_a_queued_job_is_cancelled_at_once_then_retried_then_deleted(api):
    job_id = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]

    cancelled = await api.post(f"/api/jobs/{job_id}/cancel")
    refused = await api.post(f"/api/jobs/{job_id}/cancel")
    retried = await api.post(f"/api/jobs/{job_id}/retry")
    refused_too = await api.post(f"/api/jobs/{job_id}/retry")
    deleted = await api.delete(f"/api/jobs/{job_id}")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert_problem(refused, 409)
    assert (retried.status_code, retried.json()["status"], retried.json()["attempt"]) == (200, "queued", 2)
    assert_problem(refused_too, 409)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert_problem(await api.get(f"/api/jobs/{job_id}"), 404)


async def test_a_timeline_is_read_from_any_version_on(api):
    job_id = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]
    await api.post(f"/api/jobs/{job_id}/cancel")
    await api.post(f"/api/jobs/{job_id}/retry")

    whole = (await api.get(f"/api/jobs/{job_id}/events")).json()["items"]
    part = (await api.get(f"/api/jobs/{job_id}/events", params={"after": 1, "limit": 1})).json()["items"]

    assert [(event["version"], event["type"]) for event in whole] == [(1, "status"), (2, "status"), (3, "status")]
    assert {"version", "at", "type", "status", "progress", "message", "data"} <= set(whole[0])
    assert part == whole[1:2]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=2147483648", "after"),
        ("after=" + "9" * 30, "after"),
        ("limit=0", "limit"),
    ],
)
async def test_a_bad_question_about_a_timeline_is_refused_by_field(api, query, field):
    assert_problem(await api.get(f"/api/jobs/{UNKNOWN}/events?{query}"), 422, field)


async def test_a_job_that_is_run_again_is_known_with_its_family(api):
    first = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]
    second = (await api.post("/api/jobs", json={"kind": "noop", "rerun_of": first})).json()["id"]
    third = (await api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop", "rerun_of": second}]})).json()
    await api.delete(f"/api/jobs/{second}")

    family = (await api.get(f"/api/jobs/{first}/lineage")).json()["items"]

    assert [(job["id"], job["rerun_of"]) for job in family] == [
        (first, None),
        (second, first),
        (third["items"][0]["id"], second),
    ]
    assert [job["status"] for job in family] == ["queued", None, "queued"]


async def test_a_job_cannot_be_the_rerun_of_one_that_is_not_there(api):
    one = {"kind": "noop", "rerun_of": UNKNOWN}

    assert_problem(await api.post("/api/jobs", json=one), 422, "rerun_of")
    assert_problem(await api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}, one]}), 422, "jobs.1.rerun_of")
    assert (await api.get("/api/jobs")).json()["items"] == []


async def test_a_deletion_can_be_undone_one_by_one_and_in_bulk(api):
    ids = [(await api.post("/api/jobs", json={"kind": "noop"})).json()["id"] for _ in range(3)]
    await api.post("/api/jobs/bulk", json={"action": "delete", "ids": ids})

    one = await api.post(f"/api/jobs/{ids[0]}/restore")
    rest = await api.post("/api/jobs/bulk", json={"action": "restore", "ids": ids})

    assert (one.status_code, one.json()["status"]) == (200, "queued")
    assert (rest.json()["matched"], rest.json()["done"]) == (3, 2)
    assert_problem(await api.post(f"/api/jobs/{ids[0]}/restore"), 409)
    assert_problem(await api.post(f"/api/jobs/{UNKNOWN}/restore"), 404)


async def test_a_bulk_action_answers_what_it_did_and_what_it_left_alone(api):
    done = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]

    dry = await api.post("/api/jobs/bulk", json={"action": "cancel", "ids": [done, UNKNOWN], "dry_run": True})
    wet = await api.post("/api/jobs/bulk", json={"action": "cancel", "filter": {"status": ["queued"]}})

    assert (dry.json()["matched"], dry.json()["done"]) == (2, 1)
    assert dry.json()["skipped"][0]["id"] == UNKNOWN
    assert wet.json() == {"matched": 1, "done": 1, "skipped": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "explode", "ids": []}, "action"),
        ({"action": "delete"}, "body"),
        ({"action": "delete", "ids": [], "filter": {}}, "body"),
        ({"action": "delete", "ids": ["x"]}, "ids.0"),
        ({"action": "delete", "filter": {"stauts": ["failed"]}}, "filter.stauts"),
        ({"action": "delete", "filter": {"status": ["done"]}}, "filter.status.0"),
        ({"action": "restore", "filter": {}}, "body"),
        ({"action": "restore", "ids": [], "dry_run": True}, "body"),
    ],
)
async def test_a_bulk_action_that_is_not_clear_is_refused(api, body, field):
    assert_problem(await api.post("/api/jobs/bulk", json=body), 422, field)


async def test_the_kinds_are_listed_with_their_schema_and_defaults(api):
    kinds = {kind["name"]: kind for kind in (await api.get("/api/kinds")).json()}

    agent = kinds["web_agent"]
    assert agent["defaults"]["steps"] == 10
    assert agent["params_schema"]["properties"]["steps"]["maximum"] == 100
    assert all(kind["title"] and kind["description"] for kind in kinds.values())


async def test_the_queue_tells_its_counts_and_how_long_the_oldest_waits(api):
    await api.post("/api/jobs", json={"kind": "noop"})

    queue = (await api.get("/api/queue")).json()

    assert (queue["paused"], queue["concurrency"]) == (False, 5)
    assert queue["counts"] == {"scheduled": 0, "queued": 1, "running": 0, "completed": 0, "failed": 0, "cancelled": 0}
    assert 0 <= queue["oldest_queued_s"] < 10


async def test_readiness_names_what_is_missing(api):
    assert (await api.get("/healthz")).status_code == 200
    ready = await api.get("/readyz")

    assert (ready.status_code, ready.json()["missing"]) == (503, ["workers"])
    assert (await api.head("/healthz")).status_code == 200


async def test_a_part_that_is_down_is_named_by_readiness_metrics_and_the_admin_page(api, active):
    async def broken():
        raise KeyError("x")

    active.parts.start({"a broken part": broken})
    await until(lambda: _down(api))

    [down] = await _down(api)
    assert (down["part"], down["error"]) == ("a broken part", "KeyError")
    metrics = (await api.get("/metrics")).text
    assert 'runlane_part_up{part="a broken part"} 0.0' in metrics
    assert 'runlane_part_up{part="alerts: evaluating"} 1.0' in metrics
    assert 'runlane_part_failures_total{part="a broken part"}' in metrics
    assert any("'a broken part' of this server has been down" in text for text in troubles((await overview()).facts))


async def _down(api):
    return (await api.get("/readyz")).json()["down"]


async def test_the_queue_is_paused_resumed_and_given_another_limit(api, active, redis_server):
    await active.queue.set_limits(active.limits.current, generation=0)  # as a worker does
    paused = await api.patch("/api/queue", json={"paused": True})
    more = await api.patch("/api/queue", json={"concurrency": 7})

    assert (paused.json()["paused"], paused.json()["concurrency"]) == (True, 5)
    assert (more.json()["paused"], more.json()["concurrency"]) == (True, 7)
    assert (await api.get("/api/queue")).json() == more.json()
    with redis_server.client() as client:
        assert client.hgetall(keys.LIMITS) == {"paused": "1", "concurrency": "7", "generation": "0"}
    back = (await api.patch("/api/queue", json={"paused": False, "concurrency": None})).json()
    assert (back["paused"], back["concurrency"]) == (False, 5)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": -1}, "concurrency"),
        ({"concurrency": 10**9}, "concurrency"),
        ({"concurrency": "5"}, "concurrency"),
        ({"concurrency": 2.5}, "concurrency"),
        ({"paused": None}, "paused"),
        ({"paused": "yes"}, "paused"),
        ({"speed": 1}, "speed"),
        ([], "body"),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused_and_nothing_changes(api, change, field):
    reply = await api.patch("/api/queue", json=change)

    assert (reply.status_code, [e["field"] for e in reply.json()["errors"]]) == (422, [field])
    queue = (await api.get("/api/queue")).json()
    assert (queue["paused"], queue["concurrency"]) == (False, 5)


async def test_a_worker_that_does_not_live_cannot_be_told_anything(api):
    unknown = await api.post("/api/workers/nobody/quiet")
    nonsense = await api.post("/api/workers/nobody/dance")

    assert (unknown.status_code, unknown.json()["title"]) == (404, "No such worker")
    assert nonsense.status_code == 422


async def test_while_redis_is_away_jobs_are_taken_and_they_are_queued_when_it_is_back(api, redis_server):
    with redis_server.away():
        reply = await api.post("/api/jobs", json={"kind": "noop"})
        cancelled = (await api.post("/api/jobs", json={"kind": "noop"})).json()["id"]
        assert (await api.post(f"/api/jobs/{cancelled}/cancel")).status_code == 200

    async def waiting():
        with redis_server.client() as client:
            return client.zrange(f"{keys.QUEUE}noop", 0, -1)

    assert (reply.status_code, reply.json()["status"]) == (201, "queued")
    assert await until(waiting) == [reply.json()["id"]]


async def test_while_redis_is_away_every_call_says_what_it_cannot_know(api, redis_server):
    with redis_server.away():
        ready = await api.get("/readyz")
        workers = await api.get("/api/workers")

    assert (ready.status_code, ready.json()["missing"]) == (503, ["redis", "workers"])
    assert_problem(workers, 503)


async def test_while_the_database_is_away_nothing_is_taken_and_every_answer_says_so(api, database_away):
    with database_away():
        ready = await api.get("/readyz")
        replies = [await api.post("/api/jobs", json={"kind": "noop"}), await api.get("/api/jobs")]

    assert (ready.status_code, ready.json()["database"]) == (503, False)
    for reply in replies:
        assert_problem(reply, 503)
    assert await nothing_is_stored(api)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
async def test_an_unknown_path_is_a_json_404(api, method):
    assert_problem(await api.request(method, "/api/nowhere"), 404)


@pytest.mark.parametrize(
    "call", ["PUT /api/jobs", "DELETE /api/kinds", "GET /api/jobs/bulk/x", f"POST /api/jobs/{UNKNOWN}"]
)
async def test_a_wrong_method_or_path_is_a_problem_too(api, call):
    reply = await api.request(*call.split())

    assert_problem(reply, 405 if "/bulk/x" not in call else 404)


async def test_the_documentation_is_served_from_here(api):
    schema = (await api.get("/api/openapi.json")).json()
    docs = await api.get("/api/docs")

    assert "/api/jobs/{id}/cancel" in schema["paths"]
    assert docs.status_code == 200
    assert "https://" not in docs.text.replace("https://github.com", "")
    for path in ("/api/docs-assets/swagger-ui-bundle.js", "/api/docs-assets/swagger-ui.css"):
        assert path in docs.text
        assert (await api.get(path)).status_code == 200


async def test_a_page_of_another_site_cannot_change_anything(api):
    evil = {"Origin": "http://evil.example"}

    assert_problem(await api.post("/api/jobs", json={"kind": "noop"}, headers=evil), 403)
    assert_problem(await api.post("/api/jobs", json={"kind": "noop"}, headers={"Sec-Fetch-Site": "cross-site"}), 403)
    assert await nothing_is_stored(api)
    own = {"Origin": "http://localhost:8000"}
    assert (await api.post("/api/jobs", json={"kind": "noop"}, headers=own)).status_code == 201


async def test_a_server_answers_to_the_address_of_this_machine_that_it_listens_on(config):
    guarded = guard(config.model_copy(update={"host": "127.0.0.2"}))(PlainTextResponse("Here."))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://127.0.0.2:8000") as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/", headers={"Host": "127.0.0.3:8000"})).status_code == 421


@pytest.mark.parametrize(
    ("host", "local", "open_to_all"),
    [
        ("localhost:8000", 200, 200),
        ("[::1]:8000", 200, 200),
        ("JOBS.example.com", 200, 200),
        ("10.0.0.7:8000", 421, 200),
        ("[fd00::7]:8000", 421, 200),
        ("evil.example:8000", 421, 421),
        ("localhost.evil.example", 421, 421),
        ("10.0.0.7.evil.example", 421, 421),
        ("", 421, 421),
        ("[::1", 421, 421),
    ],
)
async def test_a_server_answers_to_the_names_that_it_knows(config, host, local, open_to_all):
    """Any other may be a page's own, which was made to stand for this server's address."""
    for listens_on, status in (("127.0.0.1", local), ("0.0.0.0", open_to_all)):
        here = config.model_copy(update={"host": listens_on, "allowed_origins": ("https://jobs.example.com",)})
        guarded = guard(here)(PlainTextResponse("Here."))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://x") as client:
            reply = await client.get("/api/jobs", headers={"Host": host})

        assert reply.status_code == status
        assert status == 200 or "RUNLANE_ALLOWED_ORIGINS" in reply.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://[::1"}, {"Origin": "null"}, {"Origin": "://"}, {"Origin": "https://localhost:8000"}],
)
async def test_an_origin_that_cannot_be_read_or_is_of_another_scheme_is_foreign(api, headers):
    assert_problem(await api.post("/api/jobs", json={"kind": "noop"}, headers=headers), 403)
    assert await nothing_is_stored(api)


@pytest.mark.parametrize(
    "path",
    [
        "/api/database/backup",
        "/api/diagnostics",
        "/api/jobs/export",
        f"/api/jobs/{UNKNOWN}/artifacts/{UNKNOWN}",
        f"/api/jobs/{UNKNOWN}/log",
        f"/api/alerts/rules/{UNKNOWN}/secret",
    ],
)
async def test_what_is_secret_is_not_downloaded_for_another_site(api, path):
    assert_problem(await api.get(path, headers={"Sec-Fetch-Site": "cross-site"}), 403)

    for own in ({}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}):
        assert (await api.get(path, headers=own)).status_code in (200, 404)


async def test_no_answer_may_be_framed_or_guessed_at(api):
    headers = (await api.get("/api/jobs")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


async def test_a_hostile_text_stays_text(api):
    text = "<script>alert(1)</script>\u202e{{7*7}}'; DROP TABLE job;--"

    job = (await api.post("/api/jobs", json={"kind": "web_agent", "params": {"goal": text}})).json()
    listed = (await api.get("/api/jobs", params={"q": "DROP TABLE"})).json()["items"]

    assert job["params"]["goal"] == text
    assert [each["id"] for each in listed] == [job["id"]]
    assert json.loads(json.dumps(job)) == job


async def test_failures_are_listed_by_cause(api):
    assert (await api.get("/api/failures")).json() == {"items": []}
