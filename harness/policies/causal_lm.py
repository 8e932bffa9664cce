"""Policies that are Hugging Face causal LMs: the packaged ``nano-1`` and any local folder.

Importing this module imports no torch: the policy list is read by ``--help`` and ``list``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.policies import language_model
from rsft_bench.harness.types import Capability, Json, Param

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel

CAPABILITIES: frozenset[Capability] = frozenset({"sampler", "scorer", "trainable"})
PATH = Param("path", None, "Hugging Face folder: config.json, *.safetensors, tokenizer.json")


@dataclass(frozen=True, slots=True)
class CausalLMPolicy:
    """A policy whose weights are a Hugging Face folder.

    ``packaged`` is the folder shipped with this package; None means that ``path`` names it.
    """

    name: str
    version: str
    doc: str
    options: tuple[Param, ...] = ()
    packaged: Path | None = None
    capabilities: frozenset[Capability] = CAPABILITIES

    def folder(self, options: Mapping[str, Json]) -> Path:
        """Weights folder for resolved ``options``.

        Raises:
            UserError: no ``path`` given, or the folder is not a loadable model folder.
        """
        path = self.packaged if self.packaged is not None else options.get("path")
        if path is None:
            raise UserError(f"policy {self.name!r} needs 'path': a local Hugging Face folder")
        folder = Path(path)
        language_model.check_folder(folder)
        return folder

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """SHA-256 (hex) of weights, config and tokenizer. Raises as ``folder``."""
        return language_model.fingerprint(self.folder(options))

    def load(self, options: Mapping[str, Json]) -> LanguageModel:
        """The model in float32. Raises as ``folder``, and UserError if it is no causal LM."""
        return language_model.load(self.folder(options))


NANO_1 = CausalLMPolicy(
    name="nano-1",
    version="1",
    doc="Packaged Llama of 0.94 M parameters, trained from scratch on generated support text",
    packaged=Path(__file__).parent / "nano_1",
)
CAUSAL_LM = CausalLMPolicy(
    name="causal_lm",
    version="1",
    doc="Any local causal LM folder; Llama models use the fast sampling loop",
    options=(PATH,),
)
