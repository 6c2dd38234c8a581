"""Payloads: JSON, validated into the annotated type of a handler."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from ._errors import FinalError


def payload_type(function: Any) -> Any:
    """The annotation of the second parameter of a handler; ``Any`` without one."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:
        return Any
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    return hints.get(names[1], Any) if len(names) > 1 else Any


def takes_payload(function: Any) -> bool:
    """Whether a handler takes a payload besides the run."""
    return bool(function.__code__.co_argcount > 1)


def read(kind: Any, value: Any, place: str = "payload") -> Any:
    """The value as this type, or a :class:`FinalError` that names the field."""
    if kind is Any or kind is None:
        return value
    if hasattr(kind, "model_validate"):
        try:
            return kind.model_validate(value)
        except ValueError as error:
            raise FinalError(f"{place}: {error}") from None
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value, place)
    if origin in (list, tuple, set) and isinstance(value, list):
        of = arguments[0] if arguments else Any
        return origin(read(of, member, f"{place}.{index}") for index, member in enumerate(value))
    if origin is dict and isinstance(value, dict):
        of = arguments[1] if len(arguments) == 2 else Any
        return {name: read(of, member, f"{place}.{name}") for name, member in value.items()}
    return _plain(origin or kind, value, place)


def _dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise FinalError(f"{place}: must be an object")
    hints = typing.get_type_hints(kind)
    given = {}
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        if field.name in value:
            given[field.name] = read(hints[field.name], value[field.name], f"{place}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise FinalError(f"{place}.{field.name}: is missing")
    return kind(**given)


def _union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    last = FinalError(f"{place}: does not fit")
    for kind in kinds:
        if kind is type(None):
            if value is None:
                return None
            continue
        try:
            return read(kind, value, place)
        except FinalError as error:
            last = error
    raise last


def _plain(kind: Any, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    is_bool_for_number = isinstance(value, bool) and kind in (int, float)
    if isinstance(kind, type) and (not isinstance(value, kind) or is_bool_for_number):
        raise FinalError(f"{place}: must be {kind.__name__}, and is {type(value).__name__}")
    return value
