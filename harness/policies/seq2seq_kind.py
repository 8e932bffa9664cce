"""The registered policy ``seq2seq``. Importing this module imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.policies.seq2seq import STATE, Seq2Seq
from rsft_bench.harness.policies.seq2seq_network import Size
from rsft_bench.harness.policies.seq2seq_tokens import FOLDER
from rsft_bench.harness.seeding import digest
from rsft_bench.harness.types import Capability, Json, Param

OPTIONS = (
    Param("width", 64, "width of a token", choices=(32, 64, 128, 256)),
    Param("layers", 2, "layers of the encoder, and of the decoder", least=1, most=6),
    Param("seed", 0, "seed of the untrained weights; a run's own seeds leave it alone", least=0),
)


@dataclass(frozen=True, slots=True)
class Seq2SeqPolicy:
    """The registered entry."""

    name: str = "seq2seq"
    version: str = "1"
    doc: str = "Small encoder-decoder (T5) from random weights, trained by its own fit"
    options: tuple[Param, ...] = OPTIONS
    capabilities: frozenset[Capability] = frozenset(("sampler", "scorer", "trainable"))
    preload: tuple[str, ...] = ("torch", "tokenizers", "transformers.models.t5.modeling_t5")
    code: tuple[str, ...] = tuple(
        f"rsft_bench.harness.{module}"
        for module in (
            "policies.seq2seq",
            "policies.seq2seq_kind",
            "policies.seq2seq_network",
            "policies.seq2seq_sampling",
            "policies.seq2seq_tokens",
            "sampling.law",
            "seeding",
            "training.order",
            "training.schedules",
            "values",
        )
    )

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """Hash of version, options and tokenizer, which decide the untrained weights."""
        base = self.load(options)
        tokenizer = hashlib.sha256((FOLDER / "tokenizer.json").read_bytes()).hexdigest()
        return digest(self.name, self.version, base.seed, *base.size, tokenizer).hex()

    def load(self, options: Mapping[str, Json]) -> Seq2Seq:
        """The untrained policy. Raises ConfigError for an option out of range."""
        from rsft_bench.harness.values import coerce

        given = {}
        for param in self.options:
            try:
                given[param.name] = coerce(param, options.get(param.name, param.default))
            except ValueError as error:
                raise ConfigError(f"policy {self.name!r}, {param.name}: {error}") from None
        return Seq2Seq(given["seed"], Size(given["width"], given["layers"]))

    def restore(self, options: Mapping[str, Json], folder: Path) -> Seq2Seq:
        """Read what ``Seq2Seq.save`` wrote. Raises DataError where it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            restored = replace(self.load(options), weights=load_file(folder / STATE))
            # The network takes them here, so that a wrong file fails now.
            _ = restored.model
        except (OSError, KeyError, RuntimeError, SafetensorError) as error:
            raise DataError(f"{folder}: not an encoder-decoder: {error}") from error
        return restored


SEQ2SEQ = Seq2SeqPolicy()
