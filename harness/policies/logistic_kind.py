"""The registered policy ``logistic``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.policies.listed import check_closed
from rsft_bench.harness.policies.logistic import STATE, TEXTS, Logistic, Regression
from rsft_bench.harness.seeding import digest
from rsft_bench.harness.types import Capability, Json, Param

STRENGTH = Param(
    "strength",
    10.0,
    "inverse of the L2 penalty per training row of mean weight, scikit-learn's C",
    least=1e-4,
    most=1e6,
)


@dataclass(frozen=True, slots=True)
class LogisticPolicy:
    """The registered entry."""

    name: str = "logistic"
    doc: str = "TF-IDF and logistic regression by scikit-learn; for prompts that list their choices"
    options: tuple[Param, ...] = (STRENGTH,)
    version: str = "1"
    preload: tuple[str, ...] = ("sklearn.feature_extraction.text", "sklearn.linear_model")
    capabilities: frozenset[Capability] = frozenset(
        ("sampler", "scorer", "trainable", "enumerable")
    )
    code: tuple[str, ...] = tuple(
        f"rsft_bench.harness.{module}"
        for module in (
            "policies.choices",
            "policies.counting",
            "policies.exact",
            "policies.listed",
            "policies.logistic",
            "policies.logistic_kind",
            "policies.selector_features",
            "seeding",
            "values",
        )
    )

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """Hash of version and options. Raises as ``load``."""
        return digest(self.name, self.version, self.load(options).strength).hex()

    def load(self, options: Mapping[str, Json]) -> Logistic:
        """The untrained policy. Raises ConfigError for an option out of range."""
        from rsft_bench.harness.values import coerce

        try:
            return Logistic(coerce(STRENGTH, options.get("strength", STRENGTH.default)))
        except ValueError as error:
            raise ConfigError(f"policy {self.name!r}, strength: {error}") from None

    def restore(self, options: Mapping[str, Json], folder: Path) -> Logistic:
        """Read what ``Logistic.save`` wrote. Raises DataError where it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        base = self.load(options)
        try:
            texts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
            if not texts["answers"]:
                return base
            arrays = load_file(folder / STATE)
            fitted = Regression(tuple(texts["answers"]), tuple(texts["terms"]), **arrays)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise DataError(f"{folder}: not a logistic regression: {error}") from error
        return replace(base, fitted=fitted)

    def check(self, options: Mapping[str, Json], prompts: Sequence[str]) -> None:
        """Raise DataError where a prompt lists no choices, or not those of the first."""
        check_closed(self.name, prompts)


LOGISTIC = LogisticPolicy()
