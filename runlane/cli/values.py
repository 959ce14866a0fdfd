"""Parameters as words of a command line, and back: ``steps=3 tags=a tags=b shop.city=Bern limits:='{"a": 1}'``.

``NAME=VALUE`` is text that becomes what the schema of the kind asks for: a number, a boolean, a list of all that are
given for one name; one that the schema does not take is sent as it is, and the server's refusal names the field.
``NAME:=JSON`` is exact. A dot goes into an object. No I/O.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from runlane import plain_json
from runlane.errors import InvalidInput
from runlane.kinds.coercion import coerced
from runlane.kinds.schemas import Schema, alternatives, of_property

_Path = tuple[str, ...]


def params_of(words: Sequence[str], schema: Schema, whole: Any = None) -> dict[str, Any]:
    """The parameters that ``words`` give, over those of ``whole``, which come as JSON.

    Raises:
        InvalidInput: one that cannot be read; the message names its field.
    """
    params = {} if whole is None else whole
    if not isinstance(params, dict):
        raise InvalidInput.of("params", 'must be a JSON object, such as {"pages": 3}')
    texts: dict[_Path, list[str]] = {}
    for word in words:
        name, is_given, text = word.partition("=")
        if not is_given or not name.strip(":"):
            raise InvalidInput.of(word[:100], "is no parameter; write NAME=VALUE, such as pages=3")
        if name.endswith(":"):
            path = _path(name.removesuffix(":"), schema)
            _put(params, path, _json(".".join(path), text))
        else:
            texts.setdefault(_path(name, schema), []).append(text)
    for path, given in texts.items():
        _put(params, path, _value(path, given, schema))
    return params


def words_of(params: dict[str, Any], schema: Schema) -> list[str]:
    """Words that give these parameters, as simple as they can be; what no word can give comes with ``--params``."""
    words, others = list[str](), dict[str, Any]()
    for name, value in params.items():
        word = _word(name, value, schema)
        if word is None:
            others[name] = value
        else:
            words.append(word)
    return [*words, "--params", plain_json.dumps(others)] if others else words


def _word(name: str, value: Any, schema: Schema) -> str | None:
    text = value if isinstance(value, str) else plain_json.dumps(value)
    for word in (f"{name}={text}", f"{name}:={plain_json.dumps(value)}"):
        with contextlib.suppress(InvalidInput):
            # compared as JSON, since to Python 1 is True
            if plain_json.dumps(params_of([word], schema)) == plain_json.dumps({name: value}) and name[:1] != "-":
                return word
    return None


def _path(name: str, schema: Schema) -> _Path:
    known = {each for way in alternatives(schema, schema) for each in way.get("properties", {})}
    return (name,) if name in known else tuple(name.split("."))


def _put(params: dict[str, Any], path: _Path, value: Any) -> None:
    *objects, last = path
    place = params
    for step in objects:
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            raise InvalidInput.of(".".join(path), f"{step} has a value of its own; give either that or its parts")
    if isinstance(place.get(last), dict) and not isinstance(value, dict):
        raise InvalidInput.of(last, "has parts already; give either those or a value of its own")
    place[last] = value


def _value(path: _Path, given: list[str], schema: Schema) -> Any:
    """What the schema wants of the texts that were given for one parameter."""
    schemas: Iterable[Any] = [schema]
    for step in path:
        schemas = list(of_property([way for each in schemas for way in alternatives(each, schema)], step))
    ways = [way for each in schemas for way in alternatives(each, schema)]
    types = {kind for way in ways for kind in _types(way)}
    name = ".".join(path)
    if "array" in types and (len(given) > 1 or "string" not in types):
        if len(given) == 1 and given[0].lstrip().startswith("["):
            return _json(name, given[0])
        return coerced(given, {"$defs": schema.get("$defs", {}), "anyOf": ways})
    if len(given) > 1:
        raise InvalidInput.of(name, f"is given {len(given)} times, and takes one value")
    if "object" in types and "string" not in types and given[0].lstrip().startswith("{"):
        return _json(name, given[0])
    return coerced(given[0], {"$defs": schema.get("$defs", {}), "anyOf": ways})


def _types(schema: Schema) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _json(name: str, text: str) -> Any:
    try:
        return plain_json.loads(text)
    except InvalidInput as exc:
        raise InvalidInput.of(name, exc.errors[0].message) from exc
