"""Stage ``proxy``: the learned reward, trained on gold-labelled answers of its own prompts."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.store import write_rows


def run(work: Work) -> Outcome:
    """Fit the proxy reward on labelled answers. params: n_label, seed.

    Inputs: data, samples (of ``proxy_label`` prompts), scores (their gold).
    Answers are labelled draw by draw over all prompts until ``n_label`` is spent. Files: proxy/,
    proxy.json (report), rows.jsonl (the labelled answers that passed, as a training set). Cost:
    tokens of the labelled answers, FLOPs of the fit and of scoring the held-out fifth.
    """
    from rsft_bench.harness.metering.formulas import proxy_fit_flops, proxy_score_flops
    from rsft_bench.harness.rewards.proxy import fit_proxy

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
    proxy, report = fit_proxy(
        [e.prompt for e in asked], texts, labels, [e.cluster for e in asked], seed
    )
    proxy.save(work.out / "proxy")
    (work.out / "proxy.json").write_text(json.dumps(asdict(report), sort_keys=True))
    passed = [
        {"example_id": e.example_id, "prompt": e.prompt, "draw": row["draw"], "text": row["text"]}
        | {"count": 1}
        for e, (row, _), good in zip(asked, pairs, labels, strict=True)
        if good
    ]
    write_rows(work.out / "rows.jsonl", passed)
    fitted_on = report.n_label - report.n_held_out
    return Outcome(
        tokens=sum(row["tokens_out"] for row, _ in pairs),
        flops=proxy_fit_flops(fitted_on, proxy.n_features, report.iterations)
        + proxy_score_flops(report.n_held_out, proxy.n_features),
    )
