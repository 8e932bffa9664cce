"""A language model without its head: the hidden state of an answer, for rewards that read it.

One sequence at a time, so that a state depends on its own prompt and answer alone, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rsft_bench.harness.metering.formulas import encode_flops
from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.types import FloatArray


@dataclass(frozen=True, slots=True)
class CausalBody:
    """Frozen transformer layers of a causal language model.

    ``pooling`` ``mean`` is the mean over the answer's tokens, its stop token included; ``last`` is
    the stop token's state. Answer tokens attend to the prompt, whose own states are left out: they
    are the same for all of its answers. States are those after the last norm, float32 widened.
    """

    lm: LanguageModel
    pooling: str

    def features(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Hidden states, shape (n, width). Each distinct pair is read once."""
        pairs = list(zip(prompts, texts, strict=True))
        distinct = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        states = np.array([self._state(*pair) for pair in distinct])
        return states[[distinct[pair] for pair in pairs]]

    def flops(self, prompts: Sequence[str], texts: Sequence[str]) -> float:
        """FLOPs of ``features``, equal pairs counted each time."""
        sizes = [self.lm.encode_pair(p, t) for p, t in zip(prompts, texts, strict=True)]
        tokens = [len(prompt) + len(answer) for prompt, answer in sizes]
        return encode_flops(self.lm.model.config.to_dict(), tokens)

    def _state(self, prompt: str, text: str) -> FloatArray:
        import torch

        before, answer = self.lm.encode_pair(prompt, text)
        with torch.inference_mode():
            ids = torch.tensor([[*before, *answer]])
            states = self.lm.model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0]
            pooled = states[-1] if self.pooling == "last" else states[len(before) :].mean(0)
        return np.asarray(pooled.numpy(), dtype=np.float64)
