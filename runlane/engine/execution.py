"""Calls the function of a job with its parameters, context and resources, and makes JSON of what it returns."""

from collections.abc import Callable
from typing import Any

from pydantic_core import to_jsonable_python

from runlane import plain_json
from runlane.define.context import Context
from runlane.define.retry import GiveUp
from runlane.engine.loading import AnyJob
from runlane.engine.plain.pool import PlainPool
from runlane.engine.resources import Resources
from runlane.errors import InvalidInput
from runlane.kinds.catalogue import Catalogue

# SQLite makes a floating-point number of a longer one where it is the whole of a JSON value.
MAX_INT_BITS = 63


class InvalidParams(GiveUp):
    """The job refuses its parameters: no attempt can help."""


class OutdatedWorker(Exception):
    """The parameters are of another version of the job than the one that this worker has: another may take them."""


class Execution:
    """How this worker calls functions; ``max_result_bytes`` bounds what they may return.

    ``registered``: the kinds as they are submitted now, which may be of other versions than this worker's.
    """

    def __init__(self, resources: Resources, pool: PlainPool, registered: Catalogue, max_result_bytes: int) -> None:
        self._registered = registered
        self._resources = resources
        self._pool = pool
        self._max_result_bytes = max_result_bytes

    async def call(self, job: AnyJob, params: Any, context: Context, grace_s: Callable[[], float]) -> Any:
        """The result of the function, as JSON holds it. Raises what an ``async def`` raises, and:

        ``grace_s``: how long a plain function that is cancelled may take to end.

        Raises:
            InvalidParams, OutdatedWorker: its model refuses the parameters; the message names each field.
            PlainError: what a plain function raised, as texts.
            TypeError, ValueError: the result cannot be kept.
        """
        try:
            model = job.validate(params)
        except InvalidInput as exc:
            if (kind := self._registered.find(job.name)) is not None and kind.digest != job.kind.digest:
                raise OutdatedWorker(
                    f"{exc} This worker has another version of {job.name} than the one that is registered; an attempt "
                    "on a worker with that one may work."
                ) from None
            raise InvalidParams(str(exc)) from None
        if not job.is_async:
            return self._checked(await self._pool.run(job, params, context, grace_s=grace_s))
        sign = job.signature
        arguments = sign.arguments(model)
        if sign.context is not None:
            arguments[sign.context] = context
        for name, resource in sign.resources.items():
            arguments[name] = await self._resources.get(resource)
        return self._checked(await job.fn(**arguments))

    def _checked(self, returned: Any) -> Any:
        """What was returned, as JSON holds it, if it can be kept."""
        result = _plain(returned)
        if type(result) is int and result.bit_length() > MAX_INT_BITS:
            raise ValueError(
                f"The result is a whole number of {result.bit_length()} bits, more than the {MAX_INT_BITS} that a "
                "database keeps exactly. Return it as a text."
            )
        size_bytes = len(plain_json.dumps(result).encode())
        if size_bytes > self._max_result_bytes:
            raise ValueError(
                f"The result has {size_bytes} bytes, more than the {self._max_result_bytes} allowed "
                "(RUNLANE_MAX_RESULT_BYTES). Return less, or attach it as an artifact."
            )
        return result


def _plain(returned: Any) -> Any:
    """What was returned as JSON: models, dataclasses and the like are converted. Raises ``TypeError``."""
    try:
        plain_json.check(returned, "result")
        return returned
    except InvalidInput as exc:
        why = exc
    try:
        result = to_jsonable_python(returned)
        plain_json.check(result, "result")
    except InvalidInput as exc:
        why = exc
    except Exception:  # whatever the serializer of a type may raise: the path is in what was found above
        pass
    else:
        return result
    raise TypeError(f"The job returned what JSON cannot hold: {why.message}.") from why
