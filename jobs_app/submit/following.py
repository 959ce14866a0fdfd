"""A form that is open while its kind changes: which fields it has then, and what has become of those it had. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs_app.submit.forms import FormField

# What is typed in one of these can stay when the field becomes another one of them.
TYPED = ("text", "number", "json", "lines")
MAX_NAMED = 4


def followed(shown: Sequence[FormField], now: Sequence[FormField], values: Mapping[str, Any]) -> list[FormField]:
    """The fields that a kind has now, each as the form goes on with it.

    A field that is as it was, or that holds what a person has typed, keeps its ``revision``, so that the browser leaves
    its input alone; any other begins again with its new default.
    """
    before = {field["name"]: field for field in shown}
    return [_followed(before[field["name"]], field, values) if field["name"] in before else field for field in now]


def kept_values(shown: Sequence[FormField], now: Sequence[FormField], values: Mapping[str, Any]) -> dict[str, Any]:
    """What the form holds then: the new defaults, what was typed where the input stays, and what is in no field."""
    touched = {(field["name"], field["revision"]) for field in shown if is_touched(field, values)}
    begun = {
        field["name"]: values[field["name"]] if (field["name"], field["revision"]) in touched else field["default"]
        for field in now
    }
    before = {field["name"] for field in shown}
    return begun | {name: value for name, value in values.items() if name not in before and name not in begun}


def what_changed(shown: Sequence[FormField], now: Sequence[FormField], values: Mapping[str, Any]) -> str:
    """What has become of a form's fields, as a sentence."""
    before, after = ({field["name"]: field["label"] for field in fields} for fields in (shown, now))
    new = _named([label for name, label in after.items() if name not in before])
    removed = _named([label for name, label in before.items() if name not in after])
    parts = [f"{new} new" if new else "", f"{removed} removed" if removed else ""]
    what = ", ".join(filter(None, parts)) or "some fields are others"
    typed = any(is_touched(field, values) and field["name"] in after for field in shown)
    return f"A worker has brought another version of this kind: {what}.{' What you typed is kept.' if typed else ''}"


def is_touched(field: FormField, values: Mapping[str, Any]) -> bool:
    """Whether a person has changed what the field began with."""
    value = values.get(field["name"], field["default"])
    if field["input"] == "switch":
        return (value in (True, "on", "true")) is not (field["default"] == "true")
    return bool(value != field["default"])


def _followed(before: FormField, now: FormField, values: Mapping[str, Any]) -> FormField:
    touched = is_touched(before, values)
    same_input = before["input"] == now["input"] and (not now["choices"] or before["choices"] == now["choices"])
    kept: FormField = {**now, "revision": before["revision"]}
    if touched and same_input:
        return {**kept, "default": before["default"]}
    if same_input and before["default"] == now["default"]:
        return kept
    again: FormField = {**now, "revision": before["revision"] + 1}
    typed = str(values.get(before["name"], ""))
    if touched and ((before["input"] in TYPED and now["input"] in TYPED) or typed in now["choices"]):
        again["default"] = typed
    return again


def _named(labels: Iterable[str]) -> str:
    """``Width is``, ``Width and Depth are``; empty without any."""
    named = list(labels)
    if not named:
        return ""
    if len(named) > MAX_NAMED:
        return f"{len(named)} fields are"
    *first, last = named
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"
