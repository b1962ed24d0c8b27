"""Frozen dataclasses from mappings and YAML files: every problem of one named at once."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from pathlib import Path
import types
from typing import Any, get_args, get_origin, get_type_hints, Literal, TypeVar, Union

import yaml

from m3l_core.errors import ConfigError

T = TypeVar('T')


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
        ConfigError: Naming every unknown key, missing key and value of a wrong type.
    """
    problems: list[str] = []
    config = _convert(cls, values, where, problems)
    if problems:
        raise ConfigError('; '.join(problems) + '.')
    result: T = config
    return result


def _convert(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    """Return `value` as the annotated type `kind`, noting what does not fit in `problems`."""
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
        return value
    if origin is tuple:
        return _convert_tuple(kind, value, where, problems)
    if origin is dict:
        return _convert_dict(kind, value, where, problems)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        problems.append(f'{where}: expected {kind.__name__}, got {value!r}')
    return value


def _convert_tuple(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    args = get_args(kind)
    if not isinstance(value, (list, tuple)):
        problems.append(f'{where}: expected a list, got {value!r}')
        return value
    if args[-1] is not Ellipsis and len(value) != len(args):
        problems.append(f'{where}: expected {len(args)} entries, got {len(value)}')
        return value
    kinds = args if args[-1] is not Ellipsis else (args[0],) * len(value)
    return tuple(
        _convert(k, v, f'{where}[{i}]', problems)
        for i, (k, v) in enumerate(zip(kinds, value, strict=True))
    )


def _convert_dict(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        problems.append(f'{where}: expected a mapping, got {value!r}')
        return value
    key_kind, item_kind = get_args(kind)
    return {
        _convert(key_kind, key, f'{where}: key', problems): _convert(
            item_kind, item, f'{where}.{key}', problems
        )
        for key, item in value.items()
    }


def _convert_dataclass(kind: Any, value: Any, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        problems.append(f'{where}: expected a mapping, got {value!r}')
        return value
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.init}
    for key in value.keys() - known.keys():
        problems.append(f'{where}.{key}: unknown key, expected one of {sorted(known)}')
    before = len(problems)  # the known keys may be refused too
    for name, field in known.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in value:
            problems.append(f'{where}.{name}: is missing')
    arguments = {
        name: _convert(hints[name], item, f'{where}.{name}', problems)
        for name, item in value.items()
        if name in known
    }
    if len(problems) > before:
        return value
    try:
        return kind(**arguments)
    except ConfigError as error:
        problems.append(f'{where}: {str(error).rstrip(".")}')
        return value
