"""From artifacts to the tables of a run folder: examples, pool, selected, rows, cells."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rsft_bench.harness.arms import Arm, Evaluation, Round, Scored
from rsft_bench.harness.cells import cell_key, cells_frame
from rsft_bench.harness.costs import artifact_rows
from rsft_bench.harness.runfolder import SCHEMAS, write_table
from rsft_bench.harness.satisfaction_metrics import INDEX, PREDICTED, add_satisfaction
from rsft_bench.harness.serving import Drawn, answer_key, rule_of
from rsft_bench.harness.spaces import Cell
from rsft_bench.harness.types import Example, Json

if TYPE_CHECKING:
    from rsft_bench.harness.runner import Run

Row = dict[str, Json]
#: Answer keys by suite, prompt and answer.
Keys = dict[tuple[str, str, str], str]


def collect(run: Run, out: Path) -> None:
    """Write the five tables of a finished run."""
    write_table(out, "examples", examples_frame(run))
    write_table(out, "pool", pool_frame(run))
    write_table(out, "selected", selected_frame(run))
    write_table(out, "rows", rows_frame(run))
    write_table(out, "cells", cells_frame(run))


def examples_frame(run: Run) -> pd.DataFrame:
    """Every example of every seed once; train-side ids carry their seed."""
    seen: dict[tuple[str, str], Row] = {}
    for (suite, _), examples in run.examples.items():
        for e in examples:
            seen.setdefault((suite, e.example_id), _example_row(suite, e))
    return pd.DataFrame(list(seen.values()))


def _example_row(suite: str, e: Example) -> Row:
    return {
        "suite": suite,
        "example_id": e.example_id,
        "split": e.split,
        "prompt": e.prompt,
        "references": list(e.references),
        "facts": json.dumps(dict(e.facts), ensure_ascii=False, sort_keys=True),
        "cluster": e.cluster,
        "stratum": e.stratum,
        "language": e.language,
    }


def joined(run: Run, scored: Scored) -> Iterator[tuple[Row, Row]]:
    """(sample row, score row) of every completion, in order of draws ranges."""
    samples = (r for n in scored.samples for r in artifact_rows(run.artifacts[n.uid].folder))
    scores = (r for n in scored.scores for r in artifact_rows(run.artifacts[n.uid].folder))
    return zip(samples, scores, strict=True)


def pool_frame(run: Run) -> pd.DataFrame:
    """The largest pool of every proposal and round, once a suite, policy and seed.

    A round after the first is drawn by the variant that the proposal names. ``logprob_ref`` is
    under the start of every trained arm; NaN where another policy drew, under which alone
    ``logprob`` is known.
    """
    pools: dict[tuple[str, str, int, str, int], tuple[Scored, str]] = {}
    for cell in run.cells:
        fits = cell.arm.fits
        start = fits[0].inputs["init"][0].uid if fits else ""
        for number, turn in enumerate(cell.arm.turns):
            if turn.pool is None:
                continue
            at = (cell.suite, cell.policy, cell.seed, turn.pool.proposal, number)
            if at not in pools or pools[at][0].draws < turn.pool.draws:
                pools[at] = (turn.pool, start)
    rows = []
    for (suite, policy, seed, proposal, number), (pool, start) in pools.items():
        drawn = (
            node.inputs["policy"][0].uid if "policy" in node.inputs else ""
            for node in pool.samples
            for _ in artifact_rows(run.artifacts[node.uid].folder)
        )
        for (sample, score), drawer in zip(joined(run, pool), drawn, strict=True):
            rows.append(
                {"suite": suite, "policy": policy, "seed": seed}
                | {"proposal": proposal, "round": number}
                | _completion(sample, score)
                | {
                    "text_id": int(score["text_id"], 16) >> 1,
                    "logprob_ref": sample["logprob"] if drawer == start else math.nan,
                }
            )
    return _frame(rows, "pool")


def _completion(sample: Row, score: Row) -> Row:
    return {
        "example_id": sample["example_id"],
        "draw": sample["draw"],
        "text": sample["text"],
        "tokens_in": sample["tokens_in"],
        "tokens_out": sample["tokens_out"],
        "finish_reason": sample["finish_reason"],
        "proxy": score["proxy"],
        "gold": score["gold"],
        "gold_pass": score["gold_pass"],
        "logprob": sample["logprob"],
    }


def selected_frame(run: Run) -> pd.DataFrame:
    """Accepted draws of every variant with their counts and row weights in its objective.

    Where an arm selects from D's own logs it has no pool, and ``draw`` counts a prompt's logs. A
    row that several fits learn has its weight in the last of them.
    """
    rows = []
    for cell in run.cells:
        for number, turn in enumerate(cell.arm.turns):
            if turn.selected is None or turn.fitted is None:
                continue
            accepted = artifact_rows(run.artifacts[turn.selected.uid].folder)
            weights = _weights(run, cell.arm, turn, len(accepted))
            for row, weight in zip(accepted, weights, strict=True):
                rows.append(
                    cell_key(cell)
                    | {
                        "round": number,
                        "example_id": row["example_id"],
                        "draw": row["draw"],
                        "count": row["count"],
                        "row_weight": row.get("row_weight", weight),
                    }
                )
    return _frame(rows, "selected")


def _weights(run: Run, arm: Arm, turn: Round, size: int) -> list[float]:
    """Weights of what a round accepted in the last fit that learnt it; 0 where none did."""
    assert turn.selected is not None
    for fitted in (arm.fitted, turn.fitted):
        assert fitted is not None
        for spec in fitted.params["sets"]:
            name, before = spec["name"], 0
            for node in fitted.inputs.get(name, ()):
                if node.uid == turn.selected.uid:
                    weights = _json(run, fitted.uid, "fit.json")["row_weights"][name]
                    return list(weights[before : before + size])
                before += len(artifact_rows(run.artifacts[node.uid].folder))
    return [0.0] * size


def _frame(rows: list[Row], table: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=None if rows else SCHEMAS[table].names)


def _json(run: Run, uid: str, name: str) -> Json:
    return json.loads((run.artifacts[uid].folder / name).read_text())


def rows_frame(run: Run) -> pd.DataFrame:
    """Test draws of every cell with metrics, weights and, where timed, latency."""
    latency = _latencies(run)
    rows: list[Row] = []
    keys: Keys = {}
    for cell in run.cells:
        examples = {e.example_id: e for e in run.examples[cell.suite, cell.seed]}
        for evaluation in cell.arm.evaluations:
            lines = list(_evaluated(run, cell, evaluation, examples))
            rows += _weighted(lines) if cell.arm.pick is None else _picked(run, cell, lines, keys)
    if latency:
        for row in rows:
            at = (row["suite"], row["policy"], row["variant"], row["seed"], row["example_id"])
            row["latency_s"] = latency.get((*at, row["draw"]), math.nan)
    source = run.plan.config.evaluation.satisfaction
    if source not in (None, "index"):
        asked = {(s, e.example_id): e.prompt for (s, _), es in run.examples.items() for e in es}
        add_satisfaction(rows, asked, source)
    return pd.DataFrame(rows)


def _evaluated(
    run: Run, cell: Cell, evaluation: Evaluation, examples: dict[str, Example]
) -> Iterator[Row]:
    registry = run.plan.catalog.registry("metric")
    config = run.plan.config
    wanted = dict.fromkeys(config.gate.metrics)
    wanted |= {INDEX: None} if config.evaluation.satisfaction == "index" else {}
    wanted.pop(PREDICTED, None)
    further = [registry.get(name) for name in wanted if name in registry]
    ratios = _ratios(run, cell.arm, evaluation)
    for sample, score in joined(run, evaluation.draws):
        example = examples[sample["example_id"]]
        row: Row = (
            cell_key(cell)
            | _completion(sample, score)
            | {
                "split": evaluation.split,
                "served_tokens_out": sample["tokens_out"],
                "latency_s": math.nan,
                "cluster": example.cluster,
                "stratum": example.stratum,
            }
            | score["parts"]
        )
        if run.plan.config.evaluation.kl:
            row["log_ratio"] = next(ratios)
        row |= {m.name: float(m.measure(example, row)) for m in further if m.name not in row}
        yield row


def _ratios(run: Run, arm: Arm, evaluation: Evaluation) -> Iterator[float]:
    """Log-likelihood ratio to the start of each draw in order; NaN where it was not measured."""
    if evaluation.ratio is None or arm.pick is not None:
        return itertools.repeat(math.nan)
    folder = run.artifacts[evaluation.ratio.uid].folder
    return iter([float(row["log_ratio"]) for row in artifact_rows(folder)])


def _weighted(lines: list[Row]) -> list[Row]:
    """Even weights that sum to 1 an example."""
    for group in _by_example(lines).values():
        for line in group:
            line["weight"] = 1.0 / len(group)
    return lines


def _picked(run: Run, cell: Cell, lines: list[Row], keys: Keys) -> list[Row]:
    """Weights that sum to 1 an example: how likely each draw is the one served.

    Every draw of the n that a request takes is paid for. ``keys`` holds answer keys found so far.
    """
    pick = cell.arm.pick
    assert pick is not None
    rule = rule_of(run.plan.catalog, pick.method)
    suite = run.plan.catalog.suite(run.plan.suite(cell.suite).name)
    prompts = {e.example_id: e.prompt for e in run.examples[cell.suite, cell.seed]}
    for example_id, group in _by_example(lines).items():
        prompt = prompts[example_id]

        def key(text: str, at: str = example_id, prompt: str = prompt) -> str:
            place = (suite.name, prompt, text)
            if place not in keys:
                keys[place] = answer_key(suite, at, prompt, text)
            return keys[place]

        proxies = np.array([line["proxy"] for line in group], dtype=np.float64)
        drawn = Drawn(cell.seed, example_id, [line["text"] for line in group], proxies, key)
        served = round(pick.n * float(np.mean([line["tokens_out"] for line in group])))
        for line, weight in zip(group, rule.weights(drawn, pick.n), strict=True):
            line["weight"], line["served_tokens_out"] = float(weight), served
    return lines


def _by_example(lines: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for line in lines:
        groups.setdefault(line["example_id"], []).append(line)
    return groups


def _latencies(run: Run) -> dict[tuple[str, str, str, int, str, int], float]:
    """Seconds of a request, by the row whose answer it served."""
    seed = run.plan.config.seeds[0]
    return {
        (suite, policy, row["variant"], seed, row["example_id"], row["draw"]): row["latency_s"]
        for (suite, policy), node in run.serve.items()
        for row in artifact_rows(run.artifacts[node.uid].folder)
    }
