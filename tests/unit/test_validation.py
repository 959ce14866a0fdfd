"""What is submitted is validated by the schema that a worker registered: in our words, and whatever schema it is."""

import time
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field

from runlane.define.params import Params, Secret
from runlane.errors import InvalidInput
from runlane.kinds.coercion import coerced
from runlane.kinds.validation import MAX_KIND_BYTES, refusal, validated
from runlane.model.kind import Kind
from tests.support.kinds import bundled, kind_of

BUNDLED = {kind.name: kind for kind in bundled()}


class Inner(Params):
    depth: int = Field(2, ge=1)


class Circle(Params):
    shape: Literal["circle"] = "circle"
    radius: float


class Square(Params):
    shape: Literal["square"] = "square"
    side: float = Field(gt=0)


class Every(Params):
    text: str = Field("a", min_length=1, max_length=3)
    count: int = Field(1, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1)
    even: int = Field(2, multiple_of=2)
    on: bool = True
    tags: list[str] = Field([], max_length=2)
    sizes: list[int] = Field([1], min_length=1)
    unique: set[int] = Field(set())
    named: dict[str, int] = Field({})
    choice: Literal["a", "b"] = "a"
    only: Literal["this"] = "this"
    perhaps: int | None = Field(None, ge=3)
    either: int | bool | None = None
    code: str = Field("AB", pattern="^[A-Z]+$")
    secret: Secret = ""
    inner: Inner = Inner()
    figure: Circle | Square | None = Field(None, discriminator="shape")
    day: date | None = None
    at: datetime | None = None
    url: AnyUrl | None = None
    key: UUID | None = None
    anything: Any = None


EVERY = kind_of(Every)


def refused(kind: Kind, params: dict[str, Any], *, lax: bool = False) -> dict[str, str]:
    """The messages by field."""
    with pytest.raises(InvalidInput) as refusal:
        validated(kind, params, lax=lax)
    return {error.field: error.message for error in refusal.value.errors}


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        ({"text": 5}, "text", "must be a text"),
        ({"text": ""}, "text", "must not be empty"),
        ({"text": "abcd"}, "text", "must have at most 3 characters"),
        ({"count": 0}, "count", "must be at least 1"),
        ({"count": 10}, "count", "must be at most 9"),
        ({"count": 2**70}, "count", "must be at most 9"),
        ({"count": "1"}, "count", "must be a whole number"),
        ({"count": 1.5}, "count", "must be a whole number"),
        ({"count": True}, "count", "must be a whole number"),
        ({"count": None}, "count", "must be a whole number"),
        ({"share": 0}, "share", "must be more than 0"),
        ({"share": 1}, "share", "must be less than 1"),
        ({"even": 3}, "even", "must be a multiple of 2"),
        ({"on": "yes"}, "on", "must be true or false"),
        ({"tags": "a"}, "tags", "must be a list"),
        ({"tags": ["a", "b", "c"]}, "tags", "must have at most 2 entries"),
        ({"tags": ["a", 2]}, "tags.1", "must be a text"),
        ({"sizes": []}, "sizes", "must not be empty"),
        ({"unique": [1, 1]}, "unique", "has the same entry twice"),
        ({"named": {"a": "b"}}, "named.a", "must be a whole number"),
        ({"choice": "c"}, "choice", "must be a or b"),
        ({"only": "that"}, "only", "must be this"),
        ({"perhaps": 2}, "perhaps", "must be at least 3"),
        ({"perhaps": "3"}, "perhaps", "must be a whole number or null"),
        ({"either": "x"}, "either", "must be a whole number, true or false or null"),
        ({"code": "ab"}, "code", "does not match the pattern ^[A-Z]+$"),
        ({"inner": {"depth": 0}}, "inner.depth", "must be at least 1"),
        ({"inner": {"width": 1}}, "inner.width", "is not a known field; remove it"),
        ({"figure": {"shape": "square", "side": 0}}, "figure.side", "must be more than 0"),
        ({"figure": {"shape": "circle"}}, "figure.radius", "is required"),
        ({"figure": {"shape": "oval"}}, "figure.shape", "must be circle or square"),
        ({"day": "tomorrow"}, "day", "must be a date such as 2026-01-31"),
        ({"at": "noon"}, "at", "must be a time such as 2026-01-31T12:00:00Z"),
        ({"url": "nowhere"}, "url", "must be an address such as https://example.com"),
        ({"key": "1"}, "key", "must be a UUID"),
        ({"unknown": 1}, "unknown", "is not a known field; remove it"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_wanted(params, field, message):
    assert refused(EVERY, params) == {f"params.{field}": message}


def test_all_that_is_wrong_is_said_at_once_and_no_value_is_repeated():
    class Two(Params):
        must: int
        token: Secret = Field("", max_length=3)

    found = refused(kind_of(Two), {"token": "hunter2", "more": 1})

    assert found == {
        "params.must": "is required",
        "params.token": "must have at most 3 characters",
        "params.more": "is not a known field; remove it",
    }


@pytest.mark.parametrize(
    "params",
    [
        {"at": "2026-11-25T12:00"},
        {"at": "2026-11-25T12:00:00+01:00"},
        {"url": "https://exämple.com/ü"},
        {"anything": {"x": [1, None]}},
        {"figure": {"shape": "circle", "radius": 5}},
        {"key": "12345678123456781234567812345678"},
        {"either": True},
    ],
)
def test_what_the_workers_model_takes_is_not_refused_before(params):
    Every.model_validate(params)

    assert validated(EVERY, params).items() >= params.items()


def test_defaults_are_filled_in_in_the_order_of_the_form():
    assert validated(BUNDLED["web_agent"], {"steps": 3}) == {**BUNDLED["web_agent"].defaults, "steps": 3}
    assert list(validated(BUNDLED["web_agent"], {"steps": 3})) == list(BUNDLED["web_agent"].defaults)


def test_a_default_that_its_own_type_refuses_is_left_to_the_worker():
    """As in ``def crawl(url: str = None)``: Python allows it, and stored it would be refused."""

    class Sloppy(Params):
        url: str = None  # type: ignore[assignment]
        pages: int = 2

    assert validated(kind_of(Sloppy), {}) == {"pages": 2}


def test_a_form_may_send_text_for_what_takes_no_text():
    sent = {
        "text": "12",
        "count": "7",
        "share": "0.5",
        "on": "true",
        "sizes": ["1", " 2 "],
        "named": {"a": "-3"},
        "perhaps": "",
        "inner": {"depth": "4"},
        "figure": {"shape": "circle", "radius": "1e3"},
        "anything": "5",
    }

    got = validated(EVERY, sent, lax=True)

    assert {name: got[name] for name in sent} == {
        "text": "12",
        "count": 7,
        "share": 0.5,
        "on": True,
        "sizes": [1, 2],
        "named": {"a": -3},
        "perhaps": None,
        "inner": {"depth": 4},
        "figure": {"shape": "circle", "radius": 1000.0},
        "anything": "5",
    }
    assert refused(EVERY, {"count": "many", "share": "nan"}, lax=True) == {
        "params.count": "must be a whole number",
        "params.share": "must be a number",
    }


# Whatever schema it is


class Leaf(BaseModel):
    op: Literal["leaf"]


class Both(BaseModel):
    args: "list[Node]"
    op: Literal["both"]


class Some(BaseModel):
    args: "list[Node]"
    op: Literal["some"]


Node = Annotated[Leaf | Both | Some, Field(discriminator="op")]


class Tree(Params):
    root: Node


class Chain(Params):
    number: int = 1
    next: "Chain | None" = None


def nested(depth: int, leaf: dict[str, Any], around: str) -> dict[str, Any]:
    return leaf if depth == 0 else {"op": around, "args": [nested(depth - 1, leaf, around)]}


@pytest.mark.parametrize("leaf", [{"op": "leaf"}, {"op": "other"}])
def test_alternatives_that_contain_themselves_take_no_time_however_deep_the_value_is(leaf):
    kind = kind_of(Tree)
    assert refusal(kind) is None
    began = time.process_time()

    validated(kind, {"root": nested(45, leaf, "some")})

    assert time.process_time() - began < 1, "the time does not double with each level"
    assert refused(kind, {"root": {"op": "other"}}) == {"params.root.op": "must be leaf, both or some"}
    assert list(refused(kind, {"root": {"op": "some", "args": 5}})) == ["params.root.args"]


def test_what_contains_itself_without_alternatives_is_checked_to_its_end():
    chain: dict[str, Any] = {"number": "x"}
    for _ in range(20):
        chain = {"next": chain}

    assert refused(kind_of(Chain), chain) == {f"params{'.next' * 20}.number": "must be a whole number"}


def schema_of(name: str, **part: Any) -> Kind:
    return Kind(name=name, title=name, description="", params_schema={"type": "object", **part})


def doubling(levels: int) -> dict[str, Any]:
    twice = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**twice, f"d{levels}": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}


def deep(levels: int) -> dict[str, Any]:
    return {"type": "array", "items": deep(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (
            {"properties": {"a": {"$ref": "http://169.254.169.254/schema.json"}}},
            "only #/$defs/… of its own is followed",
        ),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "only #/$defs/… of its own is followed"),
        ({"properties": {"a": {"$ref": "#/$defs/nowhere"}}}, "refers to '#/$defs/nowhere'"),
        ({"properties": {"a": {"$id": "http://example.com/a"}}}, "has $id, which is not supported"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "'a' in their schema refers to itself and to nothing else"),
        (
            {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}},
            "refers to itself and to nothing else",
        ),
        ({"properties": {"a": {"type": "strin"}}}, "its schema is no JSON Schema"),
        ({"properties": {"a": {"pattern": "("}}}, "its schema is no JSON Schema"),
        ({"properties": {"a": {"pattern": "(a{1000}){1000}"}}}, "its schema is no JSON Schema"),
        ({"properties": []}, "its schema is no JSON Schema"),
        ({"$defs": []}, "their schema is no object"),
        (deep(60), "nested deeper than 50 levels"),
        (doubling(30), "more than 50000 checks"),
        ({"description": "x" * 5_000_000}, f"more than the {MAX_KIND_BYTES} allowed"),
        ({"description": "a\x00b"}, "holds a NUL character"),
        ({"description": "\ud800"}, "half of a surrogate pair"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_in_a_sentence(part, why):
    began = time.process_time()

    found = refusal(schema_of("odd", **part))

    assert found is not None
    assert why in found
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines"])
def test_a_name_that_cannot_be_shown_is_refused(name):
    assert "is no name of a kind" in str(refusal(schema_of(name)))


def test_a_summary_of_what_is_no_parameter_is_refused():
    assert "there is no parameter 'goal'" in str(refusal(kind_of(Every, summary="{goal}")))


def test_a_bundled_kind_is_never_refused():
    assert {name: why for name, kind in BUNDLED.items() if (why := refusal(kind))} == {}


def test_a_catastrophic_pattern_takes_no_time():
    kind = schema_of("odd", properties={"a": {"pattern": "^(a+)+$"}})
    began = time.process_time()

    assert refused(kind, {"a": "a" * 10_000 + "b"}) == {"params.a": "does not match the pattern ^(a+)+$"}
    assert time.process_time() - began < 1


def test_a_catastrophic_pattern_that_looks_around_is_given_up_and_left_to_the_worker():
    kind = schema_of("odd", properties={"a": {"pattern": r"^(?=a)(a|aa)+\1$"}})
    assert refusal(kind) is None
    began = time.process_time()

    assert validated(kind, {"a": "a" * 2000 + "b"})
    assert time.process_time() - began < 1


@pytest.mark.parametrize("pattern", [r"(?=a)(a|aa)+$", r"(?=.*[A-Z]).+x$"])
def test_a_pattern_that_looks_around_from_everywhere_in_a_long_text_is_left_to_the_worker(pattern):
    properties = {"a": {"pattern": pattern}, "n": {"type": "integer"}, "o": {"oneOf": [{"pattern": pattern}, {}]}}
    kind = schema_of("odd", properties=properties)
    long = "a" * 200_000 + "!"
    assert refusal(kind) is None
    began = time.process_time()

    assert validated(kind, {"a": long, "o": long})
    assert refused(kind, {"a": long, "n": "x"}) == {"params.n": "must be a whole number"}
    assert refused(kind, {"a": "!"}) == {"params.a": f"does not match the pattern {pattern}"}
    assert time.process_time() - began < 1


def test_numbers_with_very_many_digits_are_compared_exactly():
    kind = schema_of("odd", properties={"a": {"type": "integer", "maximum": 10**300}})

    assert validated(kind, {"a": 10**300}) == {"a": 10**300}
    assert refused(kind, {"a": 10**300 + 1}) == {"params.a": f"must be at most {10**300}"}
    assert coerced({"a": "9" * 3000}, kind.params_schema) == {"a": int("9" * 3000)}
