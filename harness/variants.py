"""Variants: a method with resolved parameters, and the id that names it everywhere.

An id is a pure function of the resolved parameters: the method, then in brackets, sorted by name,
the parameters the method declares as identity and every other that differs from its default.
Reads methods only through the small protocol below; must not import ``baselines``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rsft_bench.harness.config import GATE_PRIMARY, RunConfig
from rsft_bench.harness.config_specs import VariantSpec
from rsft_bench.harness.errors import ConfigError, did_you_mean
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Json, Param
from rsft_bench.harness.values import coerce, format_value


class MethodLike(Protocol):
    """What a method must state to have variants.

    It may also have ``check(params)``, which raises ConfigError for resolved parameters that
    contradict each other; it is called whenever a variant is named, before anything is spent.
    """

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def params(self) -> tuple[Param, ...]:
        """Every parameter with its default."""

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Names always shown in the id, given the resolved parameters."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant. ``params`` holds every parameter; ``explicit`` the names given a value."""

    id: str
    method: str
    params: Mapping[str, Json]
    explicit: frozenset[str]


def resolve(
    method: MethodLike, given: Mapping[str, Json], methods: Registry[MethodLike]
) -> Variant:
    """Fill defaults, coerce values and name the variant.

    Floats are rounded to the 12 significant digits that the id shows, so that an id read back
    gives the same parameters.

    Raises:
        ConfigError: an unknown parameter, a value of the wrong type or outside its choices or
            range, or values that the method's ``check`` refuses together.
    """
    declared = {p.name: p for p in method.params}
    for name in given:
        if name not in declared:
            raise ConfigError(_unknown_parameter(method.name, name, declared))
    params = {
        name: _coerce(method.name, param, given[name], methods) if name in given else param.default
        for name, param in declared.items()
    }
    check = getattr(method, "check", None)
    if check is not None:
        check(params)
    shown = method.identity(params)
    written = frozenset(name for name, value in given.items() if value not in (None, "none"))
    named = {n: v for n, v in params.items() if n in shown or v != declared[n].default}
    return Variant(format_id(method.name, named), method.name, params, written)


def parse_variant(text: str, methods: Registry[MethodLike]) -> Variant:
    """Read an id, in any parameter order and with defaults written or not.

    Raises:
        ConfigError: brackets that do not match, a parameter without value, a bad value.
        UnknownNameError: an unknown method.
    """
    name, given = split_id(text)
    return resolve(methods.get(name), given, methods)


def expand(config: RunConfig, methods: Registry[MethodLike]) -> tuple[Variant, ...]:
    """All variants of a run in config order, without duplicates.

    Grids are unrolled; the serving temperatures of ``evaluation.temperatures`` follow for ``sft``
    and the primary variant, where these are part of the run.

    Raises:
        ConfigError: a bad variant, or a ``primary`` that is not among the variants.
        UnknownNameError: an unknown method.
    """
    listed = [v for spec in config.variants for v in _unroll(spec, methods)]
    found = {v.id: v for v in reversed(listed)}
    ordered = dict.fromkeys(v.id for v in listed)
    primary = primary_variant(config, methods)
    if primary is not None and primary.id not in found:
        raise ConfigError(
            f"primary {primary.id!r} is not among the variants: {', '.join(ordered)}; "
            "add it, or set `primary: null`"
        )
    for start in [found.get("sft"), primary]:
        for t in config.evaluation.temperatures if start is not None else ():
            assert start is not None
            written = {name: start.params[name] for name in start.explicit}
            rung = resolve(methods.get(start.method), {**written, "temperature": t}, methods)
            found.setdefault(rung.id, rung)
            ordered.setdefault(rung.id)
    return tuple(found[i] for i in ordered)


def primary_variant(config: RunConfig, methods: Registry[MethodLike]) -> Variant | None:
    """The primary variant, its id in canonical form; None where the config names none."""
    return None if config.primary is None else parse_variant(config.primary, methods)


def gate_ids(config: RunConfig, methods: Registry[MethodLike]) -> tuple[str, ...]:
    """Canonical ids of the blocking variants, the alias ``primary`` replaced.

    Raises:
        ConfigError: the alias is used and the config names no primary variant.
    """
    ids: dict[str, None] = {}
    for text in config.gate.variants:
        if text == GATE_PRIMARY and config.primary is None:
            raise ConfigError("gate.variants holds 'primary', but the config has no `primary`")
        source = config.primary if text == GATE_PRIMARY else text
        ids[parse_variant(str(source), methods).id] = None
    return tuple(ids)


def format_id(method: str, params: Mapping[str, Json]) -> str:
    """'rsft' and {'k': 16, 'lambda': inf} as 'rsft[k=16,lambda=inf]'; no brackets when empty."""
    inner = ",".join(f"{name}={format_value(params[name])}" for name in sorted(params))
    return f"{method}[{inner}]" if inner else method


def split_id(text: str) -> tuple[str, dict[str, str]]:
    """Method and raw parameter texts of an id; a value may itself be an id with brackets.

    Raises:
        ConfigError: see ``parse_variant``.
    """
    text = text.strip()
    name, bracket, rest = text.partition("[")
    if not bracket and "]" not in text and "=" not in text and "," not in text and text:
        return text, {}
    if not name or not rest.endswith("]"):
        raise _malformed(text, "write method[name=value,...]")
    given: dict[str, str] = {}
    for part in _split_commas(rest[:-1], text):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not key or not equals or not value:
            raise _malformed(text, f"{part.strip()!r} is not name=value")
        if key in given:
            raise _malformed(text, f"{key!r} is given twice")
        given[key] = value
    return name.strip(), given


def _split_commas(inner: str, whole: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, char in enumerate(inner):
        depth += (char == "[") - (char == "]")
        if depth < 0:
            break
        if char == "," and depth == 0:
            parts.append(inner[start:i])
            start = i + 1
    if depth:
        raise _malformed(whole, "brackets do not match")
    return [*parts, inner[start:]]


def _malformed(text: str, reason: str) -> ConfigError:
    return ConfigError(f"variant {text!r}: {reason}")


def _unroll(spec: str | VariantSpec, methods: Registry[MethodLike]) -> Iterable[Variant]:
    if isinstance(spec, str):
        return [parse_variant(spec, methods)]
    given = spec.given
    axes = [value if isinstance(value, list | tuple) else [value] for value in given.values()]
    empty = next((name for name, axis in zip(given, axes, strict=True) if not axis), None)
    if empty is not None:
        raise ConfigError(f"variant of {spec.method!r}: {empty!r} is an empty list")
    method = methods.get(spec.method)
    return [
        resolve(method, dict(zip(given, values, strict=True)), methods)
        for values in itertools.product(*axes)
    ]


def _unknown_parameter(method: str, name: str, declared: Mapping[str, Param]) -> str:
    hint = did_you_mean(name, declared)
    allowed = ", ".join(sorted(declared)) or "none"
    return f"method {method!r} has no parameter {name!r}.{hint} Allowed: {allowed}"


def _coerce(method: str, param: Param, value: Json, methods: Registry[MethodLike]) -> Json:
    """The value as the parameter's type, by its default; an id inside in canonical form.

    An id is a text with brackets or, where the default says nothing, the name of a method.
    """
    try:
        typed = coerce(param, value)
    except ValueError as error:
        raise ConfigError(f"method {method!r}, parameter {param.name!r}: {error}") from None
    if isinstance(typed, str) and ("[" in typed or (param.default is None and typed in methods)):
        typed = parse_variant(typed, methods).id
    return param.default if param.alias is not None and typed == param.alias else typed
