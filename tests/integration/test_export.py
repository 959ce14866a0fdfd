"""The download of every job that a filter means."""

import csv
import io
import json

import pytest

from runlane.model.requests import Submission
from testbed.attempts import start_attempt
from tests.support.replies import FIELDS, assert_problem

pytestmark = pytest.mark.databases


@pytest.fixture
async def many(active):
    jobs = [Submission(kind="noop") for _ in range(700)]
    await active.service.submit_many(jobs)
    await active.service.submit_many([Submission(kind="noop") for _ in range(600)])
    slow, _ = await active.service.submit(Submission(kind="slow", params={"seconds": 1}))
    return slow


async def test_every_matching_job_is_in_the_file_once_in_the_order_of_the_list(api, many):
    reply = await api.get("/api/jobs/export", params={"format": "ndjson", "kind": "noop"})

    jobs = [json.loads(line) for line in reply.text.splitlines()]
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    assert len({job["id"] for job in jobs}) == len(jobs) == 1300
    assert [job["created_at"] for job in jobs] == sorted((job["created_at"] for job in jobs), reverse=True)
    assert set(jobs[0]) == FIELDS


async def test_csv_has_a_line_a_job_under_the_names_of_the_contract(api, many):
    reply = await api.get("/api/jobs/export", params={"format": "csv", "q": "kind:slow"})

    [line] = list(csv.DictReader(io.StringIO(reply.text)))
    assert set(line) == FIELDS
    assert (line["id"], line["status"], json.loads(line["params"])) == (str(many.id), "queued", {"seconds": 1.0})
    assert line["created_at"].endswith("Z")
    assert 'filename="jobs-' in reply.headers["content-disposition"]
    assert reply.headers["content-disposition"].endswith('.csv"')


@pytest.mark.parametrize("before", ["", "\n", " ", "\r\n", "\t", "\u3000"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
async def test_no_cell_is_a_formula(api, active, before, sign):
    formula = f"{before}{sign}cmd|' /C calc'!A0"
    job, _ = await active.service.submit(Submission(kind="noop"))
    await start_attempt(active.service, job.id, formula)

    reply = await api.get("/api/jobs/export", params={"format": "csv"})

    [line] = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    assert line["worker"] == f"'{formula}"


@pytest.mark.parametrize(
    ("asked", "field"),
    [("format=xml", "format"), ("q=kin:noop", "q"), ("sort=size", "sort"), ("status=done", "status")],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_sent(api, asked, field):
    reply = await api.get(f"/api/jobs/export?{asked}")

    assert_problem(reply, 422)
    assert reply.json()["errors"][0]["field"].startswith(field)


async def test_nothing_found_is_an_empty_file(api):
    assert (await api.get("/api/jobs/export")).text == ""
    assert len((await api.get("/api/jobs/export?format=csv")).text.splitlines()) == 1
