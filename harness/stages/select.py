"""Stage ``select``: an acceptance rule over a scored pool; the accepted set with counts."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np

from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.store import read_rows, write_rows
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool

Row = dict[str, Json]


def run(work: Work) -> Outcome:
    """params: rule, rule_params, k (None: all draws, ragged pools allowed), seed, reward.

    Inputs: data, samples and scores (aligned blocks), match (none, or another select artifact).
    ``reward`` is ``proxy``, or ``gold`` for an oracle. Files: rows.jsonl (accepted: example_id,
    prompt, draw, text, count), select.json (accept_rate, tau, prompts, covered, candidates).
    """
    params = work.params
    rule = work.catalog.registry("rule").get(params["rule"])
    prompts = {e.example_id: e.prompt for e in read_examples(work.inputs["data"][0])}
    grid = read_grid(work, params["k"])
    matched = [row for f in work.inputs.get("match", []) for row in read_rows(f / "rows.jsonl")]
    pool = read_pool(grid, params["reward"], params["seed"])
    if "match" in work.inputs:
        pool = matching(pool, matched)
    rows, summary = accepted(rule, params["rule_params"], pool, grid, prompts)
    write_rows(work.out / "rows.jsonl", rows)
    (work.out / "select.json").write_text(json.dumps(summary))
    return Outcome()


def accepted(
    rule: Any, rule_params: Json, pool: ScoredPool, grid: list[list[tuple[Row, Row]]], prompts: Json
) -> tuple[list[Row], Row]:
    """Accepted rows of a pool read from ``grid``, and the summary; ``prompts`` by example id."""
    resolved = rule.resolve(rule_params, pool)
    counts = resolved.select(pool.scores, pool.text_ids, pool.keys)
    rows = [
        {
            "example_id": sample["example_id"],
            "prompt": prompts[sample["example_id"]],
            "draw": sample["draw"],
            "text": sample["text"],
            "count": int(counts[i, j]),
        }
        for i, line in enumerate(grid)
        for j, (sample, _) in enumerate(line)
        if counts[i, j] > 0
    ]
    candidates = int(np.isfinite(pool.scores).sum())
    return rows, {
        "accept_rate": float((counts > 0).sum() / max(candidates, 1)),
        "tau": resolved.tau,
        "prompts": len(grid),
        "covered": int((counts.sum(axis=1) > 0).sum()),
        "candidates": candidates,
    }


def read_grid(work: Work, k: int | None) -> list[list[tuple[Row, Row]]]:
    """Candidates of the inputs ``samples`` and ``scores``, see ``grid_of``."""
    return grid_of(read_all(work, "samples"), read_all(work, "scores"), k)


def grid_of(samples: list[Row], scores: list[Row], k: int | None) -> list[list[tuple[Row, Row]]]:
    """Candidates by prompt in canonical order, each prompt's by draw; the first ``k`` only."""
    by_prompt: dict[str, list[tuple[Row, Row]]] = {}
    for sample, score in zip(samples, scores, strict=True):
        if k is None or sample["draw"] < k:
            by_prompt.setdefault(sample["example_id"], []).append((sample, score))
    return [sorted(line, key=lambda pair: pair[0]["draw"]) for line in by_prompt.values()]


def read_pool(grid: list[list[tuple[Row, Row]]], reward: str, seed: int) -> ScoredPool:
    """Arrays of shape (m, k); a ragged line is padded with NaN scores, which no rule accepts."""
    k = max(len(line) for line in grid)
    scores: FloatArray = np.full((len(grid), k), np.nan)
    texts: IntArray = np.zeros((len(grid), k), dtype=np.int64)
    for i, line in enumerate(grid):
        for j, (_, score) in enumerate(line):
            scores[i, j] = score[reward]
            texts[i, j] = int(score["text_id"], 16) >> 1
    keys = tuple(line[0][0]["example_id"] for line in grid)
    return ScoredPool(scores, texts, keys, seed, None)


def matching(pool: ScoredPool, rows: list[Row]) -> ScoredPool:
    """The pool with what another rule accepted of each prompt."""
    matched = dict.fromkeys(pool.keys, 0)
    for row in rows:
        matched[row["example_id"]] += row["count"]
    return dataclasses.replace(pool, match=matched)
