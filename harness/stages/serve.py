"""Stage ``serve``: latency of answering one request, variants interleaved in one process.

Runs alone after everything else. Timings are this machine's, so its fingerprint is in the key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from rsft_bench.harness.reward_protocols import score_draws
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.base import scorer, weights_folder
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Json, Sampling

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel
    from rsft_bench.harness.reward_protocols import Scorer
    from rsft_bench.harness.sampling.llama import LlamaWeights

WARM_UP_PROMPTS = 2


def run(work: Work) -> Outcome:
    """params: entries [{variant, policy, temperature, n}], prompts, sampling, seed, machine.

    Inputs: policies (indexed by an entry's ``policy``), proxy (none or one), body (the policy that
    it reads, where it reads one). A best-of-n entry
    draws n answers at once and scores them before one is served. Answers are drawn as the test
    draws are, so the timed answer is the one whose row carries the latency. File: rows.jsonl
    (variant, example_id, draw and text of the answer served, latency_s, cpu_s, tokens_out, flops),
    model load excluded, warm-up prompts not recorded.
    """
    from rsft_bench.harness.policies.language_model import load
    from rsft_bench.harness.sampling import prepare

    models = [load(weights_folder(folder)) for folder in work.inputs["policies"]]
    packed = [prepare(lm) for lm in models]
    proxy = scorer(work)
    entries = work.params["entries"]
    prompts = [(example_id, prompt) for example_id, prompt in work.params["prompts"]]
    rows = []
    order = prompts[:WARM_UP_PROMPTS] + prompts
    for i, request in enumerate(order):
        # Rotated, so that no variant always runs first on a cold cache.
        for j in range(len(entries)):
            entry = entries[(i + j) % len(entries)]
            at = entry["policy"]
            row = _serve((models[at], packed[at]), proxy, request, entry, work.params)
            if i >= min(WARM_UP_PROMPTS, len(prompts)):
                rows.append(row)
    write_rows(work.out / "rows.jsonl", rows)
    return Outcome(
        tokens=sum(row["tokens_out"] for row in rows), flops=sum(row["flops"] for row in rows)
    )


def _serve(
    model: tuple[LanguageModel, LlamaWeights | None],
    proxy: Scorer | None,
    request: tuple[str, str],
    entry: Json,
    params: Json,
) -> dict[str, Json]:
    from rsft_bench.harness.metering.formulas import sample_flops
    from rsft_bench.harness.sampling import sample

    lm, packed = model
    sampling = Sampling(**{**params["sampling"], "temperature": entry["temperature"]})
    judge = proxy if entry["n"] > 1 else None
    wall, cpu = time.perf_counter(), time.process_time()
    rows = sample(lm, [request], range(entry["n"]), sampling, params["seed"], "test", packed=packed)
    served = rows[0]
    if judge is not None:
        texts, draws = [row.text for row in rows], [row.draw for row in rows]
        scores = score_draws(judge, [request[1]] * len(rows), texts, draws)
        served = rows[int(np.argmax(scores))]
    latency, busy = time.perf_counter() - wall, time.process_time() - cpu
    tokens = [row.tokens_out for row in rows]
    flops = sample_flops(
        lm.model.config.to_dict(), rows[0].tokens_in, tokens, shared_by=len(tokens)
    )
    if judge is not None:
        flops += judge.flops(len(rows))
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
