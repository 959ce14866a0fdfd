"""Log lines: one line a message, with level, process and the job's id."""

import json
import logging
import os
import subprocess
import sys
from uuid import uuid4

import pytest

from runlane.logs import about_job, line_formatter
from testbed import ROOT
from tests.support.jobs import running


def formatted(record: logging.LogRecord) -> str:
    return line_formatter("worker").format(record)


def record_of(message: str, *, exc_info=None) -> logging.LogRecord:
    return logging.LogRecord("x", logging.WARNING, __file__, 1, message, (), exc_info)


def test_a_line_has_time_level_process_job_and_message():
    job_id = uuid4()

    with about_job(job_id):
        line = formatted(record_of("Started."))

    time, level, process, job, message = line.split()
    assert time.endswith("Z")
    assert (level, process, job, message) == ("WARNING", "worker", f"job={job_id}", "Started.")


def test_a_traceback_stays_on_its_line():
    try:
        raise ValueError("first\nsecond")
    except ValueError as exc:
        line = formatted(record_of("It failed", exc_info=(type(exc), exc, exc.__traceback__)))

    assert "\n" not in line
    assert "ValueError: first" in line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\rERROR forged", "a\\x0dERROR forged"),
        ("a\x1b[31mred\x1b[0m", "a\\x1b[31mred\\x1b[0m"),
        ("a\x9b2Jb", "a\\x9b2Jb"),
        ("a\x00b\x7fc", "a\\x00b\\x7fc"),
        ("a\u2028b\u202ec", "a\\u2028b\\u202ec"),
        ("a\n2026-01-01 ERROR forged", "a | 2026-01-01 ERROR forged"),
        ("Grüße, 你好 \U0001f680", "Grüße, 你好 \U0001f680"),
    ],
)
def test_no_text_forges_a_line_or_steers_a_terminal(hostile, shown):
    """Whoever's it is: libraries log through the same."""
    assert formatted(record_of(hostile)).endswith(f"job=- {shown}")
    assert json.loads(line_formatter("app", "json").format(record_of(hostile)))["message"] == hostile


def test_a_line_is_an_object_for_machines_if_asked():
    job_id = uuid4()
    try:
        raise ValueError("first\nsecond")
    except ValueError as exc:
        record = record_of("It failed – again", exc_info=(type(exc), exc, exc.__traceback__))

    with about_job(job_id):
        inside = line_formatter("worker", "json").format(record)
    outside = json.loads(line_formatter("worker", "json").format(record_of("Ready.")))

    entry = json.loads(inside)
    assert "\n" not in inside
    assert (entry["level"], entry["process"], entry["job_id"]) == ("WARNING", "worker", str(job_id))
    assert (entry["message"], entry["logger"]) == ("It failed – again", "x")
    assert "ValueError: first" in entry["exc_info"]
    assert outside["job_id"] is None


def test_lines_outside_a_job_have_a_dash_for_its_id():
    assert " job=- " in formatted(record_of("Ready."))


@pytest.mark.parametrize(
    "command", [["worker"], ["jobs_app"], ["runlane", "run"], ["runlane", "migrate"]], ids=" ".join
)
@pytest.mark.parametrize("setting", [{"PORT": "no-number"}, {"DATABASE_URL": "sqlite:////no/such/folder/runlane.db"}])
def test_the_reason_of_a_refused_start_is_an_object_where_the_log_is_json(command, setting, redis_server, tmp_path):
    environ = {
        **(os.environ | {"REDIS_URL": redis_server.url, "RUNLANE_DATA_DIR": str(tmp_path)}),
        **(setting | {"RUNLANE_LOG_FORMAT": "json"}),
    }

    done = subprocess.run([sys.executable, "-m", *command], env=environ, cwd=ROOT, capture_output=True, text=True)

    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 2
    assert entries[-1]["level"] == "CRITICAL"
    assert any(value in entries[-1]["message"] for value in setting.values())


async def test_log_lines_about_a_lost_workers_job_carry_its_id(service, caplog, reconciler):
    job = await running(service)
    caplog.handler.setFormatter(line_formatter("worker"))

    await reconciler.reclaim(job.id)

    assert f"job={job.id} Reclaimed from the lost worker" in caplog.text
