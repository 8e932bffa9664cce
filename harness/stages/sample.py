"""Stage ``sample``: one block of completions, drawn alone in one process on one thread."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from rsft_bench.harness.policy_kinds import Counted, Replaying
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.base import sampler, weights_folder
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Completion, Sampling

#: FLOPs of each prompt and each answer of a block (``policy_kinds.DrawFlops``).
FLOPS = "flops.json"


def run(work: Work) -> Outcome:
    """params: prompts [[example_id, prompt]], draws [start, stop], sampling, seed, purpose.

    Inputs: policy; data, where the policy replays a suite's own answers. Files: rows.jsonl, one
    Completion a row in (prompt, draw) order; cut.json, ids of the examples whose prompt lost turns
    or tokens to fit the policy's context; flops.json, where the policy states what each prompt and
    each answer cost. Else the FLOPs of a policy without weights are NaN.
    """
    params = work.params
    prompts = [(example_id, prompt) for example_id, prompt in params["prompts"]]
    draws = range(*params["draws"])
    sampling = Sampling(**params["sampling"])
    artifact = work.inputs["policy"][0]
    cut: list[str] = []
    policy = sampler(artifact, work.catalog)
    if isinstance(policy, Replaying):
        policy = policy.over(work.inputs["data"][0])
    if policy is not None:
        answered = policy.sample(prompts, draws, sampling, params["seed"], params["purpose"])
        rows, flops = list(answered), math.nan
        if isinstance(policy, Counted):
            counted = policy.draw_flops(prompts, rows, sampling)
            (work.out / FLOPS).write_text(json.dumps(counted._asdict()))
            flops = counted.total
    else:
        rows, flops, cut = _draw(work, prompts, draws, sampling)
    (work.out / "cut.json").write_text(json.dumps(cut))
    write_rows(work.out / "rows.jsonl", [asdict(row) for row in rows])
    return Outcome(tokens=sum(row.tokens_out for row in rows), flops=flops)


def _draw(
    work: Work, prompts: list[tuple[str, str]], draws: range, sampling: Sampling
) -> tuple[list[Completion], float, list[str]]:
    from rsft_bench.harness.metering.formulas import sample_flops
    from rsft_bench.harness.sampling import sample
    from rsft_bench.harness.worker import language_model, packed_weights

    folder = weights_folder(work.inputs["policy"][0])
    lm, packed = language_model(folder), packed_weights(folder)
    params = work.params
    rows = sample(lm, prompts, draws, sampling, params["seed"], params["purpose"], packed)
    flops = sample_flops(
        lm.model.config.to_dict(),
        [row.tokens_in for row in rows],
        [row.tokens_out for row in rows],
        shared_by=len(draws),
    )
    return rows, flops, [name for name, prompt in prompts if lm.encode(prompt).truncated]
