"""What several jobs share: made once in a worker process, when the first job needs it, and closed with the process."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar, overload

from runlane.define.refusal import refused

T = TypeVar("T")


class SharedResource(Generic[T]):
    """What ``Resource`` makes: a generator that yields once."""

    def __init__(self, make: Callable[[], AsyncIterator[T]] | Callable[[], Iterator[T]]) -> None:
        if not (inspect.isasyncgenfunction(make) or inspect.isgeneratorfunction(make)):
            raise refused(make, "A resource is a generator function: it yields once what jobs get, then closes it.")
        if inspect.signature(make).parameters:
            raise refused(make, "A resource takes no parameters.")
        self.make: Callable[[], Any] = make
        self.name: str = make.__name__
        self.is_async = inspect.isasyncgenfunction(make)
        self.__doc__ = make.__doc__

    def __repr__(self) -> str:
        return f"Resource({self.name})"


@overload
def Resource(make: Callable[[], AsyncIterator[T]]) -> T: ...
@overload
def Resource(make: Callable[[], Iterator[T]]) -> T: ...
def Resource(make: Any) -> Any:
    """A generator that makes something before its ``yield`` and closes it after.

    As the default of a parameter it gives jobs what was yielded; to a type checker it is that::

        @Resource
        async def chromium() -> AsyncIterator[Browser]:
            async with async_playwright() as playwright:
                yield await playwright.chromium.launch()

        @job
        async def crawl(url: str, browser: Browser = chromium) -> int: ...

    Raises:
        DefinitionError: it cannot be one; the message has the file, the line and what to do.
    """
    return SharedResource(make)
