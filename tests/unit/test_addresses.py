"""Addresses are shown without their passwords, wherever people write those."""

import pytest

from runlane.addresses import server_of, shown, without_secrets


@pytest.mark.parametrize(
    ("url", "expected"),
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
def test_an_address_is_shown_without_its_secrets(url, expected):
    assert shown(url) == expected
    assert "hunter" not in shown(url)


@pytest.mark.parametrize(
    "url", ["redis://:hun/ter#2@cache:6379/0", "redis://cache:6379", "redis://u:p@cache:6379?db=1"]
)
def test_the_server_is_found_whatever_the_password_holds(url):
    assert server_of(url) == "cache:6379"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tgram://123456789:hunter2hunter2/12345", "tgram://***"),
        ("slack://hunter2/A1BRTD4JD/hunter2hunter2", "slack://***"),
        ("pover://user@hunter2", "pover://***"),
        ("json://api.example.com:8443", "json://api.example.com:8443"),
        ("jsons://me:hunter2@api.example.com/hunter2?+token=hunter2", "jsons://***@api.example.com/***"),
        ("JSON://[::1]:8080/?-x=hunter2", "JSON://[::1]:8080/***"),
        ("mailtos://me:hunter2@gmail.com?to=you@example.com", "mailtos://***@gmail.com/***"),
        ("mailto://me:hun/ter2@gmail.com", "mailto://***"),
        ("mailto://me:hun?ter2@gmail.com", "mailto://***"),
        ("gotify://push.example.com/hunter2", "gotify://push.example.com/***"),
        ("HTTPS://hooks.example.com/XhunterXhunter22222222", "HTTPS://hooks.example.com/***"),
    ],
)
def test_of_an_address_of_a_service_no_more_than_its_host_is_shown(url, expected):
    assert shown(url) == expected
    assert "hunter" not in shown(url)


def test_what_is_hidden_of_an_address_is_hidden_in_a_text_about_it():
    url = "jsons://me:hunter%202@api.example.com/Xk29/abc"

    text = without_secrets("Failed at api.example.com/Xk29 as me with hunter 2 (hunter%202).", url)

    assert text == "Failed at api.example.com/*** as me with *** (***)."
