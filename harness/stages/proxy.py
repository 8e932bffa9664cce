"""Stage ``proxy``: the reward that accepts, trained on labelled answers of its own prompts."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.recorded_data import read_pool
from rsft_bench.harness.reward_protocols import GradedReward
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.base import reward
from rsft_bench.harness.stages.data import read_examples, read_report
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import FloatArray, Json

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


class Answers(NamedTuple):
    """Labelled answers, one entry each: ``labels`` (n,) verdicts, ``grades`` (n,) graded gold.

    ``passed`` are those that passed, as rows of a training set; ``tokens`` what was drawn.
    """

    prompts: list[str]
    texts: list[str]
    clusters: list[str]
    labels: NDArray[np.bool_]
    grades: FloatArray
    passed: list[dict[str, Json]]
    tokens: int


def run(work: Work) -> Outcome:
    """Fit the reward on labelled answers. params: reward (its name), options, n_label, seed.

    And labels, the name of the suite that brings them, where one does.

    Inputs: data, samples (of ``proxy_label`` prompts), scores (their gold); or, in their place,
    labels (the data of a suite of kind ``labels``); body (the policy that the reward reads, where
    it reads one).
    Files: proxy/, reward.json (name, options), proxy.json (report), rows.jsonl (the labelled
    answers that passed, as a training set; none where the labels are another suite's). Cost:
    tokens of the labelled answers, FLOPs of the fit and of scoring the held-out fifth.
    """
    seed = work.params["seed"]
    told: dict[str, Json] = {}
    if "labels" in work.inputs:
        found, told = _brought(work)
    else:
        found = _judged(work)
    name, options = work.params["reward"], work.params.get("options", {})
    kind = reward(work, name, options)
    answers = (found.prompts, found.texts, found.labels, found.clusters, seed)
    if isinstance(kind, GradedReward):
        fitted, report = kind.fit_graded(*answers, found.grades)
    else:
        fitted, report = kind.fit(*answers)
    fitted.save(work.out / "proxy")
    (work.out / "reward.json").write_text(json.dumps({"name": name, "options": options}))
    known = {"n_label": len(found.texts), "positive_share": float(found.labels.mean())}
    known |= {"reward": name, "reward_options": options, **told}
    (work.out / "proxy.json").write_text(json.dumps({**UNKNOWN, **known, **report}, sort_keys=True))
    write_rows(work.out / "rows.jsonl", found.passed)
    held_out = int(report.get("n_held_out", 0))
    return Outcome(
        tokens=found.tokens,
        flops=float(report.get("fit_flops", 0.0)) + fitted.flops(held_out),
    )


def _judged(work: Work) -> Answers:
    """Answers of the start policy with gold, draw by draw over all prompts until n_label."""
    n_label = work.params["n_label"]
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
    passed = [
        {"example_id": e.example_id, "prompt": e.prompt, "draw": row["draw"], "text": row["text"]}
        | {"count": 1}
        for e, (row, _), good in zip(asked, pairs, labels, strict=True)
        if good
    ]
    return Answers(
        [e.prompt for e in asked],
        [row["text"] for row, _ in pairs],
        [e.cluster for e in asked],
        labels,
        np.array([score["gold"] for _, score in pairs], dtype=np.float64),
        passed,
        sum(row["tokens_out"] for row, _ in pairs),
    )


def _brought(work: Work) -> tuple[Answers, dict[str, Json]]:
    """At most ``n_label`` answers of a suite of kind ``labels``, whole prompts in keyed order.

    And what the report must say of their origin.
    """
    folder = work.inputs["labels"][0]
    suite = work.catalog.suite(work.params["labels"])
    examples = {e.example_id: e for e in read_examples(folder)}
    groups: dict[str, list[str]] = {}
    for answer in read_pool(folder):
        groups.setdefault(answer.example_id, []).append(answer.text)
    order = sorted(groups, key=lambda name: keyed_unit("labels", work.params["seed"], name))
    taken: list[tuple[str, str]] = []
    for name in order:
        if len(taken) + len(groups[name]) <= work.params["n_label"]:
            taken += [(name, text) for text in groups[name]]
    if not taken:
        raise DataError(
            f"suite {suite.name!r} has no prompt with at most reward.n_label = "
            f"{work.params['n_label']} answers; raise n_label"
        )
    verdicts = [suite.judge(examples[name], text) for name, text in taken]
    found = Answers(
        [examples[name].prompt for name, _ in taken],
        [text for _, text in taken],
        [examples[name].cluster for name, _ in taken],
        np.array([v.gold_pass for v in verdicts], dtype=bool),
        np.array([v.gold for v in verdicts], dtype=np.float64),
        [],
        0,
    )
    origin = {"suite": suite.name, "licence": suite.licence, "attribution": suite.attribution}
    return found, {"labels": origin | {"skipped": read_report(folder).get("skipped") or {}}}
