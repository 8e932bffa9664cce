"""A pydantic complaint about a config as one line: key path, value, near name, allowed set."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from rsft_bench.harness.errors import did_you_mean

_PLAIN_WORDS = {
    "Input should": "must",
    "a valid tuple": "a list",
    "a valid dictionary or instance of PolicySpec": "a name or a mapping with `name`",
    "a valid dictionary or instance of NamedSpec": "a name or a mapping with `name`",
    "a valid dictionary or instance of VariantSpec": "an id or a mapping with `method`",
    "a valid dictionary or instance of": "a mapping:",
    "Tuple should": "the list must",
}


def one_line(error: ValidationError, source: str, root: type[BaseModel]) -> str:
    """The first problem in one line; the rest are counted."""
    # Of the two branches "id or mapping" of a variant only the mapping's problem helps.
    problems = [p for p in error.errors(include_url=False) if p["loc"][-1:] != ("str",)]
    # Unknown keys first: a misspelt required key otherwise reads as a missing one.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    models = ("str", "VariantSpec", "SuiteSpec", "PolicySpec")
    location = tuple(part for part in first["loc"] if part not in models)
    path = ".".join(str(part) for part in location) or "(top level)"
    if first["type"] == "extra_forbidden":
        text = f"unknown key {path!r} (value {first['input']!r}).{_suggest_key(location, root)}"
    elif first["type"] == "missing":
        text = f"key {path!r} is required and missing; give it, or begin with `preset: quick`"
    else:
        reason = first["msg"].removeprefix("Value error, ")
        for technical, plain in _PLAIN_WORDS.items():
            reason = reason.replace(technical, plain)
        text = f"key {path!r} = {_short(first['input'])}: {reason[:1].lower()}{reason[1:]}"
        expected = first.get("ctx", {}).get("expected")
        text += _near(str(first["input"]), str(expected).replace("'", "")) if expected else ""
    more = len(problems) - 1
    return f"{source}: {text}" + (f" (and {more} more)" if more else "")


def _suggest_key(location: tuple[str | int, ...], root: type[BaseModel]) -> str:
    model = root
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        model = annotation
    names = sorted(model.model_fields) + (["preset"] if model is root else [])
    hint = did_you_mean(str(location[-1]), names)
    return f"{hint} Allowed: {', '.join(names)}"


def _near(value: str, expected: str) -> str:
    hint = did_you_mean(value, expected.replace(" or ", ", ").split(", "))
    return f".{hint}" if hint else ""


def _short(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 80 else text[:77] + "..."
