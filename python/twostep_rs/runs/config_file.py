"""Configurations as TOML files and as ``key=value`` on a command line."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import math
import re
import tomllib
import types
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from twostep_rs.config import Config, type_hints
from twostep_rs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

T = TypeVar("T")


def dumps(config: Config) -> str:
    """Write every value of a configuration, with a comment each, as TOML.

    What is None has no place in TOML; its line is a comment.
    """
    lines = ["# What determines the run; one seed fixes all randomness.", *_lines(config)]
    for field in dataclasses.fields(config):
        section = getattr(config, field.name)
        if dataclasses.is_dataclass(section):
            lines += ["", f"[{field.name}]", *_lines(section)]
    return "\n".join(lines) + "\n"


def loads(text: str, name: str = "config.toml", base: Config | None = None) -> Config:
    """Read a configuration.

    Args:
        text: the TOML document.
        name: what messages call it.
        base: has the values that are not given; the defaults where it is None.

    Raises:
        ConfigError: the text is no TOML, a key is unknown (the message names the nearest one), or
            a value has the wrong type or makes no sense.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: expected TOML, got a file with: {error}") from error
    try:
        return _changed(Config() if base is None else base, document)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def override(config: Config, assignments: Iterable[str]) -> Config:
    """Change values: ``["seed=1", "stage_1.steps=100", "evaluation.parameters=20,60"]``.

    Values are changed together, so that those which bound each other can be given in any order; of
    several for one key the last counts.

    Raises:
        ConfigError: an assignment has no ``=``, or as for :func:`loads`.
    """
    document: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"set: expected key=value, got {assignment!r}")
        *sections, last = key.strip().split(".")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{section}: expected keys of a section, got the value {place!r}")
        place[last] = _Text(text.strip())
    return _changed(config, document)


def _changed(config: Config, document: Mapping[str, Any]) -> Config:
    """A configuration with what ``document`` gives; its method decides what stage I can have."""
    method = document.get("method", config.method)
    if isinstance(method, str):
        config = config.for_method(method.strip("\"'") if isinstance(method, _Text) else method)
        document = {**document, "method": config.method}
    return _build(config, document, known=[key for key, _ in flat(config)])


def differences(one: Config, other: Config) -> list[str]:
    """Keys whose values differ, as ``key: value in one, value in other``."""
    first, second = dict(flat(one)), dict(flat(other))
    return [
        f"{key} is {_value(first[key])}, not {_value(second[key])}"
        for key in first
        # Where methods differ, what belongs to one of them does not matter.
        if key in second and first[key] != second[key]
    ]


def _options(section: type) -> dict[str, str]:
    """The values that an attribute can have, where they are few."""
    return {
        name: " | ".join(map(str, get_args(kind)))
        for name, kind in type_hints(section).items()
        if get_origin(kind) is Literal
    }


def flat(config: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    """All values of a configuration with their dotted keys."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from flat(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


class _Text(str):
    """A value from the command line, whose type is that of its key."""

    __slots__ = ()


def _lines(section: Any) -> Iterator[str]:
    comments, options = _comments(type(section)), _options(type(section))
    entries = [
        (field.name, getattr(section, field.name))
        for field in dataclasses.fields(section)
        if not dataclasses.is_dataclass(getattr(section, field.name))
    ]
    heads = [
        f"# {name} =" if value is None else f"{name} = {_value(value)}" for name, value in entries
    ]
    # One column for the comments; long values do not push it out.
    column = max((len(head) for head in heads if len(head) <= 40), default=0)
    for (name, _), head in zip(entries, heads, strict=True):
        comment = "; ".join(part for part in (comments.get(name), options.get(name)) if part)
        yield f"{head.ljust(column)}  # {comment}" if comment else head


def _value(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML's basic strings are those of JSON
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _comments(section: type) -> dict[str, str]:
    """First sentence of every attribute in the docstring of a configuration's dataclass."""
    found = []
    for documented in section.__mro__[-2::-1]:  # what is inherited is described where it is from
        text = inspect.getdoc(documented) or ""
        _, _, attributes = text.partition("Attributes:\n")
        found += re.findall(r"^    (\w+): ((?:.|\n(?=     ))*)", attributes, re.MULTILINE)
    return {name: re.split(r"\.\s|\.$", " ".join(body.split()))[0] for name, body in found}


def _build(default: T, document: Mapping[str, Any], known: list[str], prefix: str = "") -> T:
    """Replace in ``default`` what ``document`` gives; ``known`` are all dotted keys."""
    hints = type_hints(type(default))
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = prefix + key
        if key not in hints:
            raise ConfigError(_unknown(name, known))
        current = getattr(default, key)
        if dataclasses.is_dataclass(current):
            if not isinstance(value, dict):
                raise ConfigError(f"{name}: expected a section, got {value!r}")
            values[key] = _build(current, value, known, f"{name}.")
        else:
            values[key] = _convert(name, value, hints[key])
    try:
        return cast("T", dataclasses.replace(cast("Any", default), **values))
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}" if prefix else str(error)) from error


def _unknown(name: str, known: list[str]) -> str:
    last = name.rpartition(".")[2]
    # Perhaps only the section is missing or wrong.
    near = [key for key in known if key.rpartition(".")[2] == last]
    near = near or difflib.get_close_matches(name, known, n=1)
    if not near:
        ends = {key.rpartition(".")[2] for key in known}
        closest = difflib.get_close_matches(last, ends, n=1)
        near = [key for key in known if closest and key.rpartition(".")[2] == closest[0]]
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"{name}: expected a known key, got an unknown one{hint}"


def _convert(name: str, value: Any, kind: Any) -> Any:
    """``value`` as a value of the annotation ``kind``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = next(option for option in arguments if option is not types.NoneType)
        if isinstance(value, _Text) and value.lower() == "none":
            return None
        return _convert(name, value, inner)
    if isinstance(value, _Text):
        words = kind is str or (origin is Literal and all(isinstance(a, str) for a in arguments))
        value = _parse(value, sequence=origin is tuple, string=words)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{name}: expected a list, got {value!r}")
        return tuple(_convert(name, entry, arguments[0]) for entry in value)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{name}: expected one of {list(arguments)}, got {value!r}")
        return value
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind is not float and type(value) is kind:
        return value
    names = {bool: "true or false", int: "an integer", float: "a finite number", str: "text"}
    raise ConfigError(f"{name}: expected {names[kind]}, got {value!r}")


def _parse(text: str, *, sequence: bool, string: bool) -> Any:
    """A value as it is written on a command line: quotes and brackets may be left out."""
    if string:
        return text.strip("\"'")
    if sequence and not text.startswith("["):
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        return [_parse(entry, sequence=False, string=False) for entry in entries]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
