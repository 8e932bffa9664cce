"""Stage ``ratio``: how much likelier a policy finds its own answers than the start does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.errors import CapabilityError
from rsft_bench.harness.policy_kinds import Scorer
from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.base import sampler, weights_folder
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Json


def run(work: Work) -> Outcome:
    """No params. Inputs: policy, which drew the samples; start; data; samples (blocks).

    File: rows.jsonl in the order of the samples: example_id, draw, log_ratio = log policy - log
    start of the answer, in nats at temperature 1. Both are read from the text, in one split into
    tokens, so that an answer drawn in another split does not count as a difference of the policies.
    Of an answer that was cut off the stop token is left out, as it was never drawn.
    """
    prompts = {e.example_id: e.prompt for e in read_examples(work.inputs["data"][0])}
    samples = read_all(work, "samples")
    tokens, flops = 0, 0.0
    both = []
    for name in ("policy", "start"):
        found, spent = _logprobs(work, work.inputs[name][0], samples, prompts)
        tokens, flops = tokens + sum(row["tokens_out"] for row in samples), flops + spent
        both.append(found)
    rows = [
        {"example_id": row["example_id"], "draw": row["draw"], "log_ratio": mine - start}
        for row, mine, start in zip(samples, *both, strict=True)
    ]
    write_rows(work.out / "rows.jsonl", rows)
    return Outcome(tokens=tokens, flops=flops)


def _logprobs(
    work: Work, artifact: Path, samples: Sequence[Mapping[str, Json]], prompts: Mapping[str, str]
) -> tuple[list[float], float]:
    """Log-probability of every sample, and the FLOPs; answers of one prompt repeat a lot."""
    keys = [(s["example_id"], s["text"], s["finish_reason"] == "stop") for s in samples]
    unique = list(dict.fromkeys(keys))
    items = [(prompts[example_id], text) for example_id, text, _ in unique]
    policy = sampler(artifact, work.catalog)
    if policy is None:
        found, flops = _language(artifact, items, [stopped for _, _, stopped in unique])
    elif isinstance(policy, Scorer):
        found, flops = [policy.logprob(*item) for item in items], float("nan")
    else:
        raise CapabilityError("evaluation.kl needs a policy that knows how likely an answer is")
    known = dict(zip(unique, found, strict=True))
    return [known[key] for key in keys], flops


def _language(
    artifact: Path, items: Sequence[tuple[str, str]], stopped: Sequence[bool]
) -> tuple[list[float], float]:
    from rsft_bench.harness.metering.formulas import forward_flops
    from rsft_bench.harness.sampling import score
    from rsft_bench.harness.worker import language_model, packed_weights

    folder = weights_folder(artifact)
    lm, packed = language_model(folder), packed_weights(folder)
    pairs = [lm.encode_pair(*item) for item in items]
    flops = forward_flops(
        lm.model.config.to_dict(), [len(p) for p, _ in pairs], [len(a) for _, a in pairs]
    )
    return [float(x) for x in score(lm, items, packed, stopped)], flops
