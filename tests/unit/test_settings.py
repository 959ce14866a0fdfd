"""Settings: what is allowed, and the one sentence that says what is not."""

import re
from pathlib import Path

import pytest

from runlane.errors import StartRefused
from runlane.settings import Settings, check_network, read_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for field in Settings.model_fields.values():
        monkeypatch.delenv(field.alias, raising=False)


def test_nothing_has_to_be_set():
    config = read_settings(_env_file=None)

    assert (config.host, config.port, config.concurrency) == ("127.0.0.1", 8000, 5)
    assert config.resolved_database_url.endswith("/.data/runlane.db")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "abc", "a whole number from 1 to 65535"),
        ("PORT", "70000", "a whole number from 1 to 65535"),
        ("PORT", "0", "a whole number from 1 to 65535"),
        ("RUNLANE_CONCURRENCY", "0", "a whole number from 1 to 1000"),
        ("RUNLANE_CONCURRENCY", "-1", "a whole number from 1 to 1000"),
        ("RUNLANE_RETRY_BASE_S", "nan", "a number of seconds"),
        ("RUNLANE_ALLOWED_ORIGINS", "jobs.example.com", "a comma-separated list of origins"),
        ("RUNLANE_WEBHOOKS_ALLOW", "10.0.0.1/8", "a comma-separated list of networks"),
        ("RUNLANE_WEBHOOKS_ALLOW", "true", "a comma-separated list of networks"),
        ("RUNLANE_JOBS", "my_jobs.py", "a comma-separated list of modules such as my_jobs or shop.jobs, without .py"),
        ("RUNLANE_JOBS", "my-jobs", "a comma-separated list of modules"),
        ("RUNLANE_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_bad_value_is_named_with_what_it_holds_and_what_is_allowed(monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)

    with pytest.raises(StartRefused) as refusal:
        read_settings(_env_file=None)

    assert refusal.value.message.startswith(f"{name} is '{value}', but it must be {allowed}")
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "ftp://user:hunter2@host"),
        ("DATABASE_URL", "ftp://user:hunter2@host"),
        ("DATABASE_URL", "postgresql://user:hunter2@host"),
        ("DATABASE_URL", "postgresql://user:hunter2@host:port/runlane"),
        ("DATABASE_URL", "postgresql://user:hunter2@host:70000/runlane"),
    ],
)
def test_addresses_that_may_hold_a_password_are_not_repeated(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(StartRefused) as refusal:
        read_settings(_env_file=None)

    assert name in refusal.value.message
    assert "hunter2" not in refusal.value.message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "jobs.example.com"])
def test_a_server_that_others_can_reach_starts_only_if_that_is_meant(host):
    with pytest.raises(StartRefused, match=f"HOST is '{host}', which other .*RUNLANE_TRUST_NETWORK=true"):
        check_network(read_settings(_env_file=None, host=host))

    check_network(read_settings(_env_file=None, host=host, trust_network=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_one_that_only_this_machine_can_reach_starts(host):
    check_network(read_settings(_env_file=None, host=host))


def test_an_empty_value_means_unset(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "")

    assert read_settings(_env_file=None).redis_url is None


def test_a_file_named_env_is_read_and_the_environment_wins(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("PORT=9001\nRUNLANE_CONCURRENCY=7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "9002")

    config = read_settings()

    assert (config.port, config.concurrency) == (9002, 7)


def test_origins_are_a_list_without_trailing_slashes(monkeypatch):
    monkeypatch.setenv("RUNLANE_ALLOWED_ORIGINS", "https://a.example/, http://b.example:81")

    assert read_settings(_env_file=None).allowed_origins == ("https://a.example", "http://b.example:81")


def test_tags_of_a_worker_are_a_list_without_spaces(monkeypatch):
    monkeypatch.setenv("RUNLANE_WORKER_TAGS", "browser, gpu,")

    assert read_settings(_env_file=None).worker_tags == ("browser", "gpu")


@pytest.mark.parametrize("document", ["README.md", ".env.example"])
def test_every_setting_is_documented_and_nothing_else(document):
    text = (ROOT / document).read_text()
    names = {field.alias for field in Settings.model_fields.values()}

    listed = set(re.findall(r"^(?:\| `|# )([A-Z][A-Z_]+)(?:`|=)", text, re.MULTILINE))

    assert listed == names
