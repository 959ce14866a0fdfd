"""What ``docker compose up`` starts, as processes: order, settings, faults, and a journey through the proxy.

All of it is started once; what is killed has to start again, which is what these take.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
import yaml
from playwright.async_api import async_playwright, expect

from runlane import __version__
from runlane.settings import Settings, read_settings
from testbed import ROOT
from testbed.browser import BROWSER_FLAGS, find_browser
from testbed.compose_stack import ENVIRONMENT, HOSTS, compose_file, compose_text, image_environ, stack
from testbed.waiting import PATIENCE_S, until
from tests.support.name_server import name_server
from tests.support.user_projects import build_wheel, install
from tools import wheel as runlane_wheel

pytestmark = pytest.mark.xdist_group("compose")  # it is started once
PUBLISHED = "127.0.0.1:"


@pytest.fixture(scope="module")
def services():
    return compose_file(ENVIRONMENT)["services"]


@pytest.fixture(scope="module")
def compose(postgres_programs):
    subprocess.run([sys.executable, "-m", "runlane", "run", "--build"], cwd=ROOT, check=True, timeout=PATIENCE_S)
    with stack() as running:
        running.up()
        yield running
        print("\n".join(f"-- {name}\n{each.log.read_text()[-4000:]}" for name, each in running.running.items()))


@pytest.fixture
async def api(compose):
    async with httpx.AsyncClient(base_url=compose.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
async def open_page():
    """Opens an address in a browser, and returns when the page is live."""
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_S * 1000)
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_FLAGS)

        async def open_address(address):
            page = await (await browser.new_context(ignore_https_errors=True)).new_page()
            page.set_default_timeout(PATIENCE_S * 1000)
            await page.goto(address)
            await page.locator("#live-mark", has_text="Live").wait_for()
            return page

        yield open_address
        await browser.close()


async def submitted(api, kind="noop", **more):
    reply = await api.post("/api/jobs", json={"kind": kind, **more})
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


async def ended(api, job_id):
    async def job():
        return (await api.get(f"/api/jobs/{job_id}")).json()

    return await until(job, lambda found: found["status"] in ("completed", "failed", "cancelled"))


class TestTheFile:
    """Read, not run."""

    def test_it_is_what_the_schema_of_compose_files_wants(self):
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        found = subprocess.run([*command, "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True)

        assert (found.returncode, found.stderr) == (0, ""), found.stdout

    def test_only_the_app_and_the_dashboards_are_published_and_only_on_this_machine(self, services):
        ports = {name: service["ports"] for name, service in services.items() if "ports" in service}

        assert ports.keys() == {"app", "grafana", "proxy"}
        assert all(port.startswith(PUBLISHED) for name in ("app", "grafana") for port in ports[name])

    def test_every_service_has_a_limit_comes_back_and_says_how_it_is(self, services):
        for name, service in services.items():
            assert service["deploy"]["resources"]["limits"]["memory"], name
            if name != "migrate":
                assert service["restart"] == "unless-stopped", name
        assert "test" in services["redis"]["healthcheck"]
        assert "test" in services["postgres"]["healthcheck"]

    def test_redis_keeps_what_it_has_and_throws_nothing_away(self, services):
        command = " ".join(services["redis"]["command"])

        assert "--appendonly yes" in command
        assert "--maxmemory-policy noeviction" in command
        assert f"--requirepass {ENVIRONMENT['REDIS_PASSWORD']}" in command

    def test_our_own_services_can_write_nowhere_but_to_their_volumes(self, services):
        for name in ("migrate", "app", "worker"):
            assert services[name]["read_only"] is True
            assert services[name]["cap_drop"] == ["ALL"]

    def test_nothing_starts_without_passwords(self):
        with pytest.raises(AssertionError, match="REDIS_PASSWORD is not set"):
            compose_file({})

    def test_no_secret_stands_in_a_file(self):
        for path in ("docker-compose.yml", "deploy/env.example", "Dockerfile"):
            assert "secret" not in (ROOT / path).read_text().lower().replace("${", "")

    def test_every_file_it_mounts_is_there(self, services):
        mounted = [v.split(":")[0] for service in services.values() for v in service.get("volumes", ())]

        assert all((ROOT / path).exists() for path in mounted if path.startswith("./"))

    @pytest.mark.parametrize("name", ["migrate", "app", "worker"])
    def test_every_setting_there_is_reaches_what_starts(self, services, name):
        known = {field.alias for field in Settings.model_fields.values()}

        assert set(services[name]["environment"]) | (known & set(image_environ())) == known

    def test_what_env_sets_is_what_a_worker_gets_and_the_rest_has_its_default(self, monkeypatch):
        given = ENVIRONMENT | {
            "RUNLANE_STOP_GRACE_S": "300",
            "RUNLANE_USER_HEADER": "X-Forwarded-User",
            "RUNLANE_LEASE_S": "30",
        }
        for name, value in compose_file(given)["services"]["worker"]["environment"].items():
            monkeypatch.setenv(name, value)

        settings = read_settings(_env_file=None)

        assert (settings.stop_grace_s, settings.user_header, settings.lease_s) == (300, "X-Forwarded-User", 30)
        assert (settings.worker_slots, settings.log_format, settings.max_params_bytes) == (None, "text", 256_000)

    @pytest.mark.parametrize(
        ("given", "origins"),
        [
            ({}, ("https://localhost",)),
            ({"RUNLANE_SITE": "jobs.example.com"}, ("https://jobs.example.com",)),
            ({"RUNLANE_ALLOWED_ORIGINS": "https://a.example"}, ("https://localhost", "https://a.example")),
        ],
    )
    def test_the_address_of_the_proxy_is_one_that_the_app_knows(self, monkeypatch, given, origins):
        environ = compose_file(ENVIRONMENT | given)["services"]["app"]["environment"]
        monkeypatch.setenv("RUNLANE_ALLOWED_ORIGINS", environ["RUNLANE_ALLOWED_ORIGINS"])

        assert read_settings(_env_file=None).allowed_origins == origins

    def test_nothing_is_published_to_other_machines_unasked(self, services):
        published = [place for service in services.values() for place in service.get("ports", ())]

        assert published
        assert all(place.startswith("127.0.0.1:") for place in published)

    @pytest.mark.parametrize(("grace_s", "period"), [("", "10s20s"), ("300", "10s300s"), ("0.5", "10s0.5s")])
    def test_a_worker_is_given_longer_to_stop_than_its_jobs(self, grace_s, period):
        worker = compose_file(ENVIRONMENT | {"RUNLANE_STOP_GRACE_S": grace_s})["services"]["worker"]

        assert worker["stop_grace_period"] == period, "parts of a duration add up"

    @pytest.mark.parametrize("place", ["127.0.0.1:8000-8003", "0.0.0.0:80", "127.0.0.1:"])
    def test_the_app_is_published_where_env_says(self, place):
        app = compose_file(ENVIRONMENT | {"RUNLANE_PUBLISH": place})["services"]["app"]

        assert app["ports"] == [f"{place}:8000"]

    def test_grafana_starts_with_a_password_of_its_own_alone(self, services, tmp_path):
        shell, flag, script = services["grafana"]["entrypoint"]
        (tmp_path / "run.sh").write_text("#!/bin/sh\necho started\n")
        (tmp_path / "run.sh").chmod(0o755)
        command = [shell, flag, script.replace("/run.sh", str(tmp_path / "run.sh"))]

        without, given = (
            subprocess.run(
                command, env=os.environ | {"GF_SECURITY_ADMIN_PASSWORD": password}, capture_output=True, text=True
            )
            for password in ("", "of-its-own")
        )

        assert (without.returncode, without.stdout) == (2, "")
        assert "set GRAFANA_PASSWORD in .env" in without.stderr
        assert (given.returncode, given.stdout) == (0, "started\n")

    def test_prometheus_and_the_proxy_ask_every_app_there_is(self):
        [scraped] = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]

        assert [(each["names"], each["type"], each["port"]) for each in scraped["dns_sd_configs"]] == [
            (["app"], "A", 8000)
        ]
        assert "name {$RUNLANE_UPSTREAM:app}" in (ROOT / "deploy" / "Caddyfile").read_text()

    def test_volumes_that_are_used_are_declared(self, services):
        declared = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"])
        used = {v.split(":")[0] for service in services.values() for v in service.get("volumes", ())}

        assert {name for name in used if not name.startswith("./")} == declared


class TestAWorkerOfOnesOwn:
    """Its service stands in the compose file as a comment, and its image is built by a recipe that users copy."""

    @pytest.fixture
    def services(self):
        return compose_file(ENVIRONMENT, own_worker=True)["services"]

    def test_the_file_with_it_is_what_the_schema_wants(self, tmp_path):
        (tmp_path / "docker-compose.yml").write_text(compose_text(own_worker=True))
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        found = subprocess.run([*command, "docker-compose.yml"], cwd=tmp_path, capture_output=True, text=True)

        assert (found.returncode, found.stderr) == (0, ""), found.stdout

    def test_it_is_as_the_bundled_worker_but_for_its_image_its_jobs_and_its_tags(self, services):
        own, bundled = services["my-worker"], services["worker"]
        environment = {name for name, value in own["environment"].items() if bundled["environment"].get(name) != value}
        different = {name for name, value in own.items() if bundled[name] != value}

        assert environment == {"RUNLANE_JOBS", "RUNLANE_WORKER_TAGS"}
        assert own.keys() == bundled.keys()
        assert different == {"image", "build", "command", "environment", "healthcheck", "deploy"}

    def test_its_recipe_follows_the_rules_and_installs_this_version(self):
        hadolint = Path(sys.executable).parent / "hadolint"
        recipe = ROOT / "deploy" / "worker.Dockerfile"
        found = subprocess.run([hadolint, str(recipe)], capture_output=True, text=True)

        assert (found.returncode, found.stdout) == (0, "")
        assert f"ARG RUNLANE_VERSION={__version__}\n" in recipe.read_text()

    def test_its_image_runs_what_the_service_says(self, services):
        text = (ROOT / "deploy" / "worker.Dockerfile").read_text()
        command, health = re.findall(r"CMD (\[.*\])$", text, re.MULTILINE)[::-1]

        assert json.loads(command) == services["my-worker"]["command"]
        assert ["CMD", *json.loads(health)] == services["my-worker"]["healthcheck"]["test"]
        assert "\nUSER 10001\n" in text
        assert "STOPSIGNAL SIGTERM" in text


class TestTheImage:
    def test_its_recipe_follows_the_rules(self):
        hadolint = Path(sys.executable).parent / "hadolint"
        found = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)

        assert (found.returncode, found.stdout) == (0, "")

    def test_it_runs_as_nobody_special_and_stops_on_a_signal(self):
        text = (ROOT / "Dockerfile").read_text()

        assert "\nUSER 10001\n" in text
        assert "STOPSIGNAL SIGTERM" in text
        assert 'CMD ["python"' in text, "no shell between the signal and the process"

    def test_nothing_is_sent_to_the_engine_that_is_not_needed(self):
        lines = (ROOT / ".dockerignore").read_text().splitlines()

        assert "*" in lines
        assert not {"!.env", "!tests", "!.git", "!.data"} & set(lines)

    def test_all_that_its_recipe_copies_is_sent_to_the_engine(self):
        copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

        assert set(copied) == sent
        assert all((ROOT / name).exists() for name in sent)

    def test_the_command_runlane_is_in_it_before_pip_is_removed(self):
        build = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1]

        assert "pip install --no-deps --editable ." in build.split("pip uninstall")[0]


class TestWithAnEngine:
    """What ``make compose-test`` does, with twins of its two tools, which write down their calls."""

    ENGINE = 'echo "docker $*" >> "$CALLS"'
    CURL = """echo "curl" >> "$CALLS"; echo '{"id":"1","status":"completed"}'"""

    @pytest.fixture
    def compose_test(self, tmp_path):
        def run(**tools):
            programs = tmp_path / "bin"
            programs.mkdir()
            for name, does in tools.items():
                (programs / name).write_text(f"#!/bin/sh\n{does}\n")
                (programs / name).chmod(0o755)
            (programs / "sed").symlink_to(shutil.which("sed"))
            calls = tmp_path / "calls"
            environ = {"PATH": str(programs), "CALLS": str(calls)}
            command = [shutil.which("sh"), str(ROOT / "tools" / "compose-test")]
            done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True)
            return done, calls.read_text().splitlines() if calls.exists() else []

        return run

    @pytest.mark.parametrize(
        ("tools", "message"),
        [
            ({}, "Docker with Compose is needed here."),
            ({"docker": "exit 1"}, "Docker with Compose is needed here."),
            ({"docker": '[ "$1" = compose ]'}, "its engine does not answer"),
        ],
    )
    def test_where_there_is_none_it_says_so(self, compose_test, tools, message):
        done, _ = compose_test(**tools)

        assert done.returncode == 2
        assert message in done.stderr

    def test_each_service_is_killed_in_turn_a_job_runs_after_each_and_all_of_it_is_taken_down(self, compose_test):
        done, calls = compose_test(docker=self.ENGINE, curl=self.CURL)

        assert done.returncode == 0, done.stderr
        kills = [index for index, call in enumerate(calls) if "compose kill" in call]
        assert [calls[index].split()[-1] for index in kills] == ["redis", "postgres", "worker", "app", "proxy"]
        assert all(calls[index + 1].startswith("docker compose up --detach --wait") for index in kills)
        assert all(calls[index + 2 : index + 4] == ["curl", "curl"] for index in kills)
        assert calls[-1].startswith("docker compose down --volumes")

    def test_a_job_that_does_not_complete_fails_it(self, compose_test):
        done, calls = compose_test(docker=self.ENGINE, curl="""echo '{"id":"1","status":"failed"}'""")

        assert (done.returncode, done.stderr) == (1, "The job 1 was not completed after the start.\n")
        assert calls[-1].startswith("docker compose down --volumes")


async def test_all_of_it_starts_in_order_is_well_and_runs_a_job(compose, api):
    assert compose.order() == ["redis", "postgres", "migrate", "app", "worker"]
    assert [compose.health(name) for name in ("app", "worker")] == [0, 0]

    done = await ended(api, await submitted(api))

    assert done["status"] == "completed"
    info = (await api.get("/api/database")).json()
    assert info["system"] == "PostgreSQL"


@pytest.mark.parametrize("name", ["worker", "app", "redis", "postgres"])
async def test_each_part_is_killed_in_turn_and_no_job_is_lost(compose, api, name):
    jobs = [await submitted(api, "web_agent", params={"steps": 4, "step_seconds": 0.2}) for _ in range(8)]

    compose.kill(name)
    compose.start(name)

    compose.ready()
    assert Counter([(await ended(api, job_id))["status"] for job_id in jobs]) == {"completed": 8}


async def test_an_app_and_a_worker_that_start_before_redis_wait_for_it_and_come_up(compose, api):
    for name in ("worker", "app"):
        assert compose.stop(name) == 0
    compose.kill("redis")

    for name in ("app", "worker"):
        compose.start(name)
    await until(lambda: _status(api, "/healthz"), lambda code: code == 200)
    waiting = await submitted(api)

    assert await _status(api, "/readyz") == 503
    assert all("does not answer yet" in compose.log(name) for name in ("app", "worker"))
    compose.start("redis")
    compose.ready()
    assert (await ended(api, waiting))["status"] == "completed"


async def test_listeners_that_never_read_take_no_memory_and_hold_up_nobody(compose, api):
    before = compose.memory_bytes("app")
    host, port = "127.0.0.1", compose.ports["app"]
    deaf = []
    for _ in range(20):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.connect((host, port))
        listener.sendall(f"GET /api/stream HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        deaf.append(listener)

    jobs = [await submitted(api, "noisy", params={"lines": 1000}) for _ in range(10)]
    lines = await asyncio.gather(*(_lines(api, job_id) for job_id in jobs))

    grown = compose.memory_bytes("app") - before
    for listener in deaf:
        listener.close()
    assert lines == [1000] * 10
    assert grown < 100_000_000, "without them it grows by 40 MB; their 200,000 messages would take several times that"


async def test_what_is_asked_to_stop_stops_cleanly_and_comes_back(compose, api):
    assert [compose.stop(name) for name in ("worker", "app")] == [0, 0]

    for name in ("app", "worker"):
        compose.start(name)
    compose.ready()

    assert (await ended(api, await submitted(api)))["status"] == "completed"


async def test_nothing_was_written_where_the_image_is(compose, api):
    await ended(api, await submitted(api))

    assert compose.written() == []


@pytest.fixture(scope="module")
def programs(compose, tmp_path_factory):
    """Those of an image of one's own: Runlane's wheel, a user's project and the recipe, as a venv."""
    folder = tmp_path_factory.mktemp("own")
    dist = build_wheel(folder).parent
    runlane_wheel.build(dist)
    return install(dist, folder / "venv")


@pytest.fixture
async def start_own(compose, api, programs):
    """Starts workers with a user's jobs, each with tags of its own, and ends them with the test."""
    started = []

    async def start(name, tags=""):
        compose.start_own(programs, name, RUNLANE_WORKER_TAGS=tags)
        started.append(name)
        await until(lambda: _kinds(api), lambda kinds: kinds >= {"crawl", "fibonacci"})

    yield start
    for name in started:
        compose.kill(name)


async def test_jobs_of_an_image_of_ones_own_run_beside_the_bundled_ones(api, start_own):
    await start_own("my-worker")

    jobs = [
        await submitted(api, "crawl", params={"site": "https://shop.example"}),
        await submitted(api, "fibonacci", params={"n": 90}),
        await submitted(api),
    ]

    done = [await ended(api, job_id) for job_id in jobs]
    results = [job["result"] for job in done[:2]]
    assert [job["status"] for job in done] == ["completed"] * 3
    assert results == [{"pages": 10, "total": 55}, 2880067194370816120]
    assert done[0]["title"] == "https://shop.example, 10 pages"


async def test_a_job_of_a_killed_worker_of_ones_own_goes_on_at_the_step_where_it_was(compose, api, start_own):
    await start_own("my-worker")
    job_id = await submitted(api, "crawl", params={"site": "https://shop.example", "seconds": 0.3})
    await until(lambda: _message(api, job_id), lambda message: message == "Page 7")

    compose.kill("my-worker")
    await start_own("my-worker")

    done = await ended(api, job_id)
    steps = [event["message"] for event in await _events(api, job_id) if event["type"] == "progress"]
    assert (done["status"], done["attempt"], done["result"]) == ("completed", 2, {"pages": 10, "total": 55})
    assert [steps.count(f"Page {page}") for page in (1, 5, 7, 8)] == [1, 1, 2, 1]


async def test_a_job_with_a_tag_runs_on_workers_that_have_it_alone(api, start_own):
    await start_own("small-worker", "small")
    job_id = await submitted(api, "screenshot", params={"url": "https://shop.example"})
    other = await ended(api, await submitted(api, "crawl", params={"site": "https://shop.example"}))
    waiting = (await api.get(f"/api/jobs/{job_id}")).json()

    await start_own("browser-worker", "browser")

    done = await ended(api, job_id)
    assert (other["status"], waiting["status"]) == ("completed", "queued")
    assert (done["status"], done["result"]) == ("completed", "https://shop.example by browser")


async def _kinds(api):
    return {kind["name"] for kind in (await api.get("/api/kinds")).json() if kind["workers"]}


async def _message(api, job_id):
    return (await api.get(f"/api/jobs/{job_id}")).json()["message"]


async def _events(api, job_id):
    return (await api.get(f"/api/jobs/{job_id}/events", params={"limit": 1000})).json()["items"]


async def test_a_second_app_shows_and_does_the_same_and_more_workers_keep_the_limit(compose, api, open_page):
    compose.start("app", "app2")
    for number in range(2, 5):
        compose.start("worker", f"worker{number}")
    async with httpx.AsyncClient(base_url=compose.address("app2"), timeout=PATIENCE_S) as other:
        await until(lambda: _status(other, "/readyz"), lambda code: code == 200)
        await until(lambda: _workers(api), lambda count: count >= 4)
        listening = asyncio.create_task(_completed_on_stream(other, 12))
        page = await open_page(str(other.base_url))
        jobs = [await submitted(api, "web_agent", params={"steps": 2, "step_seconds": 0.2}) for _ in range(12)]
        most = 0
        while not listening.done():
            most = max(most, (await other.get("/api/queue")).json()["counts"]["running"])
        completed = await listening
        waiting = await submitted(api, "web_agent", delay_s=3600)
        row = page.locator(f"#jobs tr[data-job='{waiting}']")
        await expect(row).to_have_attribute("data-status", "scheduled")
        cancelled = await other.post(f"/api/jobs/{waiting}/cancel")
        await expect(row).to_have_attribute("data-status", "cancelled")

    assert completed == set(jobs)
    assert 1 <= most <= 5
    assert cancelled.status_code == 200
    assert (await api.get(f"/api/jobs/{waiting}")).json()["status"] == "cancelled"
    for name in ("app2", "worker2", "worker3", "worker4"):
        assert compose.stop(name) == 0


async def _status(client, path):
    try:
        return (await client.get(path)).status_code
    except httpx.TransportError:
        return None


async def _workers(api):
    return sum(worker["state"] == "running" for worker in (await api.get("/api/workers")).json())


async def _lines(client, job_id):
    """How many log lines of a job came through its event stream, from its begin to its end."""
    since = {"Last-Event-ID": "1"}
    async with client.stream("GET", f"/api/jobs/{job_id}/stream", headers=since, timeout=PATIENCE_S) as stream:
        return sum([line == "event: log" async for line in stream.aiter_lines()])


async def _completed_on_stream(client, count):
    """The jobs that an event stream reports as completed, once there are so many."""
    completed = set()
    async with client.stream("GET", "/api/stream", timeout=PATIENCE_S) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data:") and '"status":"completed"' in line.replace(" ", ""):
                completed.add(line.split('"id":')[1].split('"')[1])
            if len(completed) >= count:
                return completed


@contextlib.contextmanager
def proxy(compose, **environ):
    """The proxy runs for as long as the block lasts."""
    compose.start("proxy", **environ)
    yield
    compose.stop("proxy")


async def test_through_the_proxy_a_job_is_started_watched_and_streamed(compose, api, open_page):
    async with httpx.AsyncClient(base_url=compose.site, verify=False, timeout=PATIENCE_S) as outside:
        with proxy(compose):
            await until(lambda: _status(outside, "/healthz"), lambda code: code == 200)
            assert (await outside.get("/metrics")).status_code == 404
            assert [await _named(client, "ada") for client in (outside, api)] == ["REST from 127.0.0.1", "ada"], (
                "the proxy removes the name that a client gives itself; clients on this machine may give one"
            )

            page = await open_page(compose.site)
            await page.get_by_label("Step seconds").fill("0.4")
            await page.get_by_role("button", name="Start", exact=True).click()
            job_id = await page.locator("#jobs tr[data-status=running]").first.get_attribute("data-job")
            steps = await _steps(outside, job_id)
            row = page.locator(f"#jobs tr[data-job='{job_id}']")
            await expect(row).to_have_attribute("data-status", "completed")

    assert len(steps) > 2
    assert max(b - a for a, b in pairwise(steps)) < 1.5, "lines come one by one"


async def _named(client, name):
    """Who changed something, as the audit has it, when a client gives ``name`` as its user."""
    for paused in (True, False):
        headers = {"X-Forwarded-User": name}
        reply = await client.patch("/api/kinds/noop", json={"paused": paused}, headers=headers)
        assert reply.status_code == 200, reply.text
    return (await client.get("/api/audit")).json()["items"][0]["who"]


async def _steps(client, job_id):
    """When each step of a running job came through its event stream."""
    came = []
    async with client.stream("GET", f"/api/jobs/{job_id}/stream", timeout=PATIENCE_S) as stream:
        async for line in stream.aiter_lines():
            if line == "event: progress":
                came.append(asyncio.get_running_loop().time())
            if line == "event: end":
                return came


async def test_two_apps_behind_the_proxy_each_keep_their_tabs_and_streams_and_one_takes_over_from_the_other(
    compose, api, open_page
):
    compose.start("app", "app2")
    await until(lambda: _status(api, f"{compose.address('app2')}/readyz"), lambda code: code == 200)
    async with contextlib.AsyncExitStack() as opened:
        names = opened.enter_context(name_server(*HOSTS.values()))
        resolvers = f"resolvers 127.0.0.1:{names.port}"
        with proxy(compose, RUNLANE_UPSTREAM="app.", RUNLANE_RESOLVERS=resolvers):
            clients, pages = {}, []
            while len(clients) < len(HOSTS):  # the proxy gives newcomers to any app
                client = await opened.enter_async_context(
                    httpx.AsyncClient(base_url=compose.site, verify=False, timeout=PATIENCE_S)
                )
                await until(lambda client=client: _status(client, "/readyz"), lambda code: code == 200)
                clients.setdefault(client.cookies["jobs_app"], client)
            while not all([await _pages_open(compose.address(app)) for app in HOSTS]):
                pages.append(await open_page(compose.site))

            job_id = await submitted(api, "web_agent", params={"steps": 4, "step_seconds": 0.4})
            steps = await asyncio.gather(*(_steps(client, job_id) for client in clients.values()))
            kept = [(await client.get("/healthz")).headers.get("set-cookie") for client in clients.values()]
            for page in pages:
                await expect(page.locator(f"#jobs tr[data-job='{job_id}']")).to_have_attribute(
                    "data-status", "completed"
                )
            compose.kill("app2")
            names.addresses.remove(HOSTS["app2"])
            later = await submitted(api)
            answers = [await client.get(f"/api/jobs/{later}") for client in clients.values()]
            for page in pages:
                await expect(page.locator(f"#jobs tr[data-job='{later}']")).to_have_attribute(
                    "data-status", "completed"
                )

    assert [len(each) > 2 for each in steps] == [True, True]
    assert kept == [None, None], "who has an app keeps it"
    assert [answer.status_code for answer in answers] == [200, 200]


async def _pages_open(app):
    async with httpx.AsyncClient(base_url=app, timeout=PATIENCE_S) as client:
        text = (await client.get("/metrics")).text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("runlane_pages_open ")))
