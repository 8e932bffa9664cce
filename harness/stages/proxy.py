"""Stage ``proxy``: the reward that accepts, trained on gold-labelled answers of its own prompts."""

from __future__ import annotations

import json

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.reward_protocols import GradedReward
from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.base import reward
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import Json

#: What a report says of a reward that was not measured on held-out answers.
UNKNOWN: dict[str, Json] = {
    "n_held_out": 0,
    "auc": None,
    "within_auc": None,
    "n_correct": None,
    "brier": None,
    "precision": None,
    "reliability": [],
    "notes": [],
}


def run(work: Work) -> Outcome:
    """Fit the reward on labelled answers. params: reward (its name), options, n_label, seed.

    Inputs: data, samples (of ``proxy_label`` prompts), scores (their gold), body (the policy that
    the reward reads, where it reads one).
    Answers are labelled draw by draw over all prompts until ``n_label`` is spent. Files: proxy/,
    reward.json (name, options), proxy.json (report), rows.jsonl (the labelled answers that passed,
    as a training set). Cost: tokens of the labelled answers, FLOPs of the fit and of scoring the
    held-out fifth.
    """
    n_label, seed = work.params["n_label"], work.params["seed"]
    examples = {e.example_id: e for e in read_examples(work.inputs["data"][0])}
    samples = read_all(work, "samples")
    scores = read_all(work, "scores")
    pairs = sorted(zip(samples, scores, strict=True), key=lambda pair: pair[0]["draw"])[:n_label]
    if len(pairs) < n_label:
        raise DataError(
            f"reward.n_label is {n_label} but the suite's proxy_label prompts gave {len(pairs)} "
            "answers; lower n_label or raise n_proxy_label"
        )
    asked = [examples[row["example_id"]] for row, _ in pairs]
    labels = np.array([score["gold_pass"] for _, score in pairs], dtype=bool)
    texts = [row["text"] for row, _ in pairs]
    name, options = work.params["reward"], work.params.get("options", {})
    prompts, clusters = [e.prompt for e in asked], [e.cluster for e in asked]
    kind, answers = reward(work, name, options), (prompts, texts, labels, clusters, seed)
    if isinstance(kind, GradedReward):
        fitted, report = kind.fit_graded(*answers, np.array([score["gold"] for _, score in pairs]))
    else:
        fitted, report = kind.fit(*answers)
    fitted.save(work.out / "proxy")
    (work.out / "reward.json").write_text(json.dumps({"name": name, "options": options}))
    known = {"n_label": n_label, "positive_share": float(labels.mean())}
    known |= {"reward": name, "reward_options": options}
    (work.out / "proxy.json").write_text(json.dumps({**UNKNOWN, **known, **report}, sort_keys=True))
    passed = [
        {"example_id": e.example_id, "prompt": e.prompt, "draw": row["draw"], "text": row["text"]}
        | {"count": 1}
        for e, (row, _), good in zip(asked, pairs, labels, strict=True)
        if good
    ]
    write_rows(work.out / "rows.jsonl", passed)
    held_out = int(report.get("n_held_out", 0))
    return Outcome(
        tokens=sum(row["tokens_out"] for row, _ in pairs),
        flops=float(report.get("fit_flops", 0.0)) + fitted.flops(held_out),
    )
