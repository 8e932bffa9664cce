"""What each trick of the sampler gains: everything on, against one of them switched off.

    python tests/bench/ablation.py [--prompts 16] [--rounds 5] [--vocabulary 1024]

Draws 16 answers of random fixed lengths 8-48 to prompts of a suite with the packaged policy on one
thread. All cases alternate in one process; processor time is compared, so that other jobs on the
machine count little. Printed: median and range over the rounds of time without the trick / time
with it.

Measured with torch 2.13 on one core of a busy two-core AMD Zen 5 machine, 16 prompts, 5 rounds:

| without | times as long | range |
| --- | --- | --- |
| prompts encoded once | 1.88 | 1.65-1.92 |
| prompt keys shared | 1.90 | 1.56-2.03 |
| finished rows dropped | 1.23 | 1.04-1.24 |
| finished rows replaced | 1.07 | 24 prompts, 4 rounds, medians only |
| fused weights | 1.09 | 0.80-1.13 |
| oneDNN weights | 1.15 | 0.82-1.21 |
| two-level inverse CDF | 1.05 | 0.78-1.13 |

The last four ranges hold 1: on this model and machine their gain is not shown. Replacing rows when
a quarter of the budget is free instead of half took up to 7 % longer than not replacing, since
every cohort attends for itself. oneDNN alone runs the large products twice as fast (120 against
250 GFLOP/s at 256 rows); attention, which it does not touch, is about half of a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

import rsft_bench.harness.policies as policies
from rsft_bench.harness.policies.language_model import LanguageModel, load
from rsft_bench.harness.sampling import decoder, law, llama, loop
from rsft_bench.harness.sampling.answers import Job, Request, streams
from rsft_bench.harness.types import Sampling
from rsft_bench.tasks.order_status import ORDER_STATUS

DRAWS = 16
SHORTEST, LONGEST = 8, 48
plain_start = decoder.start
plain_blocked = llama._reordered


class Apart(NamedTuple):
    """Linear maps that were fused, run one by one."""

    maps: tuple[llama.Affine, ...]

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cat([m(x) for m in self.maps], dim=-1)


def blocked_apart(affine: Any) -> Any:
    """``_reordered`` for fused and unfused maps."""
    if isinstance(affine, Apart):
        return Apart(tuple(plain_blocked(m) for m in affine.maps))
    return plain_blocked(affine)


def start_prefilling_rows(weights: Any, prompts: Any, owner: Tensor) -> Any:
    """Encode the prompt of every row, then go on with one of each."""
    runs = [llama.TokenRun(prompts[i], list(range(len(prompts[i]))), None) for i in owner.tolist()]
    ends = np.cumsum([len(run.ids) for run in runs]) - 1
    llama.encode(weights, runs, ends.tolist())
    return plain_start(weights, prompts, owner)


def start_copying_keys(weights: Any, prompts: Any, owner: Tensor) -> Any:
    """Encode each prompt once, but give every row its own copy of the keys."""
    lengths = torch.tensor([len(ids) for ids in prompts])
    runs = [llama.TokenRun(ids, list(range(len(ids))), None) for ids in prompts]
    encoded = llama.encode(weights, runs, (lengths.cumsum(0) - 1).tolist())

    def copied(packed: Tensor) -> Tensor:
        parts = packed.split(lengths.tolist())
        return torch.cat([parts[i] for i in owner.tolist()])

    hidden = encoded.hidden[owner]
    own = llama.Encoded(
        hidden, [copied(k) for k in encoded.keys], [copied(v) for v in encoded.values]
    )
    cohort = decoder.Cohort(weights, own, lengths[owner], torch.arange(len(owner)))
    return cohort, llama.to_logits(weights, hidden)


def one_level_inverse_cdf(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """One cumulative sum over the whole vocabulary."""
    upper = weights.double().cumsum(-1)
    return law.first_above(upper, uniform * upper[:, -1]), upper[:, -1]


#: What replaces what when a trick is off; the packing ones take effect when weights are packed.
TRICKS: dict[str, list[tuple[Any, str, Any]]] = {
    "prompts encoded once": [(loop, "start", start_prefilling_rows)],
    "prompt keys shared": [(loop, "start", start_copying_keys)],
    "finished rows dropped": [(loop, "COMPACT_BELOW", 0.0)],
    "finished rows replaced": [(loop, "REFILL_ABOVE", 2.0)],
    "fused weights": [
        (llama, "_stack", lambda *maps: Apart(maps)),
        (llama, "_reordered", blocked_apart),
    ],
    "oneDNN weights": [(llama, "_blocked", lambda affine: affine)],
    "two-level inverse CDF": [(law, "inverse_cdf", one_level_inverse_cdf)],
}


def with_vocabulary(lm: LanguageModel, vocabulary: int) -> Any:
    """The model, its embedding and head padded with random rows to a larger vocabulary."""
    model: Any = lm.model
    old = model.model.embed_tokens.weight
    extra = torch.randn(vocabulary - len(old), old.shape[1]) * float(old.std())
    wide = torch.nn.Parameter(torch.cat((old.detach(), extra)), requires_grad=False)
    model.model.embed_tokens.weight = wide
    model.lm_head.weight = wide
    return model


def workload(lm: LanguageModel, prompts: int) -> Job:
    """DRAWS answers a prompt; no token stops them, each has its own length."""
    data = ORDER_STATUS.load({p.name: p.default for p in ORDER_STATUS.options}, 0)
    lengths = np.random.Generator(np.random.PCG64(0)).integers(
        SHORTEST, LONGEST + 1, (prompts, DRAWS)
    )
    rows = [
        Request(tuple(lm.encode_prompt(example.prompt)), int(lengths[i, k]), example.example_id, k)
        for i, example in enumerate(data.examples[:prompts])
        for k in range(DRAWS)
    ]
    return Job(rows, streams(rows, Sampling(), 0, "ablation"), Sampling(), -1)


def cases(model: Any) -> Iterator[tuple[str, llama.LlamaWeights, list[tuple[Any, str, Any]]]]:
    """Name, weights and what stays patched while the case runs."""
    yield "all", llama.pack(model), []
    for name, patches in TRICKS.items():
        with ExitStack() as stack:
            for target, attribute, value in patches:
                stack.enter_context(patch.object(target, attribute, value))
            yield name, llama.pack(model), patches


def timed(work: Callable[[], object], patches: list[tuple[Any, str, Any]]) -> float:
    """Processor seconds of one call."""
    with ExitStack() as stack:
        for target, attribute, value in patches:
            stack.enter_context(patch.object(target, attribute, value))
        start = time.process_time()
        work()
        return time.process_time() - start


def main() -> None:
    """Print the gain of every trick."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vocabulary", type=int, default=1024)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    lm = load(Path(str(policies.__file__)).parent / "nano_1")
    job = workload(lm, chosen.prompts)
    # Half of the rows fit at once, so that there is something to refill.
    budget = sum(len(r.ids) for r in job.requests) // DRAWS + len(job.requests) * LONGEST // 2
    with torch.inference_mode():
        ready = list(cases(with_vocabulary(lm, chosen.vocabulary)))
        seconds: dict[str, list[float]] = {name: [] for name, _, _ in ready}
        for turn in range(chosen.rounds + 1):
            for name, weights, patches in ready:
                took = timed(lambda w=weights: loop.run_packed(w, job, budget), patches)  # type: ignore[misc]
                if turn:  # the first round warms up
                    seconds[name].append(took)
    print(f"{'without':26} time x   range")  # noqa: T201
    for name in TRICKS:
        ratios = np.array(seconds[name]) / np.array(seconds["all"])
        print(f"{name:26} {np.median(ratios):5.2f}   {ratios.min():.2f}-{ratios.max():.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
