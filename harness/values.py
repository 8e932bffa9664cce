"""Parameter values: text or YAML in, the type and range of a declared parameter out, and back."""

from __future__ import annotations

import math

from rsft_bench.harness.errors import did_you_mean
from rsft_bench.harness.types import Json, Param


def format_value(value: Json) -> str:
    """Numbers with 12 significant digits, infinities as inf and -inf, booleans in lower case."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return format(value, ".12g")
    return str(value)


def coerce(param: Param, value: Json) -> Json:
    """Convert a YAML or text value to the type of the parameter's default.

    With default None a number stays a number and any other text stays text, unless the parameter
    has a range: then only numbers and None will do.

    Raises:
        ValueError: the value does not fit the type or lies outside ``choices`` or the range.
    """
    typed = _typed(param.default, value)
    span = allowed_range(param)
    if span is not None and typed is not None:
        _within(param, span, typed, value)
    if param.choices and typed not in param.choices:
        known = [format_value(c) for c in param.choices]
        hint = did_you_mean(format_value(typed), known)
        raise ValueError(f"{value!r} is not allowed.{hint} Allowed: {', '.join(known)}")
    return typed


def allowed_range(param: Param) -> str | None:
    """The range in words, such as ``[0, 10]`` or ``(0, 1]``; None where a parameter has none."""
    if param.least is None and param.above is None and param.most is None:
        return None
    low = "(-inf" if param.least is None else f"[{format_value(param.least)}"
    low = low if param.above is None else f"({format_value(param.above)}"
    return f"{low}, {'inf' if param.most is None else format_value(param.most)}]"


def _within(param: Param, span: str, number: Json, written: Json) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{written!r} must be a number in {span}")
    low = -math.inf if param.least is None else param.least
    above = param.above is None or number > param.above
    if not (above and low <= number <= (math.inf if param.most is None else param.most)):
        raise ValueError(f"{written!r} is outside {span}")


def _typed(default: Json, value: Json) -> Json:
    if default is None:
        return _guessed(value)
    if isinstance(default, bool):
        return _boolean(value)
    if isinstance(default, int | float):
        number = _number(value)
        if isinstance(default, float):
            return number
        if not number.is_integer():
            raise ValueError(f"{value!r} must be a whole number")
        return int(number)
    if isinstance(default, str):
        if not isinstance(value, str):
            raise ValueError(f"{value!r} must be text")
        return value
    return value


def _boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError(f"{value!r} must be true or false")


def _number(value: Json) -> float:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} must be a number") from None
    if math.isnan(number):
        raise ValueError("nan is not a usable value")
    # Adding 0.0 turns -0.0 into 0.0, which would otherwise be a second id for one number.
    return float(format(number, ".12g")) + 0.0


def _guessed(value: Json) -> Json:
    if value is None or value == "none":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    try:
        number = _number(value)
    except ValueError:
        if isinstance(value, str) and value.lower() != "nan":
            return value
        raise
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
