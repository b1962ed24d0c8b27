"""Frozen dataclasses from mappings and YAML files: every problem of one named at once."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from pathlib import Path
import re
import types
from typing import Any, get_args, get_origin, get_type_hints, Literal, TypeVar, Union

import yaml

from m3l_core.errors import ConfigError

T = TypeVar('T')

_UNUSABLE: Any = object()
"""In place of a value that no dataclass can be filled with."""

_EXPONENT = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+')
"""A number that YAML 1.1 takes for text, as its dot or a sign is missing: 3e-4 or 1.5e3."""


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: If the file cannot be read, is no YAML, or holds no mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'{path}: {error.strerror}. Give the path of a YAML file.') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())
        raise ConfigError(f'{path}: is not valid YAML: {reason}.') from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: expected a mapping of keys to values.')
    return values


def from_mapping(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Return the dataclass `cls` filled from `values`; nested dataclasses from nested mappings.

    Raises:
        ConfigError: Naming every unknown key, missing key and value of a wrong type, and what each
            dataclass refuses whose own keys are there and of the right types.
    """
    problems: list[str] = []
    config = _convert(cls, values, where, problems)
    if problems:
        raise ConfigError('; '.join(problems) + '.')
    result: T = config
    return result


def _convert(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    """Return `value` as the annotated type `kind`, noting what does not fit in `problems`.

    Returns:
        The value, or `_UNUSABLE`. A dataclass that refuses its values is returned unchecked, so
        that the one around it can look at its own.
    """
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _convert_dataclass(kind, value, where, problems)
    if origin in (types.UnionType, Union):
        if value is None and type(None) in get_args(kind):
            return None
        inner = next(arg for arg in get_args(kind) if arg is not type(None))
        return _convert(inner, value, where, problems)
    if origin is Literal:
        if value not in get_args(kind):
            problems.append(f'{where}: expected one of {list(get_args(kind))}, got {value!r}')
            return _UNUSABLE
        return value
    if origin is tuple:
        return _convert_tuple(kind, value, where, problems)
    if origin is dict:
        return _convert_dict(kind, value, where, problems)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        problems.append(f'{where}: expected {kind.__name__}, got {value!r}')
        return _UNUSABLE
    return value


def _convert_tuple(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    args = get_args(kind)
    if not isinstance(value, (list, tuple)):
        problems.append(f'{where}: expected a list, got {value!r}')
        return _UNUSABLE
    if args[-1] is not Ellipsis and len(value) != len(args):
        problems.append(f'{where}: expected {len(args)} entries, got {len(value)}')
        return _UNUSABLE
    kinds = args if args[-1] is not Ellipsis else (args[0],) * len(value)
    items = tuple(
        _convert(k, v, f'{where}[{i}]', problems)
        for i, (k, v) in enumerate(zip(kinds, value, strict=True))
    )
    return _UNUSABLE if _UNUSABLE in items else items


def _convert_dict(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        problems.append(f'{where}: expected a mapping, got {value!r}')
        return _UNUSABLE
    key_kind, item_kind = get_args(kind)
    items = {
        _convert(key_kind, key, f'{where}: key', problems): _convert(
            item_kind, item, f'{where}.{key}', problems
        )
        for key, item in value.items()
    }
    return _UNUSABLE if _UNUSABLE in (*items.keys(), *items.values()) else items


def _convert_dataclass(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        problems.append(f'{where}: expected a mapping, got {value!r}')
        return _UNUSABLE
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.init}
    for key in sorted(value.keys() - known.keys(), key=str):
        problems.append(f'{where}.{key}: unknown key, expected one of {sorted(known)}')
    required = {name for name, field in known.items() if not _has_default(field)}
    for name in known:
        if name in required and name not in value:
            problems.append(f'{where}.{name}: is missing')
    converted = {
        name: _convert(hints[name], item, f'{where}.{name}', problems)
        for name, item in value.items()
        if name in known
    }
    arguments = {name: item for name, item in converted.items() if item is not _UNUSABLE}
    # The default of a nested dataclass that cannot be made lets this one look at the rest. That of
    # a plain value would not do: this one might complain of a default that nobody wrote.
    plain = {name for name in converted.keys() - arguments.keys() if not _nested(hints[name])}
    if plain or required - arguments.keys():
        return _UNUSABLE
    try:
        return kind(**arguments)
    except ConfigError as error:
        problems.append(f'{where}: {str(error).rstrip(".")}')
        return _unchecked(kind, arguments)


def _nested(kind: Any) -> bool:  # noqa: ANN401
    if get_origin(kind) in (types.UnionType, Union):
        return any(map(dataclasses.is_dataclass, get_args(kind)))
    return dataclasses.is_dataclass(kind)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return not (field.default is field.default_factory is dataclasses.MISSING)


def _unchecked(kind: Any, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the dataclass without what it does to check its values."""
    made = object.__new__(kind)
    for field in fields(kind):
        if field.name in arguments:
            item = arguments[field.name]
        elif field.default_factory is not dataclasses.MISSING:
            item = field.default_factory()
        else:
            item = field.default
        object.__setattr__(made, field.name, item)
    return made
