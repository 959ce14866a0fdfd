"""What Prometheus is told, and what it makes of it."""

import json
import re
import time

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from runlane.clock import utc_now
from runlane.metrics.histogram import Histogram
from testbed import ROOT
from testbed.waiting import until


def families(text):
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family, *labels):
    return {tuple(s.labels[name] for name in labels): s.value for s in family.samples if s.name == family.name}


async def scraped(api):
    reply = await api.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    return families(reply.text)


async def test_the_whole_system_is_told(api, client, start_worker):
    await start_worker()
    done = [await client.submit("noop") for _ in range(3)]
    failed = await client.submit("always_fails", max_attempts=1)
    later = await client.submit("noop", delay_s=3600)
    for job_id in (*done, failed):
        await client.job_is(job_id, "completed", "failed")

    async def told():
        found = await scraped(api)
        outcomes = {tuple(s.labels.values()): s.value for s in found["runlane_outcomes"].samples}
        return found, outcomes

    def is_whole(seen):
        return seen[1].get(("noop", "completed")) == 3 and seen[1].get(("always_fails", "failed")) == 1

    found, outcomes = await until(told, is_whole)

    assert values(found["runlane_jobs"], "kind", "status") == {
        ("noop", "scheduled"): 1,
        ("noop", "queued"): 0,
        ("noop", "running"): 0,
        ("noop", "completed"): 3,
        ("noop", "failed"): 0,
        ("noop", "cancelled"): 0,
        ("always_fails", "scheduled"): 0,
        ("always_fails", "queued"): 0,
        ("always_fails", "running"): 0,
        ("always_fails", "completed"): 0,
        ("always_fails", "failed"): 1,
        ("always_fails", "cancelled"): 0,
    }
    assert outcomes["noop", "submitted"] == 4
    assert outcomes["always_fails", "failed"] == 1
    runs = {s.labels["kind"]: s.value for s in found["runlane_run_seconds"].samples if s.name.endswith("_count")}
    assert runs == {"noop": 3, "always_fails": 1}
    assert values(found["runlane_workers"], "state")["running",] == 1
    assert values(found["runlane_slots"])[()] >= 5
    assert [values(found[f"runlane_{part}_up"])[()] for part in ("database", "redis")] == [1, 1]
    delays = [s.value for s in found["runlane_event_delay_seconds"].samples if s.name.endswith("_count")]
    assert delays[0] > 0
    assert (await client.job(later))["status"] == "scheduled"


async def test_the_database_is_timed_by_an_empty_question_not_by_what_else_a_scrape_asks(api, active, plain_sql):
    """Statistics of a thousand kinds are read beside it, which takes many times as long."""
    plain_sql(_MANY_KINDS, at=f"{utc_now():%Y-%m-%d} 00:00:00")

    taken_s = [await _scrape_s(api) for _ in range(3)]

    assert min(scrape_s for scrape_s, _ in taken_s) > 3 * min(ping_s for _, ping_s in taken_s)


_MANY_KINDS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
    INSERT INTO stat (step, at, kind, outcome, count, wait, run)
    SELECT 'day', :at, 'kind ' || n, 'completed', 1, '{}', '{}' FROM numbers
"""


async def _scrape_s(api):
    """How long a scrape took, and how long it says that the database took."""
    began = time.perf_counter()
    found = await scraped(api)
    return time.perf_counter() - began, values(found["runlane_database_seconds"])[()]


async def test_what_is_away_is_said_to_be_down_and_the_rest_is_told(api, database_away):
    with database_away():
        found = await scraped(api)

    assert values(found["runlane_database_up"])[()] == 0
    assert values(found["runlane_redis_up"])[()] == 1
    assert "runlane_jobs" not in found
    assert "runlane_workers" in found


async def test_rules_dashboard_and_autoscaling_ask_for_what_there_is(api, client, start_worker):
    """What a run tells is what there is to ask for."""
    await start_worker()
    await client.job_is(await client.submit("noop"), "completed")
    told = {
        name for family in (await scraped(api)).values() for name in {family.name, *(s.name for s in family.samples)}
    }
    told |= {f"{name}_total" for name in told} | {f"runlane_{part}_seconds_bucket" for part in ("wait", "run")}
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
    board = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    asked += [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]

    scalers = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "example" / "autoscaling.yaml").read_text())
    asked += [trigger["metadata"]["query"] for scaler in scalers for trigger in scaler["spec"]["triggers"]]

    by_query = [set(re.findall(r"\brunlane_[a-z_]+", expression)) for expression in asked]

    assert len(asked) > 15
    assert [query for query, names in zip(asked, by_query, strict=True) if not names] == ['up{job="runlane"} == 0']
    assert set().union(*by_query) <= told


@pytest.mark.parametrize("bounds", [(0.001, 0.1, 10.0), (0.5,)])
def test_a_histogram_is_counted_up_to_any_bounds(bounds):
    durations = [0.0007, 0.02, 0.02, 0.3, 5.0, 100.0]

    histogram = Histogram.of(durations)

    assert histogram.up_to(bounds) == [sum(d <= bound for d in durations) for bound in bounds]
    assert histogram.sum_s == pytest.approx(sum(durations), rel=0.03)
