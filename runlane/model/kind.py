"""A kind of job as everybody knows it: what it is called, which parameters it takes, how it is run. No code of it."""

import hashlib
import json
import string
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from runlane.model.limits import Rate

Schema = dict[str, Any]

MAX_TITLE_LENGTH = 200


@dataclass(frozen=True)
class Kind:
    """A sort of work.

    ``params_schema`` is the JSON Schema of its parameters, ``defaults`` holds those that may be left out.
    ``timeout_s`` bounds one attempt. ``max_attempts`` is how often a job of this kind is tried unless its submission
    says otherwise; 1 means a failure is final. ``max_running`` and ``rate`` bound how many run at once and how many
    start in a time, over all workers. Only workers with all ``tags`` run it. ``summary`` is the title of each job, with
    names of parameters in braces; empty: jobs have none of their own.
    """

    name: str
    title: str
    description: str
    params_schema: Schema
    defaults: dict[str, Any] = field(default_factory=dict)
    group: str = "main"
    timeout_s: float = 3600.0
    max_attempts: int = 3
    max_running: int | None = None
    rate: Rate | None = None
    tags: tuple[str, ...] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        # a model that contains itself is a reference to a definition; its properties are wanted at the top
        ref = self.params_schema.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/$defs/"):
            found = self.params_schema.get("$defs", {}).get(ref.removeprefix("#/$defs/"))
            if isinstance(found, dict) and "$ref" not in found:
                rest = {name: value for name, value in self.params_schema.items() if name != "$ref"}
                object.__setattr__(self, "params_schema", {**found, **rest})

    def suits(self, worker_tags: Collection[str]) -> bool:
        """Whether a worker with these tags runs it: it has all of the kind's, or none, and so runs everything."""
        return not worker_tags or set(self.tags) <= set(worker_tags)

    @cached_property
    def digest(self) -> str:
        """Equal for equal kinds: which version of a kind a worker has."""
        text = json.dumps(asdict(self), separators=(",", ":"))  # in its order, which forms show
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def title_of(self, params: Mapping[str, Any]) -> str:
        """The title of a job with these parameters, with which secrets are masked already; empty if it has none.

        Raises:
            ValueError: the summary is no template of parameters.
        """
        if not self.summary:
            return ""
        known = self.params_schema.get("properties", {})
        parts = []
        for literal, name, _, _ in string.Formatter().parse(self.summary):
            parts.append(literal)
            if name is None:
                continue
            root = name.partition(".")[0].partition("[")[0]
            if root not in known:
                raise ValueError(f"there is no parameter {root!r}; it has {', '.join(known) or 'none'}")
            parts.append(_shown(params, name))
        title = " ".join("".join(parts).split()).strip(" ·-–—:,")
        return title if len(title) <= MAX_TITLE_LENGTH else title[: MAX_TITLE_LENGTH - 1] + "…"


def _shown(params: Mapping[str, Any], path: str) -> str:
    value: Any = params
    for part in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    return "" if value is None else str(value)
