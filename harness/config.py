"""The run configuration: every key, its default and its range, as frozen pydantic models.

Owns what a valid configuration is and its canonical JSON form; where values come from (presets,
files, environment, flags) is ``config_sources``. Names of suites, policies, methods and their
options are checked later, against registries, because this module must not import them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from rsft_bench.harness.config_errors import one_line
from rsft_bench.harness.config_specs import (
    NamedSpec,
    OneSuite,
    PolicySpec,
    Spec,
    SuiteSpec,
    VariantSpec,
)
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import Json

GATE_PRIMARY = "primary"
"""Alias in ``gate.variants`` for the variant that ``primary`` names."""


class _Model(BaseModel):
    """Frozen, no unknown keys, no NaN or infinity unless a field allows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Fraction = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(gt=0, lt=1)]
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
    lr_factors: tuple[Factor, ...] = Field(
        (1.0,), min_length=1, description="multiples of lr tried by every arm that starts at sft"
    )
    checkpoints: tuple[Share, ...] = Field(
        (), description="shares of the steps whose weights are scored on select beside the last"
    )
    batch: int = Field(32, ge=1, description="rows of each set in one optimizer step")
    sft_steps: int = Field(300, ge=0, description="optimizer steps from base to sft")
    steps: int = Field(100, ge=0, description="optimizer steps of every arm that starts at sft")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="learning rate after the warm-up; linear and cosine fall to 0"
    )
    share_prefix: Literal["auto", "off"] = Field(
        "off", description="auto: answers of one prompt in one step share it where tokens are saved"
    )
    save_every: int = Field(
        0, ge=0, description="steps between two states that a killed fit goes on from; 0 is never"
    )
    accelerate: bool = Field(False, description="accelerate places and parallelises; extra `gpu`")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where fits are computed")


class SuiteSource(BaseModel):
    """A suite of kind `labels` with its options: {suite: hh_rlhf, path: DIR}."""

    model_config = ConfigDict(frozen=True, extra="allow")
    suite: str = Field(min_length=1, description="registered name, see `rsft-bench list suites`")

    @property
    def spec(self) -> SuiteSpec:
        """As a suite; its label sets it off from the suites that are run."""
        given = dict(self.model_extra or {})
        return SuiteSpec(name=self.suite, label=f"labels@{self.suite}", **given)


class RewardConfig(NamedSpec):
    """The reward that accepts, with options that it declares itself, such as `scale` of `noisy`.

    `rsft-bench list rewards` shows them. Gold is no such reward: `oracle: true` on a variant.
    """

    name: str = Field("proxy", min_length=1, description="see `rsft-bench list rewards`")
    n_label: int = Field(400, ge=10, description="gold-labelled answers the reward is fitted on")
    labels: SuiteSource | None = Field(
        None, description="fit on labels of this data set of kind `labels`, not on gold"
    )


class EvaluationConfig(_Model):
    """Test draws. ``best_of_draws`` are drawn of what a serving rule picks from: twice its n."""

    draws: int = Field(2, ge=1, description="test draws for each example of most variants")
    best_of_draws: int = Field(16, ge=1, description="test draws of what is picked from")
    primary_draws: int = Field(4, ge=1, description="test draws of the primary variant")
    temperatures: tuple[Temperature, ...] = Field(
        (), description="further serving temperatures of sft and the primary variant; 0 is greedy"
    )
    splits: tuple[Literal["select", "confirm"], ...] = Field(
        ("select", "confirm"), min_length=1, description="test splits that are answered"
    )
    winner: Literal["exploratory", "confirmatory"] = Field(
        "exploratory", description="whether the sweep's winner joins the confirmatory family"
    )
    kl: bool = Field(
        False, description="measure how far each trained policy is from sft on confirm draws"
    )
    satisfaction: str | None = Field(
        None, description="`index`, or a file of satisfaction ratings that a predictor is fitted on"
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
    policies: tuple[Spec, ...] = Field((PolicySpec(name="nano-1"),), min_length=1)
    suites: tuple[OneSuite, ...] = Field(min_length=1)
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
    allow_code: bool = Field(False, description="whether Python files named in `suites` are run")

    @field_validator("seeds")
    @classmethod
    def _unique_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("seeds must differ from each other")
        return seeds

    @field_validator("suites", "policies")
    @classmethod
    def _unique_names(cls, specs: tuple[NamedSpec, ...]) -> tuple[NamedSpec, ...]:
        names = [s.key if isinstance(s, SuiteSpec) else s.name for s in specs]
        if len(set(names)) < len(names):
            raise ValueError(
                f"each name may be listed once, got {', '.join(names)}; "
                "a suite listed twice needs a `label`"
            )
        return specs

    @model_validator(mode="after")
    def _usable_training(self) -> RunConfig:
        for spec in self.policies:
            self.training_of(spec)
        return self

    def training_of(self, spec: PolicySpec) -> TrainingConfig:
        """The run's training with what the policy says itself. Raises ValueError if unusable."""
        own = spec.training or {}
        try:
            return TrainingConfig.model_validate({**self.training.model_dump(), **own})
        except ValidationError as error:
            where = f"policies, training of {spec.name!r}"
            raise ValueError(one_line(error, where, TrainingConfig)) from None

    def resolved(self) -> dict[str, Json]:
        """Plain JSON-able mapping; infinities as 'inf' and '-inf'.

        ``RunConfig.model_validate(config.resolved())`` gives an equal config. ``name`` is left
        out: a label does not change the rows; so are ``policies`` of a suite that takes them all,
        ``file`` of one that is none, ``training`` of a policy that has none of its own,
        ``reward.labels`` and ``evaluation.satisfaction`` where they are not set, and ``allow_code``
        where it allows nothing.
        """
        plain: dict[str, Json] = _plain(self.model_dump(mode="python"))
        del plain["name"]
        for specs, keys in (("suites", ("policies", "file")), ("policies", ("training",))):
            for spec in plain[specs]:
                for key in keys:
                    if spec[key] is None:
                        del spec[key]
        for section, key in (("reward", "labels"), ("evaluation", "satisfaction")):
            if plain[section][key] is None:
                del plain[section][key]
        if not self.allow_code:
            del plain["allow_code"]
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
        raise ConfigError(one_line(error, source, RunConfig)) from None


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


def _plain(value: Any) -> Json:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return format(value, "g")
    return value
