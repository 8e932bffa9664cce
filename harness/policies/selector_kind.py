"""The registered policies ``selector`` and ``selector_keras``."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rsft_bench.harness.errors import ConfigError, DataError, UserError
from rsft_bench.harness.policies.listed import check_closed
from rsft_bench.harness.policies.selector import ENGINES, STATE, TEXTS, Fitted, Selector
from rsft_bench.harness.policies.selector_features import Features
from rsft_bench.harness.policies.selector_network import Layers
from rsft_bench.harness.seeding import digest
from rsft_bench.harness.types import Capability, Json, Param

SEED = Param("seed", 0, "seed of the untrained network; a run's own seeds leave it alone", least=0)
LOSS = Param(
    "loss",
    "logits",
    "what cross-entropy is given; softmax is the mistake that docs/classifier.md measures",
    choices=("logits", "softmax"),
)
CODE = tuple(
    f"rsft_bench.harness.{module}"
    for module in (
        "policies.choices",
        "policies.counting",
        "policies.exact",
        "policies.listed",
        "policies.selector",
        "policies.selector_features",
        "policies.selector_kind",
        "policies.selector_network",
        "seeding",
        "training.order",
        "training.schedules",
        "values",
    )
)
FITTING = ("sklearn.feature_extraction.text", "sklearn.decomposition")


@dataclass(frozen=True, slots=True)
class SelectorPolicy:
    """A registered entry; ``engine`` is what trains the network."""

    name: str = "selector"
    engine: Literal["torch", "keras"] = "torch"
    doc: str = "Classifier 100-50-m over TF-IDF and SVD; for prompts that list their choices"
    options: tuple[Param, ...] = (SEED, LOSS)
    preload: tuple[str, ...] = (*FITTING, "torch")
    code: tuple[str, ...] = CODE
    version: str = "1"
    capabilities: frozenset[Capability] = frozenset(
        ("sampler", "scorer", "trainable", "enumerable")
    )

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """Hash of version and options, which decide the untrained law and how it is trained."""
        base = self.load(options)
        return digest(self.name, self.version, base.seed, base.loss).hex()

    def load(self, options: Mapping[str, Json]) -> Selector:
        """The untrained policy. Raises ConfigError for an option out of range."""
        from rsft_bench.harness.values import coerce

        given = {}
        for param in self.options:
            try:
                given[param.name] = coerce(param, options.get(param.name, param.default))
            except ValueError as error:
                raise ConfigError(f"policy {self.name!r}, {param.name}: {error}") from None
        return Selector(engine=self.engine, **given)

    def restore(self, options: Mapping[str, Json], folder: Path) -> Selector:
        """Read what ``Selector.save`` wrote. Raises DataError where it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        base = self.load(options)
        try:
            texts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
            if not texts["answers"]:
                return base
            arrays = load_file(folder / STATE)
            features = Features(tuple(texts["terms"]), arrays["idf"], arrays["components"])
            layers = Layers(*(arrays[name] for name in Layers._fields))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DataError(f"{folder}: not a classifier: {error}") from error
        return replace(base, fitted=Fitted(tuple(texts["answers"]), features, layers))

    def check(self, options: Mapping[str, Json], prompts: Sequence[str]) -> None:
        """Before anything is spent.

        Raises:
            UserError: the package that trains it is missing.
            DataError: a prompt lists no choices, or not those of the first.
        """
        if self.engine == "keras" and importlib.util.find_spec("keras") is None:
            raise UserError(
                f"policy {self.name!r} needs the package keras: pip install 'rsft-bench[keras]'"
            )
        check_closed(self.name, prompts)


SELECTOR = SelectorPolicy()
SELECTOR_KERAS = SelectorPolicy(
    name="selector_keras",
    engine="keras",
    doc="The classifier of `selector` as a Keras 3 model; extra `keras`",
    options=(SEED,),
    preload=(*FITTING, ENGINES["keras"]),
    code=(*CODE, ENGINES["keras"]),
)
