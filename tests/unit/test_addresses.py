"""Addresses are shown without their passwords, wherever people write those."""

import pytest

from runlane.addresses import server_of, shown


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://runlane:hunter2@db:5432/runlane", "postgresql://runlane:***@db:5432/runlane"),
        ("postgresql://jobs@db/runlane", "postgresql://jobs@db/runlane"),
        ("postgresql://db/runlane?user=jobs&password=hunter2", "postgresql://db/runlane?user=jobs&password=***"),
        (
            "postgresql://db/runlane?sslmode=require&sslpassword=hunter2",
            "postgresql://db/runlane?sslmode=require&sslpassword=***",
        ),
        ("postgresql://runlane:hun@ter2@db/runlane", "postgresql://runlane:***@db/runlane"),
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("redis://:hun/ter#2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("redis://:hun?ter2@cache", "redis://:***@cache"),
        ("redis+sentinel://:hunter2@a:1,b:2/main", "redis+sentinel://:***@a:1,b:2/main"),
        ("unix:///run/redis.sock?password=hunter2", "unix:///run/redis.sock?password=***"),
        ("https://hooks.example.com/jobs?token=hunter2&x=hunter2", "https://hooks.example.com/jobs?token=***&x=***"),
        (
            "https://hooks.example.com/services/T0123/XhunterXhunter22222222",
            "https://hooks.example.com/services/T0123/***",
        ),
        ("https://hooks.example.com/?hunter2", "https://hooks.example.com/?***"),
        (
            "sqlite:////srv/a-folder-with-a-long-name-2026/runlane.db",
            "sqlite:////srv/a-folder-with-a-long-name-2026/runlane.db",
        ),
        ("sqlite:////srv/runlane.db", "sqlite:////srv/runlane.db"),
        ("user:hunter2@host", "***"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, said):
    assert shown(url) == said
    assert "hunter" not in shown(url)


@pytest.mark.parametrize(
    "url", ["redis://:hun/ter#2@cache:6379/0", "redis://cache:6379", "redis://u:p@cache:6379?db=1"]
)
def test_the_server_is_found_whatever_the_password_holds(url):
    assert server_of(url) == "cache:6379"
