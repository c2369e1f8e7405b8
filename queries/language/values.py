"""Parameter values: converted to the type a template declares, and checked, before they reach a store.

A command line gives text, Python gives values (numpy's own scalars included); both stores get plain ones.
"""

import json
import math
from collections.abc import Callable, Iterable
from typing import Literal, get_args

from ipgraph.graphstore.common.errors import UsageError

ParameterType = Literal[
    "run",
    "level",
    "instance",
    "subtask",
    "condition",
    "role",
    "layer",
    "head",
    "string",
    "int",
    "float",
    "bool",
    "string[]",
    "int[]",
    "float[]",
]
TYPES: tuple[ParameterType, ...] = get_args(ParameterType)
Plain = str | int | float | bool

_BITS = 1 << 63
_LONG = 10**40


class ValueMismatchError(UsageError):
    """A value does not fit; the message ends a sentence that says whose."""


def literal(text: str) -> object:
    """Return the value that a text writes as JSON (`3`, `true`, `["a"]`), else the text itself."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueMismatchError("nests too deeply") from error
    except ValueError:  # no JSON, or a number of thousands of digits
        return text


def convert(kind: ParameterType, allowed: str, value: object) -> Plain | list[Plain]:
    """Return a value as the declared type; raises ValueMismatchError where it does not fit."""
    if kind.endswith("[]"):
        parts = _parts(value)
        return [_scalar(kind.removesuffix("[]"), allowed, part) for part in parts]
    return _scalar(kind, allowed, value)


def plain(value: object) -> Plain | list[Plain] | None:
    """Return a value of undeclared type as both stores take it (lists of one type, numbers of 64 bits)."""
    value = _python(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain_scalar(_python(part)) for part in value]
    return None if value is None else _plain_scalar(value)


def _plain_scalar(value: object) -> Plain:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, int):
        return _int(value)
    raise ValueMismatchError(f"is {value!r}; a store takes text, numbers, true, false, and lists of them")


def _parts(value: object) -> Iterable[object]:
    """Return the parts of a list given as such, as JSON, or as text between commas."""
    if isinstance(value, str):
        value = (
            literal(value) if value.startswith("[") else [v for v in map(str.strip, value.split(",")) if v]
        )
    value = _python(value)
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueMismatchError(f"is {value!r}, not a list")
    return sorted(value) if isinstance(value, set | frozenset) else value


def _scalar(kind: str, allowed: str, value: object) -> Plain:
    converted = _CONVERTERS.get(kind, _text)(_python(value))
    if allowed:
        _check_allowed(allowed, converted)
    return converted


def _python(value: object) -> object:
    """Return numpy's scalars and arrays as Python's own."""
    as_python = getattr(value, "tolist", None)
    return as_python() if callable(as_python) else value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueMismatchError(f"is {value!r}, not text")
    return value


def _int(value: object) -> int:
    if isinstance(value, str):
        value = literal(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueMismatchError(f"is {_short(value)}, not a whole number")
    if not -_BITS <= value < _BITS:
        raise ValueMismatchError(f"is {_short(value)}, more than 64 bits hold")
    return value


def _float(value: object) -> float:
    if isinstance(value, str):
        value = literal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(_int(value))
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueMismatchError(f"is {_short(value)}, not a number")
    return value


def _short(value: object) -> str:
    """Return a value as Python writes it, or how long that is."""
    if isinstance(value, int) and abs(value) >= _LONG:
        return "a whole number of very many digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _bool(value: object) -> bool:
    if isinstance(value, str):
        value = literal(value.lower())
    if not isinstance(value, bool):
        raise ValueMismatchError(f"is {value!r}, neither true nor false")
    return value


_CONVERTERS: dict[str, Callable[[object], Plain]] = {
    "layer": _int,
    "head": _int,
    "int": _int,
    "float": _float,
    "bool": _bool,
}
UNQUOTED = tuple(_CONVERTERS)
"""Types whose values are no text."""


def _check_allowed(allowed: str, value: Plain) -> None:
    if ".." not in allowed:
        choices = allowed.split("|")
        if str(value) not in choices:
            raise ValueMismatchError(f"is {value!r}; valid: {', '.join(choices)}")
        return
    low, _, high = allowed.partition("..")
    number = float(value)
    if low and number < float(low):
        raise ValueMismatchError(f"is {value}; it must be at least {low}")
    if high and number > float(high):
        raise ValueMismatchError(f"is {value}; it must be at most {high}")
