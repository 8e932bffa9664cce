"""How well each learned reward ranks answers to one prompt, on the authored suites.

Run as `python tools/compare_rewards.py [SEED ...]`; prints a Markdown table, which docs/rewards.md
holds for seed 0. Per suite and seed: SFT on D as preset quick does it, 400 gold-labelled answers of
it to the prompts of `proxy_label`, every reward fitted on these, and measured on 8 answers to each
prompt of `select`, which no fit has seen. Takes a few minutes a seed on one core.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from calibrate import train

from rsft_bench.harness.policies.language_model import LanguageModel, load, save
from rsft_bench.harness.reward_kinds import REWARDS
from rsft_bench.harness.reward_protocols import ready
from rsft_bench.harness.sampling import sample
from rsft_bench.harness.stages.score import counted
from rsft_bench.harness.statistics.selection import auc
from rsft_bench.harness.types import Example, FloatArray, Sampling, Suite
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS

SUITES: tuple[Suite, ...] = (ORDER_STATUS, RETURNS_REFUNDS)
REWARD_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("proxy", {}),
    ("bradley_terry", {}),
    ("body_head", {"pooling": "mean"}),
    ("body_head", {"pooling": "last"}),
)
LABELS = 400
DRAWS = 8


class Answered:
    """Answers to some prompts in (prompt, draw) order, with gold verdicts."""

    def __init__(
        self,
        lm: LanguageModel,
        suite: Suite,
        asked: list[Example],
        draws: int,
        name: str,
        seed: int,
    ) -> None:
        found = sample(
            lm, [(e.example_id, e.prompt) for e in asked], range(draws), Sampling(), seed, name
        )
        by_id = {e.example_id: e for e in asked}
        answered = [by_id[answer.example_id] for answer in found]
        self.prompts = [e.prompt for e in answered]
        self.clusters = [e.cluster for e in answered]
        self.texts = [answer.text for answer in found]
        self.passed = np.array(
            [
                counted(suite.judge(e, answer.text), answer.finish_reason).gold_pass
                for e, answer in zip(answered, found, strict=True)
            ]
        )


def by_prompt(scores: FloatArray, test: Answered) -> FloatArray:
    """AUC among the draws of each prompt, NaN where all pass or all fail."""
    found = [
        auc(scores[i : i + DRAWS], test.passed[i : i + DRAWS]) for i in range(0, len(scores), DRAWS)
    ]
    return np.array([np.nan if value is None else value for value in found])


def interval(values: FloatArray, clusters: list[str]) -> str:
    """Mean over the prompts that have a value, and 95 % by a percentile bootstrap of clusters.

    For this checkpoint and these labels: one seed says nothing about others.
    """
    kept = [(c, v) for c, v in zip(clusters, values, strict=True) if not np.isnan(v)]
    groups = [np.array([v for c, v in kept if c == g]) for g in sorted({c for c, _ in kept})]
    rng = np.random.Generator(np.random.Philox(0))
    means = [
        np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))]).mean()
        for _ in range(2000)
    ]
    lo, hi = np.quantile(means, (0.025, 0.975))
    return f"{np.concatenate(groups).mean():.3f} [{lo:.3f}, {hi:.3f}]"


def rows(suite: Suite, base: LanguageModel, seed: int) -> list[str]:
    """One line a reward."""
    data = suite.load({p.name: p.default for p in suite.options}, seed)
    lm = train(base, data, seed)
    labelling = [e for e in data.examples if e.split == "proxy_label"]
    fitting = Answered(lm, suite, labelling, -(-LABELS // len(labelling)), "label", seed)
    select = [e for e in data.examples if e.split == "select"]
    test = Answered(lm, suite, select, DRAWS, "test", seed)
    groups = test.clusters[::DRAWS]
    lines, first = [], np.zeros(0)
    with tempfile.TemporaryDirectory() as folder:
        save(lm, Path(folder))
        for name, options in REWARD_OPTIONS:
            kind = ready(REWARDS.get(name), options, Path(folder))
            labels = fitting.passed
            scorer, _ = kind.fit(fitting.prompts, fitting.texts, labels, fitting.clusters, seed)
            scores = scorer.score(test.prompts, test.texts)
            within = by_prompt(scores, test)
            first = within if name == "proxy" else first
            brier = float(((scores - test.passed) ** 2).mean())
            words = f"{name} ({options['pooling']})" if options else name
            lines.append(
                f"| {suite.name} | {seed} | {words} | {interval(within, groups)} | "
                f"{interval(within - first, groups) if name != 'proxy' else '0'} | "
                f"{auc(scores, test.passed):.3f} | {brier:.3f} |"
            )
    return lines


def main() -> int:
    """Measure and print."""
    torch.set_num_threads(1)
    weights = resources.files("rsft_bench.harness.policies").joinpath("nano_1")
    base = load(Path(str(weights)))
    seeds = [int(text) for text in sys.argv[1:]] or [0]
    sys.stdout.write(
        "| suite | seed | reward | AUC in prompt [95 %] | − that of proxy [95 %] | AUC | Brier |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    for suite in SUITES:
        for seed in seeds:
            sys.stdout.write("\n".join(rows(suite, base, seed)) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
