"""The run configuration: every key, its default and its range, as frozen pydantic models.

Owns what a valid configuration is and its canonical JSON form; where values come from (presets,
files, environment, flags) is ``config_sources``. Names of suites, policies, methods and their
options are checked later, against registries, because this module must not import them.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import Json

GATE_PRIMARY = "primary"
"""Alias in ``gate.variants`` for the variant that ``primary`` names."""


class _Model(BaseModel):
    """Frozen, no unknown keys, no NaN or infinity unless a field allows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NamedSpec(BaseModel):
    """A suite or policy by name, with options that the named object itself declares."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str = Field(min_length=1, description="registered name, see `rsft-bench list`")

    @property
    def given(self) -> dict[str, Json]:
        """The options given beside ``name``."""
        return dict(self.model_extra or {})


class VariantSpec(BaseModel):
    """A method with parameters; a list as value makes a grid over its elements."""

    model_config = ConfigDict(frozen=True, extra="allow")
    method: str = Field(min_length=1, description="registered name, see `rsft-bench list methods`")

    @property
    def given(self) -> dict[str, Json]:
        """The parameters given beside ``method``."""
        return dict(self.model_extra or {})


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Spec = Annotated[NamedSpec, BeforeValidator(_named, json_schema_input_type=str | NamedSpec)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=0, le=10)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class PoolConfig(_Model):
    """How candidates are drawn from the proposal; k is the largest k of the variants."""

    temperature: float = Field(1.0, gt=0, le=10, description="sampling temperature of the pool")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus mass; 1 keeps every token")
    max_new_tokens: int = Field(64, ge=1, le=4096, description="longest answer, in tokens")
    extra_prompts: int = Field(0, ge=0, description="pool prompts beyond the prompts of D")


class TrainingConfig(_Model):
    """One learning rate and batch for every trained arm; ``steps`` follow ``sft_steps``."""

    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    batch: int = Field(32, ge=1, description="rows of each set in one optimizer step")
    sft_steps: int = Field(300, ge=0, description="optimizer steps from base to sft")
    steps: int = Field(100, ge=0, description="optimizer steps of every arm that starts at sft")


class RewardConfig(_Model):
    """The reward that accepts. ``gold`` needs ``oracle: true`` on the variant that uses it."""

    name: str = Field("proxy", min_length=1, description="see `rsft-bench list rewards`")
    n_label: int = Field(400, ge=10, description="gold-labelled answers the proxy is fitted on")


class EvaluationConfig(_Model):
    """Test draws. ``best_of_draws`` are drawn from sft (or base), twice the largest n."""

    draws: int = Field(2, ge=1, description="test draws for each example of most variants")
    best_of_draws: int = Field(16, ge=1, description="test draws of the best-of-n source")
    primary_draws: int = Field(4, ge=1, description="test draws of the primary variant")
    temperatures: tuple[Temperature, ...] = Field(
        (), description="further serving temperatures of sft and the primary variant; 0 is greedy"
    )
    splits: tuple[Literal["select", "confirm"], ...] = Field(
        ("select", "confirm"), min_length=1, description="test splits that are answered"
    )
    serve_prompts: int = Field(
        32, ge=0, description="confirm prompts timed one by one for latency; 0 times nothing"
    )


class GateConfig(_Model):
    """What blocks in the CI gate and by how much a value may fall."""

    metrics: tuple[str, ...] = Field(("gold_pass",), min_length=1)
    variants: tuple[str, ...] = Field(
        ("sft", GATE_PRIMARY), min_length=1, description="variant ids; `primary` is an alias"
    )
    margin: float = Field(0.05, gt=0, lt=1, description="tolerated fall of a metric")


class RunConfig(_Model):
    """Everything that decides the rows of a run. Where it is written and how fast is not here."""

    name: str | None = Field(None, description="label of the run; default: file stem or preset")
    policies: tuple[Spec, ...] = Field((NamedSpec(name="nano-1"),), min_length=1)
    suites: tuple[Spec, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field((0, 1, 2, 3, 4), min_length=1)
    variants: tuple[str | VariantSpec, ...] = Field(
        min_length=1, description="ids such as `sft` or mappings; lists in a mapping make a grid"
    )
    primary: str | None = Field(None, description="the variant of the confirmatory family")
    pool: PoolConfig = PoolConfig.model_validate({})
    training: TrainingConfig = TrainingConfig.model_validate({})
    reward: RewardConfig = RewardConfig.model_validate({})
    evaluation: EvaluationConfig = EvaluationConfig.model_validate({})
    gate: GateConfig = GateConfig.model_validate({})

    @field_validator("seeds")
    @classmethod
    def _unique_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds must differ from each other")
        return seeds

    @field_validator("suites", "policies")
    @classmethod
    def _unique_names(cls, specs: tuple[NamedSpec, ...]) -> tuple[NamedSpec, ...]:
        names = [s.name for s in specs]
        if len(set(names)) < len(names):
            raise ValueError(f"each name may be listed once, got {', '.join(names)}")
        return specs

    def resolved(self) -> dict[str, Json]:
        """Plain JSON-able mapping with every key; infinities as 'inf' and '-inf'.

        ``RunConfig.model_validate(config.resolved())`` gives an equal config. ``name`` is left
        out: a label does not change the rows.
        """
        plain: dict[str, Json] = _plain(self.model_dump(mode="python"))
        del plain["name"]
        return plain

    def config_hash(self) -> str:
        """Eight hex digits of the canonical JSON of ``resolved()``."""
        text = json.dumps(self.resolved(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def parse_config(raw: Mapping[str, Json], source: str = "config") -> RunConfig:
    """Validate a plain mapping.

    Raises:
        ConfigError: one line with source, key path, value, near name and allowed set.
    """
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_one_line(error, source)) from None


def first_difference(a: Json, b: Json, prefix: str = "") -> str | None:
    """Dotted key of the first place, in sorted key order, where two resolved configs differ."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        pairs = [(str(k), a.get(k, _ABSENT), b.get(k, _ABSENT)) for k in sorted({*a, *b})]
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        pairs = [(str(i), x, y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    else:
        return None if a == b else prefix or "(whole config)"
    for key, x, y in pairs:
        found = first_difference(x, y, f"{prefix}.{key}" if prefix else key)
        if found is not None:
            return found
    return None


def config_schema() -> dict[str, Json]:
    """JSON Schema of a config file: RunConfig plus the ``preset`` a file may begin with."""
    schema: dict[str, Json] = RunConfig.model_json_schema(mode="validation")
    schema["properties"] = {
        "preset": {"type": "string", "description": "start from this preset and override it"},
        **schema["properties"],
    }
    # A file that begins with a preset inherits what is otherwise required.
    schema["anyOf"] = [{"required": ["preset"]}, {"required": schema.pop("required")}]
    return schema


_ABSENT = object()
_PLAIN_WORDS = {
    "Input should": "must",
    "a valid tuple": "a list",
    "a valid dictionary or instance of NamedSpec": "a name or a mapping with `name`",
    "a valid dictionary or instance of VariantSpec": "an id or a mapping with `method`",
    "a valid dictionary or instance of": "a mapping:",
    "Tuple should": "the list must",
}


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return format(value, "g")
    return value


def _one_line(error: ValidationError, source: str) -> str:
    """The first problem in one line; the rest are counted."""
    # Of the two branches "id or mapping" of a variant only the mapping's problem helps.
    problems = [p for p in error.errors(include_url=False) if p["loc"][-1:] != ("str",)]
    # Unknown keys first: a misspelt required key otherwise reads as a missing one.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    location = tuple(part for part in first["loc"] if part not in ("str", "VariantSpec"))
    path = ".".join(str(part) for part in location) or "(top level)"
    if first["type"] == "extra_forbidden":
        text = f"unknown key {path!r} (value {first['input']!r}).{_suggest_key(location)}"
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


def _suggest_key(location: tuple[str | int, ...]) -> str:
    model: type[BaseModel] = RunConfig
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        model = annotation
    names = sorted(model.model_fields) + (["preset"] if model is RunConfig else [])
    near = difflib.get_close_matches(str(location[-1]), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Allowed: {', '.join(names)}"


def _near(value: str, expected: str) -> str:
    near = difflib.get_close_matches(value, expected.replace(" or ", ", ").split(", "), n=1)
    return f". Did you mean {near[0]!r}?" if near else ""


def _short(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 80 else text[:77] + "..."
