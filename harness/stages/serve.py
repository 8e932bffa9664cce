"""Stage ``serve``: latency of answering one request, variants interleaved in one process.

Runs alone after everything else. Timings are this machine's, so its fingerprint is in the key.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rsft_bench.harness.policy_kinds import Counted
from rsft_bench.harness.reward_protocols import score_draws
from rsft_bench.harness.serving import Drawn, ServingRule, answer_key, rule_of
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.base import sampler, scorer, weights_folder
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Completion, Json, Sampler, Sampling, Suite

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel
    from rsft_bench.harness.reward_protocols import Scorer
    from rsft_bench.harness.sampling.llama import LlamaWeights

WARM_UP_PROMPTS = 2


def run(work: Work) -> Outcome:
    """params: entries [{variant, policy, temperature, n, method}], suite, prompts, sampling, seed.

    Inputs: policies (indexed by an entry's ``policy``), proxy (none or one), body (the policy that
    it reads, where it reads one). An entry with n > 1 draws n answers at once, scores them where
    its method's rule reads the proxy, and serves one by that rule, the first where several tie.
    Answers are drawn as the test draws are, so the timed answer is the one whose row carries the
    latency. Comparing answers by code takes time but counts no FLOPs. ``machine`` (params) joins
    the key. File: rows.jsonl
    (variant, example_id, draw and text of the answer served, latency_s, cpu_s, tokens_out, flops),
    model load excluded, warm-up prompts not recorded.
    """
    servers = [_server(folder, work) for folder in work.inputs["policies"]]
    proxy = scorer(work)
    entries = work.params["entries"]
    picking = {e["method"]: _picking(work, e["method"], proxy) for e in entries}
    prompts = [(example_id, prompt) for example_id, prompt in work.params["prompts"]]
    rows = []
    order = prompts[:WARM_UP_PROMPTS] + prompts
    for i, request in enumerate(order):
        # Rotated, so that no variant always runs first on a cold cache.
        for j in range(len(entries)):
            entry = entries[(i + j) % len(entries)]
            pick = picking[entry["method"]]
            row = _serve(servers[entry["policy"]], pick, request, entry, work.params)
            if i >= min(WARM_UP_PROMPTS, len(prompts)):
                rows.append(row)
    write_rows(work.out / "rows.jsonl", rows)
    return Outcome(
        tokens=sum(row["tokens_out"] for row in rows), flops=sum(row["flops"] for row in rows)
    )


@dataclass(frozen=True, slots=True)
class _Picking:
    """How one of several answers is served; ``judge`` is None where the rule reads no proxy."""

    rule: ServingRule
    judge: Scorer | None
    suite: Suite
    seed: int

    def served(self, request: tuple[str, str], rows: Sequence[Completion]) -> int:
        """Position of the answer served."""
        example_id, prompt = request
        texts, draws = [row.text for row in rows], [row.draw for row in rows]
        proxy = np.full(len(texts), np.nan)
        if self.judge is not None:
            proxy = score_draws(self.judge, [prompt] * len(texts), texts, draws)
        drawn = Drawn(
            self.seed,
            example_id,
            texts,
            proxy,
            lambda text: answer_key(self.suite, example_id, prompt, text),
        )
        return int(np.argmax(self.rule.weights(drawn, len(texts))))


def _picking(work: Work, method: str | None, proxy: Scorer | None) -> _Picking | None:
    if method is None:
        return None
    rule = rule_of(work.catalog, method)
    suite = work.catalog.suite(work.params["suite"])
    return _Picking(rule, proxy if rule.reads_proxy else None, suite, work.params["seed"])


class Server(Protocol):
    """A loaded policy that answers one request with several draws."""

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> Sequence[Completion]:
        """See ``types.Sampler``."""

    def flops(
        self, request: tuple[str, str], rows: Sequence[Completion], sampling: Sampling
    ) -> float:
        """FLOPs of the answers to one request, NaN where unknown."""


def _server(artifact: Path, work: Work) -> Server:
    own = sampler(artifact, work.catalog)
    return OfWeights.load(weights_folder(artifact)) if own is None else OfItself(own)


@dataclass(frozen=True, slots=True)
class OfWeights:
    """A language model with its packed weights."""

    lm: LanguageModel
    packed: LlamaWeights | None

    @classmethod
    def load(cls, folder: Path) -> OfWeights:
        """The model of a folder."""
        from rsft_bench.harness.policies.language_model import load
        from rsft_bench.harness.sampling import prepare

        lm = load(folder)
        return cls(lm, prepare(lm))

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> Sequence[Completion]:
        """By the fast sampler."""
        from rsft_bench.harness.sampling import sample

        return sample(self.lm, prompts, draws, sampling, seed, purpose, packed=self.packed)

    def flops(
        self, request: tuple[str, str], rows: Sequence[Completion], sampling: Sampling
    ) -> float:
        """The prompt is read once for all draws."""
        from rsft_bench.harness.metering.formulas import sample_flops

        tokens = [row.tokens_out for row in rows]
        config = self.lm.model.config.to_dict()
        return sample_flops(config, rows[0].tokens_in, tokens, shared_by=len(tokens))


@dataclass(frozen=True, slots=True)
class OfItself:
    """A policy that answers by itself."""

    policy: Sampler

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> Sequence[Completion]:
        """As the policy does."""
        return self.policy.sample(prompts, draws, sampling, seed, purpose)

    def flops(
        self, request: tuple[str, str], rows: Sequence[Completion], sampling: Sampling
    ) -> float:
        """As the policy says, if it does."""
        if not isinstance(self.policy, Counted):
            return math.nan
        return self.policy.draw_flops([request], rows, sampling).total


def _serve(
    server: Server,
    pick: _Picking | None,
    request: tuple[str, str],
    entry: Json,
    params: Json,
) -> dict[str, Json]:
    sampling = Sampling(**{**params["sampling"], "temperature": entry["temperature"]})
    wall, cpu = time.perf_counter(), time.process_time()
    rows = server.sample([request], range(entry["n"]), sampling, params["seed"], "test")
    served = rows[0] if pick is None else rows[pick.served(request, rows)]
    latency, busy = time.perf_counter() - wall, time.process_time() - cpu
    flops = server.flops(request, rows, sampling)
    if pick is not None and pick.judge is not None:
        flops += pick.judge.flops(len(rows))
    return {
        "variant": entry["variant"],
        "example_id": request[0],
        "draw": served.draw,
        "text": served.text,
        "latency_s": latency,
        "cpu_s": busy,
        "tokens_out": sum(row.tokens_out for row in rows),
        "flops": flops,
    }
