"""Our side of sampling: the package's own loop, every answer with the length drawn for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peer_flops import Sizes, decode_ceiling
from peer_models import NANO, load_model, read_workload

from rsft_bench.harness.policies.language_model import load
from rsft_bench.harness.sampling import prepare
from rsft_bench.harness.sampling.answers import Job, Request, streams
from rsft_bench.harness.sampling.llama import LlamaWeights, pack
from rsft_bench.harness.sampling.loop import default_budget, groups, room, run_packed
from rsft_bench.harness.types import Sampling

#: No token has this number, so nothing but its length ends an answer.
NO_STOP = -1


class Packed:
    """Answers to a share of the prompts, drawn as ``harness.sampling.sample`` draws them."""

    def __init__(
        self, folder: str, workload: str, part: int, parts: int, late: bool = False
    ) -> None:
        """``late``: read and pack the weights in ``run``, so that their memory is measured too."""
        self._folder = Path(folder)
        self._model = load_model(str(NANO) if late else folder)
        self._packed = None if late else pack(self._model)
        prompts, lengths = read_workload(workload, part, parts)
        self._k = len(lengths[0])
        self._requests = [
            Request(tuple(ids), length, f"{part}/{i}", number)
            for i, (ids, answers) in enumerate(zip(prompts, lengths, strict=True))
            for number, length in enumerate(answers)
        ]
        sizes = Sizes.of(json.loads((self._folder / "config.json").read_text()))
        pairs = zip(prompts, lengths, strict=True)
        self._flops = sum(sizes.sampling(len(ids), answers) for ids, answers in pairs)
        self._sizes = sizes

    def prepare(self) -> None:
        """Nothing."""

    def run(self) -> dict[str, Any]:
        """Draw all answers; counts useful tokens and the least arithmetic they need."""
        law = Sampling()
        with torch.inference_mode():
            weights = self._weights()
            uniform = streams(self._requests, law, 0, "bench")
            answers = run_packed(weights, Job(self._requests, uniform, law, NO_STOP))
        lengths = [len(answer.ids) for answer in answers]
        assert lengths == [request.limit for request in self._requests]
        return {"tokens": sum(lengths), "flops": self._flops}

    def ceiling(self) -> dict[str, float]:
        """Products of a decoding step with all rows alive that the budget lets in at once."""
        weights = self._weights()
        budget = default_budget(weights)
        limit = room(max(r.limit for r in self._requests))
        rows, tokens = 0, 0
        for group in groups(self._requests, limit, budget):
            tokens += len(self._requests[group[0]].ids) + limit * len(group)
            if rows and tokens > budget:
                break
            rows += len(group)
        return decode_ceiling(self._sizes, rows)

    def _weights(self) -> LlamaWeights:
        """Packed before, or as a worker packs them: straight from their file."""
        if self._packed is not None:
            return self._packed
        weights = prepare(load(self._folder), self._folder)
        assert weights is not None
        return weights
