"""What a person may go on typing in the search box. Pure: the caller names the workers."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from jobs_app.submit.forms import form_fields
from runlane.kinds.catalogue import catalogue
from runlane.model.status import JobStatus
from runlane.search.query import FIELDS

MAX_SUGGESTIONS = 12
# Fields that take several values, with commas.
LISTS = ("status", "kind")
AGES = ("30m", "2h", "1d", "7d")
# Values that show what a field takes, by its name.
EXAMPLES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("after", "before", "finished_after", "finished_before"), AGES),
    "status": tuple(JobStatus),
    "slow": (">30s", ">5m", ">1h"),
    "attempt": (">1",),
    "priority": (">0", "<0"),
}


def suggestions(typed: str, workers: Iterable[str] = ()) -> list[str]:
    """Whole queries that begin with ``typed``: its last word completed to a field, or to one of a field's values."""
    before, space, last = typed.rpartition(" ")
    minus = "-" if last.startswith("-") else ""
    word = last.removeprefix("-")
    lead = f"{before}{space}{minus}"
    if not word:
        return []
    name, colon, value = word.partition(":")
    params = _params(catalogue().version)
    if not colon:
        return [f"{lead}{field}:" for field in (*FIELDS, *params) if field.startswith(word) and field != word][
            :MAX_SUGGESTIONS
        ]
    earlier, comma, begun = value.rpartition(",") if name in LISTS else ("", "", value)
    values = {**EXAMPLES, **params, "kind": [kind.name for kind in catalogue()], "worker": workers}.get(name, ())
    return [f"{lead}{name}:{earlier}{comma}{v}" for v in values if v.startswith(begun) and v != begun][:MAX_SUGGESTIONS]


@lru_cache(maxsize=1)
def _params(_version: int) -> dict[str, list[str]]:
    """Every parameter that a kind has and may be shown, as a field, with those of its choices that need no quotes."""
    fields = [field for kind in catalogue() for field in form_fields(kind) if field["input"] != "secret"]
    return {f"params.{field['name']}": [c for c in field["choices"] if not {*' "'} & {*c}] for field in fields}
