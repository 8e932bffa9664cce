"""Stage ``serve``: latency of answering one request, variants interleaved in one process.

Runs alone after everything else. Timings are this machine's, so its fingerprint is in the key.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rsft_bench.harness.serving import Drawn, ServingRule, answer_key, rule_of
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.base import scorer, weights_folder
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Json, Sampling, Suite

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel
    from rsft_bench.harness.reward_kinds import Scorer
    from rsft_bench.harness.sampling.llama import LlamaWeights

WARM_UP_PROMPTS = 2


def run(work: Work) -> Outcome:
    """params: entries [{variant, policy, temperature, n, method}], suite, prompts, sampling, seed.

    Inputs: policies (indexed by an entry's ``policy``), proxy (none or one). An entry with n > 1
    draws n answers at once, scores them where its method's rule reads the proxy, and serves one by
    that rule, the first where several tie. Answers are drawn as the test draws are, so the timed
    answer is the one whose row carries the latency. Comparing answers by code takes time but counts
    no FLOPs. ``machine`` (params) joins the key. File: rows.jsonl
    (variant, example_id, draw and text of the answer served, latency_s, cpu_s, tokens_out, flops),
    model load excluded, warm-up prompts not recorded.
    """
    from rsft_bench.harness.policies.language_model import load
    from rsft_bench.harness.sampling import prepare

    models = [load(weights_folder(folder)) for folder in work.inputs["policies"]]
    packed = [prepare(lm) for lm in models]
    rewards = work.inputs.get("proxy", [])
    proxy = scorer(rewards[0], work.catalog) if rewards else None
    entries = work.params["entries"]
    picking = {e["method"]: _picking(work, e["method"], proxy) for e in entries}
    prompts = [(example_id, prompt) for example_id, prompt in work.params["prompts"]]
    rows = []
    order = prompts[:WARM_UP_PROMPTS] + prompts
    for i, request in enumerate(order):
        # Rotated, so that no variant always runs first on a cold cache.
        for j in range(len(entries)):
            entry = entries[(i + j) % len(entries)]
            at = entry["policy"]
            pick = picking[entry["method"]]
            row = _serve((models[at], packed[at]), pick, request, entry, work.params)
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

    def served(self, request: tuple[str, str], texts: list[str]) -> int:
        """Position of the answer served."""
        example_id, prompt = request
        proxy = np.full(len(texts), np.nan)
        if self.judge is not None:
            proxy = self.judge.score([prompt] * len(texts), texts)
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


def _serve(
    model: tuple[LanguageModel, LlamaWeights | None],
    pick: _Picking | None,
    request: tuple[str, str],
    entry: Json,
    params: Json,
) -> dict[str, Json]:
    from rsft_bench.harness.metering.formulas import sample_flops
    from rsft_bench.harness.sampling import sample

    lm, packed = model
    sampling = Sampling(**{**params["sampling"], "temperature": entry["temperature"]})
    wall, cpu = time.perf_counter(), time.process_time()
    rows = sample(lm, [request], range(entry["n"]), sampling, params["seed"], "test", packed=packed)
    served = rows[0] if pick is None else rows[pick.served(request, [row.text for row in rows])]
    latency, busy = time.perf_counter() - wall, time.process_time() - cpu
    tokens = [row.tokens_out for row in rows]
    flops = sample_flops(
        lm.model.config.to_dict(), rows[0].tokens_in, tokens, shared_by=len(tokens)
    )
    if pick is not None and pick.judge is not None:
        flops += pick.judge.flops(len(rows))
    return {
        "variant": entry["variant"],
        "example_id": request[0],
        "draw": served.draw,
        "text": served.text,
        "latency_s": latency,
        "cpu_s": busy,
        "tokens_out": sum(tokens),
        "flops": flops,
    }
