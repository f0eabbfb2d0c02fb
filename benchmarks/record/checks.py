"""Whether what a JSON file holds is of the types that `schema` declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from typing_extensions import NotRequired, get_type_hints, is_typeddict

LARGEST = 1e300
"""No number may be larger, so that its square or its sum with others is still a number."""

_OPTIONAL: Any = NotRequired
_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


def check(value: Any, kind: Any, where: str) -> None:
    """Check that a value is of a type: a plain one, a `TypedDict`, a dataclass, or made of these.

    A field of a dataclass may be missing.

    Args:
        value: What JSON gave.
        kind: The type.
        where: The value's place in the file, for the message.

    Raises:
        ValueError: It is of another type, or lacks a key.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is not None or NoneType not in inner:
            check(value, next(one for one in inner if one is not NoneType), where)
    elif is_typeddict(kind) or is_dataclass(kind):
        _fields(_expected(value, dict, where), kind, where)
    elif origin in (list, tuple):
        for place, each in enumerate(_expected(value, list, where)):
            check(each, inner[0], f"{where}[{place}]")
    elif origin is dict:
        for name, each in _expected(value, dict, where).items():
            check(each, inner[1], f"{where}[{name!r}]")
    elif kind is not Any:
        _expected(value, kind, where)


def _fields(value: Mapping[str, Any], kind: Any, where: str) -> None:
    required = getattr(kind, "__required_keys__", ())
    for name, hint in get_type_hints(kind, include_extras=True).items():
        optional = get_origin(hint) is _OPTIONAL
        if name in value:
            check(value[name], get_args(hint)[0] if optional else hint, f"{where}[{name!r}]")
        elif name in required and not optional:
            raise ValueError(f"{where} lacks {name!r}")


def _expected(value: Any, kind: type, where: str) -> Any:
    """Return the value if it is of the plain type; an integer is also a float, a bool no number."""
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where} is {str(value)[:80]!r}, expected {_NAMES[kind]}")
    if isinstance(value, (int, float)) and not abs(value) <= LARGEST:
        raise ValueError(f"{where} is no finite number, or too large")
    return value
