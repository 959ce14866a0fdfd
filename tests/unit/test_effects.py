"""Texts of jobs and people reach the browser as they are, whatever Reflex would make of them."""

import ast
import inspect
import json
import tomllib
import typing
from pathlib import Path

import pytest
import reflex as rx
from reflex_base.event import Event

from jobs_app import routes
from jobs_app.job.actions import Actions
from jobs_app.live.effects import REFUSED, RefusingMarks, call, go_to, literal, toast
from jobs_app.ui.clipboard import copy
from testbed import ROOT

# pages and components run while they are built, of our own texts; these are named where strict types do not hold
BUILT = next(
    override["module"]
    for override in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
    if "jobs_app.page_frame" in override["module"]
)
MARKS = (
    "<reflex.Var>x</reflex.Var>",
    "<reflex.Var>1</reflex.Var>",
    "<reflex.Var>-1</reflex.Var>",
    "<reflex.Var></reflex.Var>",
    "<reflex.Var>",
    "a <reflex.Var>²</reflex.Var> b",
    "<reflex.Var>1<reflex.Var>2</reflex.Var></reflex.Var>",
    "<reflex.Var>\n</reflex.Var>\u2028\"'`${1}</script>\\u003c",
)


def payloads(effect: object) -> list[dict]:
    """What would be sent to the browser."""
    return [event.payload for event in Event.from_event_type(effect)]


def code(effect: object) -> str:
    [payload] = payloads(effect)
    return next(value for value in payload.values() if isinstance(value, str) and len(value) > 5)


@pytest.mark.parametrize("text", MARKS)
def test_a_text_of_anybody_arrives_as_it_is(text):
    escaped = json.dumps(text).replace("<", "\\u003c")
    [sent] = payloads(Actions.restore(literal(text)))
    [address] = payloads(go_to(f"/?q={text}"))

    assert json.loads(escaped) == text
    assert sent == {"job_id": text}
    assert address["path"] == f"/?q={text}"
    for effect in (toast("error", text), toast("info", "a", description=text), call("f", text), copy(text, text)):
        assert escaped in code(effect)
        assert "<reflex" not in code(effect)


def handlers() -> list[tuple[type[rx.State], str]]:
    """Every event handler of every state of ours."""
    found, left = [], [rx.State]
    while left:
        state = left.pop()
        left += state.__subclasses__()
        if state.__module__.startswith("jobs_app."):
            found += [(state, name) for name, each in state.event_handlers.items() if _is_own(state, each)]
    return sorted(found, key=lambda each: (each[0].__name__, each[1]))


def _is_own(state: type[rx.State], handler: rx.EventHandler) -> bool:
    return handler.fn.__module__ == state.__module__ and not handler.is_background


def argument(wanted: object, text: str) -> object:
    if typing.get_origin(wanted) is dict:
        return {text: text, "shift_key": True, "command": text}
    if typing.get_origin(wanted) is list:
        return [argument(typing.get_args(wanted)[0], text)]
    return {int: 1, float: 1.0, bool: True}.get(wanted, text)


@pytest.mark.parametrize(("state", "name"), handlers(), ids=lambda each: getattr(each, "__name__", each))
async def test_no_handler_hands_reflex_its_mark(tab, visit, state, name):
    """Even if it were let in: nothing that a handler answers with stops or blinds the server."""
    function = state.event_handlers[name].fn
    wanted = dict(list(inspect.signature(function, eval_str=True).parameters.items())[1:])
    for text in MARKS:
        visit(routes.DASHBOARD, f"/?q={text}", q=text)
        own = await tab.get_state(state)

        try:
            answer = function(own, **{key: argument(each.annotation, text) for key, each in wanted.items()})
            answer = await answer if inspect.isawaitable(answer) else answer
        except (AttributeError, KeyError, ValueError):  # what no page of ours sends is logged, and harms nobody
            continue
        except RuntimeError as unserved:  # what needs the live server is tried in tests/contract/test_live_rooms.py
            assert str(unserved) == "The server has not started."
            continue

        assert all("<reflex" not in str(value) or value == text for each in payloads(answer) for value in each.values())


@pytest.mark.parametrize(
    "payload",
    [
        {"job_id": MARKS[0]},
        {"form": {"goal": ["a", {"deep": f"b{MARKS[1]}"}]}},
        {"form": {MARKS[2]: ""}},
    ],
)
async def test_an_event_with_reflexs_mark_in_its_arguments_is_refused(tab, payload):
    refusal = await RefusingMarks().preprocess(None, tab, Event(name="any", payload=payload))

    assert refusal is not None
    assert json.dumps(REFUSED).replace("<", "\\u003c") in refusal.events[0].payload["function"]


async def test_other_events_are_let_in(tab):
    event = Event(name="any", payload={"q": "reflex.Var </reflex.Var> < reflex.Var>", "n": [1, None, True]})

    assert await RefusingMarks().preprocess(None, tab, event) is None


def served_modules() -> list[Path]:
    """Those whose code runs while the server does."""
    paths = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in sorted((ROOT / "jobs_app").rglob("*.py"))}
    assert set(BUILT) <= set(paths)
    return [path for name, path in paths.items() if name not in BUILT]


def test_whatever_a_browser_is_to_do_goes_through_effects():
    around = {"toast", "redirect", "call_script", "call_function", "run_script", "download", "set_clipboard"}
    around |= {"set_value", "set_focus", "window_alert", "console_log", "set_cookie", "set_local_storage"}
    found = [
        f"{path.name}:{node.lineno} rx.{node.attr}"
        for path in served_modules()
        if path.name != "effects.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in around
        if isinstance(node.value, ast.Name) and node.value.id == "rx"
    ]

    assert found == []


def test_events_that_the_server_sends_carry_literals():
    states = {state.__name__: set(state.event_handlers) for state, _ in handlers()}
    found = [
        f"{path.name}:{node.lineno} {ast.unparse(node)}"
        for path in served_modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
        if node.func.attr in states.get(node.func.value.id, ())
        for given in [*node.args, *(keyword.value for keyword in node.keywords)]
        if not (isinstance(given, ast.Constant) or _is_bound(given))
    ]

    assert found == []


def _is_bound(given: ast.expr) -> bool:
    """Whether it goes through ``literal``, or is what the browser itself says."""
    called = isinstance(given, ast.Call) and isinstance(given.func, ast.Name) and given.func.id == "literal"
    return called or (isinstance(given, ast.Name) and given.id == "done")


def test_reflex_still_takes_its_mark_for_its_own():
    """When this fails, Reflex is mended, and ``effects`` need not escape any more."""
    with pytest.raises(KeyError):
        Event.from_event_type(rx.toast.error("<reflex.Var>1</reflex.Var>"))
