"""JSON that every part of the product can store, send and show: strict on the way in, compact on the way out.

Python's own parser accepts NaN, lone surrogates and unlimited nesting, and a NUL in a text breaks databases. All JSON
from outside (request bodies, results of handlers) passes through here; what cannot be stored is refused with the path
of the offending value, before anything is stored.
"""

import json
import math
from typing import Any

from runlane.errors import InvalidInput

# Levels of nesting; deeper data is a mistake or an attack, and recursion in other libraries ends near 200.
MAX_DEPTH = 50
_COUNTED_BYTES = 1 << 18
# Digits of an integer; Python itself refuses to convert more than 4300.
MAX_DIGITS = 4000


def _integer(digits: str) -> int | float:
    """The integer, or infinity when Python would not convert it; ``check`` then names its path."""
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf


def _number(text: str) -> int | float:
    """The number: an integer if its value is one, as JSON has one sort of number; unless no double holds it exactly."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; a name that is there twice is refused, since it is not clear which value is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput.of("body", f"names {twice[:100]!r} twice in one object")
    return found


# made once: json's own functions make one in each call with options
_DECODER = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_object)
_CLIENTS_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number, object_pairs_hook=_object)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(text: bytes | str, *, clients: bool = False) -> Any:
    """The value in ``text``. ``clients``: from a client; to some of them 5 and 5.0 are the same, so 5.0 becomes 5.

    Raises:
        InvalidInput: not JSON, or JSON that cannot be stored; the message has the position or the path.
    """
    try:
        value = (_CLIENTS_DECODER if clients else _DECODER).decode(text if isinstance(text, str) else text.decode())
    except UnicodeDecodeError as exc:
        raise InvalidInput.of("body", "is not UTF-8 text") from exc
    except json.JSONDecodeError as exc:
        raise InvalidInput.of("body", f"is not JSON: {exc.msg} at character {exc.pos + 1}") from exc
    except RecursionError as exc:
        raise InvalidInput.of("body", f"is nested deeper than {MAX_DEPTH} levels") from exc
    check(value)
    return value


def values_in(raw: bytes, enough: int) -> int:
    """About how many values a JSON text holds, not fewer than there are; stops counting beyond ``enough``."""
    count, inside, carried = 0, False, b""
    for start in range(0, len(raw), _COUNTED_BYTES):
        bare = (carried + raw[start : start + _COUNTED_BYTES]).replace(b"\\\\", b"")
        carried = b"\\" if bare.endswith(b"\\") else b""  # escapes the first character of the next part
        parts = bare.removesuffix(b"\\").replace(b'\\"', b"").split(b'"')
        outside = b"".join(parts[inside::2])
        count += sum(map(outside.count, (b",", b"[", b"{")))
        inside ^= len(parts) % 2 == 0
        if count > enough:
            break
    return count


def dumps(value: Any) -> str:
    """``value`` as compact JSON text.

    Raises:
        TypeError, ValueError: not JSON.
    """
    return _ENCODER.encode(value)


def indented(value: Any) -> str:
    """``value`` as JSON text for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def check(value: Any, path: str = "", depth: int = 0) -> None:
    """Check that ``value`` can be stored.

    Raises:
        InvalidInput: the message has the path of the first value that cannot.
    """
    if depth > MAX_DEPTH:
        raise InvalidInput.of(path or "body", f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidInput.of(path or "body", f"has the key {key!r}, which is not a text")
            _check_text(key, path)
            check(inner, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            check(inner, f"{path}.{index}" if path else str(index), depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput.of(path or "body", "is not a number that can be kept")
    elif value is not None and not isinstance(value, bool | int):
        raise InvalidInput.of(path or "body", f"is a {type(value).__name__}, which JSON does not have")


def _check_text(text: str, path: str) -> None:
    if "\x00" in text:
        raise InvalidInput.of(path or "body", "holds a NUL character")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidInput.of(path or "body", "holds half of a surrogate pair, which is not a character")
