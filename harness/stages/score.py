"""Stage ``score``: gold by the suite's judge and, where a proxy is given, its probability."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

from rsft_bench.harness.policies.shape import answer_tokens
from rsft_bench.harness.reward_protocols import DrawScorer, Scorer, score_draws
from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.base import own_policy, scorer, weights_folder
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Example, Json, Judgement, Suite


def text_id(text: str) -> str:
    """Identity of an answer's text: equal texts share it. 16 hex digits."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def counted(verdict: Judgement, finish_reason: str) -> Judgement:
    """The verdict as it counts: an answer cut off at the token limit scores 0 whatever it says.

    Source: protocol.md section 1. Gold stays NaN where the example has none; ``parts`` describe
    the text that was there. ``finish_reason`` keeps the count.
    """
    if finish_reason != "length" or math.isnan(verdict.gold):
        return verdict
    return replace(verdict, gold=0.0, gold_pass=False)


def run(work: Work) -> Outcome:
    """params: suite. Inputs: data, samples (blocks or a trainset), proxy, body, tokenizer.

    ``proxy`` is the reward, none or one; ``body`` the policy it reads, where it reads one.
    ``tokenizer`` (none or one) is a fitted policy that counts the tokens of rows which carry no
    count, those of a trainset.
    File: rows.jsonl in the order of the samples: example_id, draw, text_id, proxy (NaN without
    one), gold, gold_pass, parts. Answers of D have no finish reason: a person ended them.
    """
    suite = work.catalog.suite(work.params["suite"])
    examples = {e.example_id: e for e in read_examples(work.inputs["data"][0])}
    samples = read_all(work, "samples")
    rows, flops = scored(suite, examples, samples, scorer(work))
    write_rows(work.out / "rows.jsonl", rows)
    return Outcome(tokens=_tokens(work, samples), flops=flops)


def scored(
    suite: Suite,
    examples: Mapping[str, Example],
    samples: list[dict[str, Json]],
    proxy: Scorer | None,
) -> tuple[list[dict[str, Json]], float]:
    """A row a sample, in their order, and the FLOPs of the proxy."""
    proxies = [float("nan")] * len(samples)
    flops = 0.0
    if proxy is not None:
        proxies = _scores(proxy, samples, examples)
        flops = proxy.flops(len(samples))
    rows: list[dict[str, Json]] = []
    judged: dict[tuple[str, str], Judgement] = {}
    for row, score in zip(samples, proxies, strict=True):
        at = (row["example_id"], row["text"])
        if at not in judged:
            judged[at] = suite.judge(examples[row["example_id"]], row["text"])
        verdict = counted(judged[at], row.get("finish_reason", "stop"))
        rows.append(
            {
                "example_id": row["example_id"],
                "draw": row["draw"],
                "text_id": text_id(row["text"]),
                "proxy": score,
                "gold": verdict.gold,
                "gold_pass": verdict.gold_pass,
                "parts": dict(verdict.parts),
            }
        )
    return rows, flops


def _scores(
    proxy: Scorer, samples: list[dict[str, Json]], examples: Mapping[str, Example]
) -> list[float]:
    """A score a sample. Short answers repeat a lot: each of an example is read once."""
    by_draw = isinstance(proxy, DrawScorer)
    keys = [(row["example_id"], row["text"], row["draw"] if by_draw else 0) for row in samples]
    unique = list(dict.fromkeys(keys))
    prompts, texts = [examples[e].prompt for e, _, _ in unique], [text for _, text, _ in unique]
    scores = score_draws(proxy, prompts, texts, [draw for _, _, draw in unique])
    known = {key: float(score) for key, score in zip(unique, scores, strict=True)}
    return [known[key] for key in keys]


def _tokens(work: Work, samples: list[dict[str, Json]]) -> int:
    """Answer tokens, stop included; 0 for rows without a count where no tokenizer is given."""
    counted = [row["tokens_out"] for row in samples if "tokens_out" in row]
    texts = [row["text"] for row in samples if "tokens_out" not in row]
    for folder in work.inputs.get("tokenizer", []):
        own = own_policy(folder, work.catalog)
        counted += (
            answer_tokens(weights_folder(folder), texts)
            if own is None
            else own.answer_tokens(texts)
        )
    return sum(counted)
