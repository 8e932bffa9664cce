"""Stage ``target``: what an objective other than plain likelihood learns from a scored pool."""

from __future__ import annotations

import json

import numpy as np

from rsft_bench.harness.stages import Outcome, Work, read_all
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.stages.select import Row, read_grid, read_pool
from rsft_bench.harness.store import write_rows
from rsft_bench.harness.types import IntArray, Targets


def run(work: Work) -> Outcome:
    """params: target, target_params, k, seed, reward. Inputs: data, samples, scores, accepted.

    ``accepted`` is none or a select artifact on the same pool. Files: rows.jsonl (example_id,
    prompt, draw, text, count, share, rate, and ``other``, the text it is preferred to, where there
    is one), select.json (as stage ``select``, and left_out, prompts that the objective cannot use).
    """
    params = work.params
    target = work.catalog.registry("target").get(params["target"])
    prompts = {e.example_id: e.prompt for e in read_examples(work.inputs["data"][0])}
    grid = read_grid(work, params["k"])
    pool = read_pool(grid, params["reward"], params["seed"])
    made: Targets = target.make(params["target_params"], pool, _accepted(work, grid))
    rows = []
    for i, line in enumerate(grid):
        for j, (sample, _) in enumerate(line):
            if made.shares[i, j] > 0:
                row = {name: sample[name] for name in ("example_id", "draw", "text")}
                row["prompt"] = prompts[sample["example_id"]]
                row["count"] = int(made.counts[i, j])
                row["share"] = float(made.shares[i, j])
                row["rate"] = float(made.rates[i])
                if made.others[i, j] >= 0:
                    row["other"] = line[made.others[i, j]][0]["text"]
                rows.append(row)
    candidates = int(np.isfinite(pool.scores).sum())
    summary = {
        "accept_rate": float((made.counts > 0).sum() / max(candidates, 1)),
        "tau": _tau(work),
        "prompts": len(grid),
        "covered": int((made.shares.sum(axis=1) > 0).sum()),
        "candidates": candidates,
        "left_out": made.left_out,
    }
    write_rows(work.out / "rows.jsonl", rows)
    (work.out / "select.json").write_text(json.dumps(summary))
    return Outcome()


def _tau(work: Work) -> float:
    """Threshold of the accepting rule, NaN without one."""
    for folder in work.inputs.get("accepted", []):
        return float(json.loads((folder / "select.json").read_text())["tau"])
    return float("nan")


def _accepted(work: Work, grid: list[list[tuple[Row, Row]]]) -> IntArray:
    """Counts of the accepted artifact's draws, shape (m, k); zeros without one."""
    found = {}
    if work.inputs.get("accepted"):
        found = {(r["example_id"], r["draw"]): r["count"] for r in read_all(work, "accepted")}
    k = max(len(line) for line in grid)
    counts: IntArray = np.zeros((len(grid), k), dtype=np.int64)
    for i, line in enumerate(grid):
        for j, (sample, _) in enumerate(line):
            counts[i, j] = found.get((sample["example_id"], sample["draw"]), 0)
    return counts
