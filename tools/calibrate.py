"""Difficulty of the authored suites on their calibration split, before any RSFT run.

Run as `python tools/calibrate.py [SUITE ...]` after a suite's version changed; writes
tasks/data/calibration.yaml, which a test ties to the versions, and keeps what it has about suites
not named. Pass rates are those of the packaged policy itself and of SFT on D with quick's settings,
but for suites that need more steps, at temperature 1; headroom is pass@8 - pass@1. Takes a few
minutes.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
import yaml

from rsft_bench.harness import presets
from rsft_bench.harness.policies.language_model import LanguageModel, load
from rsft_bench.harness.sampling import sample
from rsft_bench.harness.stages.score import counted
from rsft_bench.harness.statistics import pass_at_k
from rsft_bench.harness.training.fit import fit
from rsft_bench.harness.training.weights import mean_answer_tokens, row_weights
from rsft_bench.harness.types import Budget, Example, Sampling, SuiteData, TrainRow, WeightedSet
from rsft_bench.tasks.account_multi_turn import ACCOUNT_MULTI_TURN
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.billing import BILLING
from rsft_bench.tasks.escalation_safety import ESCALATION_SAFETY
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.tech_support import TECH_SUPPORT

OUT = Path(__file__).resolve().parents[1] / "tasks" / "data" / "calibration.yaml"
SUITES = {
    s.name: s
    for s in (
        ORDER_STATUS,
        RETURNS_REFUNDS,
        BILLING,
        TECH_SUPPORT,
        ACCOUNT_MULTI_TURN,
        ESCALATION_SAFETY,
    )
}
LONGER = dict.fromkeys(("billing", "tech_support", "account_multi_turn", "escalation_safety"), 300)
"""SFT steps of suites whose words the policy has not met in pretraining."""
POLICY = "nano-1"
SEEDS = (0, 1)
DRAWS = 8
HEAD = (
    "# Difficulty on the split `calibrate`, by tools/calibrate.py; not written by hand.\n"
    "# pass_1 and headroom (pass@8 - pass@1) are means over seeds and prompts at temperature 1.\n"
)


def train(lm: LanguageModel, data: SuiteData, seed: int, steps: int) -> LanguageModel:
    """SFT on D as preset quick does it: every prompt of D counts the same."""
    prompts = {e.example_id: e.prompt for e in data.examples}
    tokens = np.array([len(lm.encode_answer(log.text)) for log in data.logs], dtype=np.int64)
    once = np.ones_like(tokens)
    weights = row_weights(
        [log.example_id for log in data.logs], once, mean_answer_tokens(tokens, once)
    )
    rows = tuple(
        TrainRow(log.example_id, prompts[log.example_id], log.text, float(w))
        for log, w in zip(data.logs, weights, strict=True)
    )
    budget = Budget(steps, presets.BATCH, presets.LEARNING_RATE)
    return fit(lm, [WeightedSet("D", rows, 1.0, "train-D")], budget, seed).lm


def passes(lm: LanguageModel, suite: AuthoredSuite, asked: list[Example], seed: int) -> list[int]:
    """Passing answers among ``DRAWS`` for every prompt."""
    pairs = [(e.example_id, e.prompt) for e in asked]
    found = sample(lm, pairs, range(DRAWS), Sampling(), seed, "calibrate")
    by_id = {e.example_id: e for e in asked}
    count = dict.fromkeys(by_id, 0)
    for answer in found:
        verdict = suite.judge(by_id[answer.example_id], answer.text)
        count[answer.example_id] += counted(verdict, answer.finish_reason).gold_pass
    return list(count.values())


def summary(counts: list[list[int]]) -> dict[str, float]:
    """Mean pass@1 and headroom over seeds and prompts."""
    flat = [c for seed in counts for c in seed]
    one = fmean(c / DRAWS for c in flat)
    return {
        "pass_1": round(one, 3),
        "headroom": round(fmean(pass_at_k(DRAWS, c, DRAWS) for c in flat) - one, 3),
    }


def calibrate(suite: AuthoredSuite, base: LanguageModel) -> dict[str, Any]:
    """What the file says about one suite."""
    counts: dict[str, list[list[int]]] = {"base": [], "sft": []}
    asked: list[Example] = []
    steps = LONGER.get(suite.name, presets.SFT_STEPS)
    for seed in SEEDS:
        data = suite.load({}, seed)
        asked = [e for e in data.examples if e.split == "calibrate"]
        for name, lm in (("base", base), ("sft", train(base, data, seed, steps))):
            counts[name].append(passes(lm, suite, asked, seed))
    return {
        "version": suite.version,
        "prompts": len(asked),
        "clusters": len({e.cluster for e in asked}),
        **({"sft_steps": steps} if suite.name in LONGER else {}),
        **{name: summary(found) for name, found in counts.items()},
    }


def main() -> int:
    """Measure every suite and write the file."""
    torch.set_num_threads(1)
    weights = resources.files("rsft_bench.harness.policies").joinpath("nano_1")
    base = load(Path(str(weights)))
    settings = {
        "policy": POLICY,
        "seeds": list(SEEDS),
        "draws": DRAWS,
        "sft_steps": presets.SFT_STEPS,
        "batch": presets.BATCH,
        "lr": presets.LEARNING_RATE,
    }
    known = yaml.safe_load(OUT.read_text(encoding="utf-8"))["suites"] if OUT.exists() else {}
    asked = sys.argv[1:] or list(SUITES)
    found = {name: calibrate(SUITES[name], base) for name in asked}
    suites = {name: (known | found)[name] for name in SUITES if name in known | found}
    text = yaml.safe_dump({"settings": settings, "suites": suites}, sort_keys=False)
    OUT.write_text(HEAD + text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
