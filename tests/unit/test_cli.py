"""What the command line makes of words, what it makes in a folder, and what its page says."""

import ast
import asyncio
import datetime
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib

import pytest
import typer
from hypothesis import given, strategies
from pydantic import BaseModel, Field

from jobs_app.submit import as_code
from runlane import __version__
from runlane.cli import completion, new, submitting
from runlane.cli.app import app, main
from runlane.cli.values import params_of, words_of
from runlane.errors import InvalidInput
from runlane.text import without_controls
from testbed import ROOT
from testbed.ports import free_port
from tests.support.receivers import receiver, replying


class Shop(BaseModel):
    city: str
    open: bool = True


class Everything(BaseModel):
    pages: int = 1
    ratio: float = 0.5
    name: str = ""
    deep: bool = False
    tags: list[str] = []
    numbers: list[int] = []
    either: int | str = 0
    limit: int | None = None
    note: str | None = None
    shop: Shop | None = None
    shops: list[Shop] = []
    counts: dict[str, int] = {}
    pair: tuple[int, str] = (1, "a")
    any: object = None
    dotted: int = Field(0, alias="a.b")


SCHEMA = Everything.model_json_schema()


@pytest.mark.parametrize(
    ("words", "params"),
    [
        ("pages=3 ratio=2 name=7", {"pages": 3, "ratio": 2, "name": "7"}),
        ("deep=true", {"deep": True}),
        ("deep=no", {"deep": False}),
        ("name=a=b", {"name": "a=b"}),
        ("name=", {"name": ""}),
        ("name='[1]'", {"name": "[1]"}),
        ("tags=a", {"tags": ["a"]}),
        ("tags=a tags=b", {"tags": ["a", "b"]}),
        ("numbers=1 numbers=2", {"numbers": [1, 2]}),
        ("numbers='[1, 2]'", {"numbers": [1, 2]}),
        ("pair=1 pair=2", {"pair": [1, "2"]}),
        ("shop.city=Bern shop.open=off", {"shop": {"city": "Bern", "open": False}}),
        ("""shop='{"city": "Bern"}'""", {"shop": {"city": "Bern"}}),
        ("counts.a=1 counts.b=2", {"counts": {"a": 1, "b": 2}}),
        ("limit=null note=null", {"limit": None, "note": "null"}),
        ("note:=null name:='\"x\"' pages:=4", {"note": None, "name": "x", "pages": 4}),
        ("a.b=5", {"a.b": 5}),
        ("unknown=5", {"unknown": "5"}),
        ("pages=many", {"pages": "many"}),  # which the server refuses
    ],
)
def test_words_become_what_the_schema_asks_for(words, params):
    found = params_of(shlex.split(words), SCHEMA)

    assert json.dumps(found) == json.dumps(params)


def test_words_come_before_what_comes_as_json():
    whole = {"pages": 1, "shop": {"city": "Bern", "open": True}}

    assert params_of(["pages=2", "shop.open=false"], SCHEMA, whole) == {
        "pages": 2,
        "shop": {"city": "Bern", "open": False},
    }


@pytest.mark.parametrize(
    ("words", "field", "sentence"),
    [
        ("pages", "pages", "is no parameter; write NAME=VALUE, such as pages=3"),
        ("=3", "=3", "is no parameter"),
        ("pages=1 pages=2", "pages", "is given 2 times, and takes one value"),
        ("numbers='[1'", "numbers", "is not JSON: .* at character 3"),
        ("limit:=nul", "limit", "is not JSON"),
        ("name=x name.part=y", "name.part", "name has a value of its own; give either that or its parts"),
        ("shop.city=x shop=y", "shop", "has parts already; give either those or a value of its own"),
    ],
)
def test_a_word_that_cannot_be_read_is_refused_by_its_name(words, field, sentence):
    with pytest.raises(InvalidInput) as refusal:
        params_of(shlex.split(words), SCHEMA)

    [error] = refusal.value.errors
    assert error.field == field
    assert re.match(sentence, error.message)


def test_parameters_as_a_whole_are_an_object():
    with pytest.raises(InvalidInput, match=r'params: must be a JSON object, such as {"pages": 3}'):
        params_of([], SCHEMA, [1])


texts = strategies.text(strategies.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
values = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-5, 5)
    | strategies.sampled_from([0.5, 2.0])
    | texts,
    lambda inner: strategies.lists(inner, max_size=2) | strategies.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


@given(strategies.dictionaries(strategies.sampled_from([*SCHEMA["properties"], "x.y", "-q", "x="]), values, max_size=4))
def test_whatever_a_form_holds_its_command_means_the_same(params):
    words = words_of(params, SCHEMA)

    whole = json.loads(words[-1]) if words[-2:-1] == ["--params"] else None
    assert json.dumps(params_of(words[:-2] if whole else words, SCHEMA, whole), sort_keys=True) == json.dumps(
        params, sort_keys=True
    )


def test_a_form_is_copied_as_a_command_that_submits_it(monkeypatch):
    body = {
        "kind": "crawl",
        "params": {"pages": 3, "name": "a b", "tags": ["x"], "note": None},
        "priority": 5,
        "delay_s": 30.0,
        "max_attempts": 2,
    }
    seen = []
    monkeypatch.setattr(submitting, "submit", lambda server, wanted, **how: seen.append((wanted, how)))

    words = shlex.split(as_code.command("http://localhost:8000", body, SCHEMA))
    with pytest.raises(SystemExit, match="0"):
        main(words[1:])

    [(wanted, how)] = seen
    assert how == {"wait": True, "as_json": False}
    assert params_of(wanted.words, SCHEMA) == body["params"]
    assert (wanted.kind, wanted.priority, wanted.max_attempts) == ("crawl", 5, 2)
    assert submitting.delay_s(wanted.delay) == 30


def test_times_are_written_as_people_write_them():
    assert [submitting.delay_s(text) for text in ("0.5", "30s", "10m", "2h", "1d")] == [0.5, 30, 600, 7200, 86_400]
    assert submitting.time_of("2026-01-31T18:30+02:00").astimezone(datetime.UTC).hour == 16
    assert submitting.time_of("2026-01-31T18:30").replace(tzinfo=None) == datetime.datetime(2026, 1, 31, 18, 30)
    for read, text in ((submitting.delay_s, "soon"), (submitting.delay_s, "-1"), (submitting.time_of, "tomorrow")):
        with pytest.raises(InvalidInput, match=f"{text!r} is no time"):
            read(text)


def test_what_a_job_says_cannot_control_a_terminal():
    assert without_controls("a\x1b[2Jb\r\n") == "a\\x1b[2Jb\\x0d\\x0a"
    assert without_controls("a\n\tb\x9b", lines=True) == "a\n    b\\x9b"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sumbit x", "No such command 'sumbit'. Did you mean 'submit'? `runlane --help` shows what it takes."),
        ("submit", "Missing argument 'KIND'. `runlane submit --help` shows what it takes."),
        ("list --limit 0", "Invalid value for '--limit': Input should be greater than or equal to 1. `runlane list"),
        ("show zz", "'zz' is no id of a job; give it whole, or its last 8 characters."),
        ("list --url localhost:8000", "'localhost:8000' is no address"),
        ("submit noop --params [1", "--params: is not JSON"),
        ("submit noop --params @/no/such/file", "--params: the file /no/such/file cannot be read: No such file"),
        ("submit noop --delay soon", "--delay: 'soon' is no time; give seconds, or such as 30s, 10m, 2h or 1d"),
        ("submit noop --at soon", "--at: 'soon' is no time; give one such as 2026-01-31T18:30"),
        ("submit noop --delay 1 --at 2030-01-01", "give either --delay or --at"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(words, sentence, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(shlex.split(words))

    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


@pytest.mark.parametrize("words", ["submit noop", "follow 1a2b3c4d"])
def test_a_server_that_is_away_is_exit_code_3(words, capsys):
    address = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(SystemExit, match="3"):
        main([*shlex.split(words), "--url", address, "--token", ""])

    assert f"{address} does not answer" in capsys.readouterr().err


def answer(status: int, body: str, media_type: str = "application/json") -> bytes:
    head = [f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", f"Content-Type: {media_type}"]
    return "\r\n".join([*head, f"Runlane-Version: {__version__}", "", body]).encode()


def problem(status: int, detail: str) -> bytes:
    return answer(status, json.dumps({"title": "No", "detail": detail}), "application/problem+json")


@pytest.mark.parametrize(
    ("reply", "code", "sentence"),
    [
        (problem(401, "Log in first."), 2, "Log in first. No token was sent: give one, or set RUNLANE_TOKEN."),
        (problem(403, "A viewer may not do this."), 2, "A viewer may not do this."),
        (problem(500, "It failed; its log has the reason."), 3, "It failed; its log has the reason."),
        (answer(404, "<html>", "text/html"), 3, "is no Runlane, or something is between: it sent 404 with text/html"),
        (answer(200, "{}"), 3, "is not what runlane"),
    ],
)
async def test_what_the_server_answers_decides_the_exit_code(reply, code, sentence, capsys, monkeypatch):
    monkeypatch.delenv("RUNLANE_TOKEN", raising=False)
    async with receiver(replying(reply)) as (url, _):
        with pytest.raises(SystemExit, match=str(code)):
            await asyncio.to_thread(main, ["pause", "--url", url.removesuffix("/hook?x=1")])

    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


def test_completion_offers_nothing_where_no_server_is(capfd):
    context = typer.Context(typer.main.get_command(app))
    context.params = {"url": f"http://127.0.0.1:{free_port()}"}

    assert completion.kinds(context, "") == []
    assert completion.job_ids("failed")(context, "") == []
    assert completion.statuses("f") == ["failed"]
    assert logging.getLogger().isEnabledFor(logging.ERROR), "what else runs in this process logs as before"
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET, "others log as before"


NEEDED_ONLY_LATER = "{'httpx', 'pydantic', 'rich.progress', 'sqlalchemy', 'redis', 'asyncio'}"


def test_the_help_of_a_command_waits_for_nothing_that_it_does_not_need():
    code = f"import sys, runlane.cli.app; print({NEEDED_ONLY_LATER} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_a_client_command_imports_nothing_of_the_server():
    code = (
        "import sys, runlane.cli.submitting, runlane.cli.queue, runlane.cli.following;"
        "print({'sqlalchemy', 'redis', 'arq', 'fastapi', 'pydantic_settings'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])

    assert capsys.readouterr().out == f"runlane {__version__}\n"


def test_the_page_of_the_command_line_names_every_command_with_its_options():
    page = (ROOT / "docs" / "cli.md").read_text()
    told = {}
    for commands, options in re.findall(r"^\| (`[a-z].*?) \| .* \|(.*)\|$", page, re.MULTILINE):
        for command in re.findall(r"`(\w+)", commands):
            told[command] = set(re.findall(r"`(--[\w-]+)`", options))

    common = {"--json", "--url", "--token", "--help", "-h"}
    there = {
        name: {option for each in command.params for option in each.opts if option.startswith("-")} - common
        for name, command in typer.main.get_command(app).commands.items()
    }
    assert told == there


def test_every_command_has_a_sentence_of_help():
    for name, command in typer.main.get_command(app).commands.items():
        assert re.fullmatch(r"[A-Z].*\.", command.help), name
        assert all(each.help for each in command.params), name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("1x", "is no name of a module"),
        ("My-Jobs", "is no name of a module"),
        ("a b", "is no name of a module"),
        ("../x", "is no name of a module"),
        ("jobs-", "is no name of a module"),
        ("class", "is a word of Python's own"),
        ("asyncio", "is a word of Python's own"),
        ("runlane", "is a package of Runlane"),
    ],
)
def test_a_project_has_a_name_that_can_be_imported(name, why, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit, match="2"):
        main(["new", name])

    assert f"{name!r} {why}. Names have small letters, digits, - and _, such as my-jobs." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_new_project_has_a_job_and_a_test_that_passes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit, match="0"):
        main(["new", "web-shop"])

    assert "cd web-shop" in capsys.readouterr().out
    folder = tmp_path / "web-shop"
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {
        *("web_shop.py", "test_web_shop.py", "pyproject.toml", "Dockerfile", ".gitignore", "README.md"),
    }
    assert not [name for name, text in made.items() if re.search("my.jobs|RUNLANE_NEWEST", text)]
    assert len(made["README.md"].splitlines()) <= 12
    project = tomllib.loads(made["pyproject.toml"])
    assert project["project"]["name"] == "web-shop"
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == ["web_shop.py"]
    assert ast.get_docstring(ast.parse(made["web_shop.py"]))
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:valkey", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    done = subprocess.run(pytest_, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_folder_that_is_there_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()

    with pytest.raises(SystemExit, match="2"):
        main(["new", "shop"])

    assert "There is already shop in this folder; choose another name, or remove it." in capsys.readouterr().err
    assert list((tmp_path / "shop").iterdir()) == []


def test_the_code_of_a_new_project_is_typed_and_formatted(tmp_path):
    for name, text in new.files("web-shop").items():
        (tmp_path / name).write_text(text)
    code = ["web_shop.py", "test_web_shop.py"]
    environ = {"PATH": "/usr/bin:/bin", "MYPYPATH": str(ROOT)}
    cache = str(ROOT / ".mypy_cache" / "new")

    for words in (
        ["ruff", "format", "--isolated", "--line-length", "120", "--check", *code],
        ["ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,W,I,UP,B,SIM", *code],
        ["mypy", "--strict", "--cache-dir", cache, *code],
    ):
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_of_a_new_project_is_the_one_that_is_deployed_here():
    def steps(recipe):
        return recipe[recipe.index("FROM ") :]

    recipe = (ROOT / "deploy" / "worker.Dockerfile").read_text()

    assert steps(new.files("my-jobs")["Dockerfile"]) == steps(recipe)


def test_ctrl_c_while_it_is_being_imported_ends_it_without_a_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environ = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    ended = subprocess.run(
        [sys.executable, "-m", "runlane", "list"], env=environ, cwd=tmp_path, capture_output=True, timeout=30
    )

    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, b"")


def test_ctrl_c_before_a_command_begins_is_an_exit_code(monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("runlane.cli.app.app", interrupted)

    with pytest.raises(SystemExit) as ended:
        main(["list"])

    assert ended.value.code == 130
