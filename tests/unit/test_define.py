"""What ``@job`` makes of a function, and what it refuses, with the place and what to do."""

import inspect
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, HttpUrl, SecretStr

from runlane import Context, DefinitionError, GiveUp, Params, Rate, Resource, Secret, SyncContext, job
from runlane.define import job as job_module
from runlane.define.retry import MAX_PAUSE_S, Retry
from runlane.errors import InvalidInput


@pytest.fixture(autouse=True)
def _no_other_jobs(monkeypatch):
    monkeypatch.setattr(job_module, "_defined", {})


class Browser:
    pass


@Resource
async def chromium() -> AsyncIterator[Browser]:
    yield Browser()


@Resource
def folder() -> Iterator[str]:
    yield "/tmp"


class Found(BaseModel):
    total: int


def line_of(fn: Any) -> int:
    return inspect.unwrap(fn).__code__.co_firstlineno


def test_a_function_is_a_job_with_its_name_texts_parameters_and_options():
    @job(
        timeout=300,
        max_attempts=4,
        retry_on=(TimeoutError,),
        backoff=5,
        max_running=2,
        rate="30/min",
        group="shops",
        tags=("browser",),
        summary="{url} · {pages}",
    )
    async def crawl(
        ctx: Context,
        url: HttpUrl,
        pages: Annotated[int, Field(ge=1)] = 2,
        depth: Annotated[int, Field(description="How deep, as its Field says.")] = 1,
        browser: Browser = chromium,
    ) -> Found:
        """Crawls a shop.

        Page by page.

        Args:
            pages: How many pages.
            depth: Not this.
        """
        return Found(total=pages)

    kind = crawl.kind
    assert (kind.name, kind.title, kind.description) == ("crawl", "Crawls a shop", "Page by page.")
    assert (kind.timeout_s, kind.max_attempts, kind.max_running) == (300.0, 4, 2)
    assert (kind.rate, kind.group, kind.tags) == (Rate(30, 60), "shops", ("browser",))
    fields = kind.params_schema["properties"]
    assert list(fields) == ["url", "pages", "depth"], "neither the context nor the resource is a parameter"
    assert kind.params_schema["required"] == ["url"]
    assert (fields["pages"]["minimum"], fields["pages"]["description"]) == (1, "How many pages.")
    assert fields["depth"]["description"] == "How deep, as its Field says."
    assert kind.defaults == {"pages": 2, "depth": 1}
    assert kind.title_of({"url": "https://a.shop", "pages": 3}) == "https://a.shop · 3"
    assert crawl.options.retry.allows(TimeoutError())
    assert not crawl.options.retry.allows(ValueError())


def test_a_title_that_is_given_leaves_the_whole_docstring_to_the_description():
    @job(title="Shop crawler")
    async def crawl() -> None:
        """Crawls a shop.

        Page by page.
        """

    assert (crawl.title, crawl.kind.description) == ("Shop crawler", "Crawls a shop.\n\nPage by page.")


def test_without_a_docstring_the_title_is_the_name_in_words():
    @job
    async def crawl_the_shop() -> None: ...

    assert crawl_the_shop.title == "Crawl the shop"


async def test_a_job_is_still_the_function():
    @job
    async def double(n: int) -> int:
        """Doubles."""
        return 2 * n

    assert await double(4) == 8
    assert (double.__name__, double.__doc__) == ("double", "Doubles.")


def test_the_context_and_resources_are_found_by_type_anywhere():
    @job
    async def late(n: int, browser: Browser = chromium, *, ctx: Context) -> None: ...

    sign = late.signature
    assert (sign.context, set(sign.resources), list(sign.fields)) == ("ctx", {"browser"}, ["n"])


def test_one_model_may_stand_for_all_parameters():
    class Shop(Params):
        url: str
        pages: int = 2

    @job
    async def crawl(ctx: Context, shop: Shop) -> None: ...

    assert crawl.params(Shop(url="a")) == {"url": "a", "pages": 2}
    assert crawl.params(shop={"url": "a"}) == {"url": "a", "pages": 2}
    assert crawl.signature.arguments(crawl.validate({"url": "a", "pages": 3})) == {"shop": Shop(url="a", pages=3)}


@pytest.mark.parametrize("name", ["json", "copy", "schema", "model_config", "model_fields", "validate"])
def test_a_parameter_may_be_called_as_pydantic_calls_its_own(name):
    made: dict[str, Any] = {}
    exec(f"async def crawl({name}: int = 2) -> None: ...", made)  # a signature for each name

    crawl = job(made["crawl"])

    assert crawl.params(**{name: 3}) == {name: 3}
    assert crawl.signature.arguments(crawl.validate({name: 4})) == {name: 4}
    assert list(crawl.kind.params_schema["properties"]) == [name]


def test_arguments_are_validated_before_they_are_sent_and_types_are_exact_when_they_arrive():
    @job
    async def crawl(url: HttpUrl, pages: int = 2) -> None: ...

    assert crawl.params("https://a.shop", pages=3) == {"url": "https://a.shop/", "pages": 3}
    with pytest.raises(InvalidInput, match=r"params\.url: input should be a valid URL"):
        crawl.params(url="no")
    with pytest.raises(InvalidInput, match=r"params\.pages: input should be a valid integer"):
        crawl.validate({"url": "https://a.shop", "pages": "3"})
    with pytest.raises(TypeError, match=r"crawl\(\) has no parameter 'page'; it has url, pages"):
        crawl.params(url="https://a.shop", page=3)


class Login(BaseModel):
    user: str
    password: SecretStr


def test_pydantics_own_secrets_are_sent_as_what_they_hold_and_none_is_registered_as_a_default():
    @job
    async def log_in(
        login: Login,
        more: list[Login] = [],  # noqa: B006
        token: SecretStr = SecretStr("of the worker"),  # noqa: B008
        other: Login = Login(user="Eve", password=SecretStr("hers")),  # noqa: B008
    ) -> None: ...

    ada = {"user": "Ada", "password": "hunter2"}
    params = log_in.params(login=ada, more=[ada], token="mine", other=ada)

    assert params == {"login": ada, "more": [ada], "token": "mine", "other": ada}
    assert log_in.kind.defaults == {"more": []}
    given = log_in.signature.arguments(log_in.validate({"login": ada}))
    assert (given["login"].password.get_secret_value(), given["token"].get_secret_value()) == (
        "hunter2",
        "of the worker",
    )


def plain_with_async_resource(path: str, browser: Browser = chromium) -> None: ...
def plain_with_socket(s: socket.socket) -> None: ...
def plain(path: str, where: str = folder) -> int:
    return len(path + where)


def test_a_plain_def_is_a_job_too():
    made = job(plain)

    assert (made.is_async, made("a", "b")) == (False, 2)
    assert set(made.signature.resources) == {"where"}


async def of_unknown(browser: Browser) -> None: ...
async def of_names(**names: int) -> None: ...
async def of_positions(path: str, /) -> None: ...
async def of_hidden(_path: str) -> None: ...
async def of_default(n=object()) -> None: ...  # noqa: B008
async def of_nothing(n: "Nothing") -> None: ...  # noqa: F821
async def of_secret(token: Secret = "hunter2") -> None: ...
async def of_two(a: Context, b: SyncContext) -> None: ...
async def generator(n: int) -> AsyncIterator[int]:
    yield n


@pytest.mark.parametrize(
    ("fn", "why"),
    [
        (of_secret, "The default of 'token' is a secret that everybody could read; leave it empty"),
        (of_unknown, "The parameter 'browser' is of a type that JSON cannot hold, Browser. Take a text"),
        (plain_with_socket, "The parameter 's' is of a type that JSON cannot hold, socket. Take a text"),
        (of_names, r"\*names has no names for a form; name each parameter"),
        (of_positions, "'path' can only be given by position"),
        (of_hidden, "'_path' begins with an underscore"),
        (of_default, "The default of 'n' is nothing that JSON can hold"),
        (of_nothing, "Its annotations cannot be read: name 'Nothing' is not defined"),
        (of_two, "'b' is a second Context"),
        (generator, "A generator cannot be a job"),
        (lambda: 1, "A lambda cannot be a job; give it a name"),
        (plain_with_async_resource, "'browser' is an async resource, and a plain def can wait for none"),
    ],
)
def test_what_cannot_be_a_job_is_refused_with_its_place_and_what_to_do(fn, why):
    with pytest.raises(DefinitionError, match=why) as refused:
        job(fn)

    assert str(refused.value).startswith(f"{__file__}:{line_of(fn)}: ")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"timeout": 0}, "timeout=0: a job needs some time"),
        ({"max_attempts": 0}, "max_attempts=0: from 1"),
        ({"max_running": 0}, "max_running=0: from 1"),
        ({"rate": "30 a minute"}, "rate='30 a minute': write it as 30/min"),
        ({"summary": "{shop}"}, "summary='{shop}': there is no parameter 'shop'; it has path"),
        ({"name": ""}, "'' is no name of a job"),
        ({"name": ".."}, "'..' is no name of a job: in an address it means another one"),
        ({"retry_on": [TimeoutError]}, "retry_on: .* is no class of errors"),
        ({"retry_on": ("timeout",)}, "retry_on: 'timeout' is no class of errors"),
        ({"backoff": []}, r"backoff=\[\]: give seconds from 0"),
        ({"backoff": -1}, "backoff=-1: give seconds from 0"),
        ({"backoff": "5"}, "backoff='5': give seconds from 0"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, why):
    with pytest.raises(DefinitionError, match=why):
        job(**options)(plain)


def test_a_plain_def_inside_a_function_is_refused():
    def inner() -> None: ...

    with pytest.raises(DefinitionError, match="move it to the top level"):
        job(inner)


def test_two_jobs_of_one_name_are_refused_with_both_places():
    @job
    async def crawl(n: int) -> None: ...

    first = line_of(crawl.fn)
    with pytest.raises(DefinitionError, match=rf"There is a job 'crawl' already, in {__file__}:{first}"):

        @job(name="crawl")
        async def other(n: int) -> None: ...


def test_a_module_that_is_imported_again_defines_its_jobs_again():
    def define() -> Any:
        @job
        async def crawl(n: int) -> None: ...

        return crawl

    define()

    assert define().name == "crawl"


@pytest.mark.parametrize("make", [lambda: 1, plain])
def test_a_resource_is_a_generator(make):
    with pytest.raises(DefinitionError, match=r"A resource is a generator function"):
        Resource(make)


@pytest.mark.parametrize("attempt", range(1, 40))
def test_pauses_double_up_to_a_bound_and_spread_downwards(attempt):
    longest = min(1.0 * 2 ** (attempt - 1), MAX_PAUSE_S)

    found = {Retry().pause_s(attempt, 1.0) for _ in range(50)}

    assert all(longest / 2 <= pause <= longest for pause in found)
    assert len(found) > 1


def test_a_list_of_pauses_is_taken_as_it_is():
    retry = Retry(backoff=[1, 5, 30])

    assert [retry.pause_s(attempt, 99) for attempt in (1, 2, 3, 4)] == [1, 5, 30, 30]


def test_giving_up_is_never_tried_again():
    assert not Retry().allows(GiveUp("no such shop"))
    assert Retry().allows(OSError())


def test_defining_jobs_loads_nothing_of_a_server():
    import subprocess

    script = "import sys; from runlane import job, Context; print([m for m in sys.modules if m in sys.argv[1].split()])"
    heavy = "reflex sqlalchemy sqlmodel redis arq fastapi granian"

    found = subprocess.run([sys.executable, "-c", script, heavy], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
