"""Stage ``fit``: weighted-likelihood training from a policy on one or two sets (D, A)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.store import META, read_rows
from rsft_bench.harness.types import Budget, IntArray, Json, TrainRow, WeightedSet

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel


def run(work: Work) -> Outcome:
    """params: sets [{name, coefficient, stream}], budget, normalise, seed, checkpoints (steps).

    Inputs: init (policy), reference (D, whose mean answer length is the constant c), one artifact
    of rows per set under the set's name, and ``matched`` where the budget's steps are None: they
    then follow from these artifacts' FLOPs times the param ``shares``. Files: weights/, fit.json,
    checkpoints/STEP/weights/.
    """
    from rsft_bench.harness.metering.formulas import train_flops_of_totals
    from rsft_bench.harness.policies.language_model import load, save
    from rsft_bench.harness.stages.base import weights_folder
    from rsft_bench.harness.training.fit import fit
    from rsft_bench.harness.training.weights import mean_answer_tokens
    from rsft_bench.harness.worker import set_torch_threads

    set_torch_threads()
    lm = load(weights_folder(work.inputs["init"][0]))
    reference = _rows(work.inputs["reference"][0])
    normaliser = mean_answer_tokens(*_sizes(lm, reference))
    sets = [
        _weighted(spec, _rows(work.inputs[spec["name"]][0]), normaliser, work.params, lm)
        for spec in work.params["sets"]
    ]
    budget = _budget(work, lm, sets)
    kept: Sequence[int] = work.params.get("checkpoints", ())
    result = fit(lm, sets, budget, work.params["seed"], keep=kept, partial=work.partial)
    save(result.lm, work.out / "weights")
    for step, earlier in result.kept.items():
        save(earlier, work.out / "checkpoints" / str(step) / "weights")
    report = {
        "losses": list(result.losses),
        "tokens": result.tokens,
        "rows_seen": dict(result.rows_seen),
        "set_rows": {s.name: len(s.rows) for s in sets},
        "set_prompts": {s.name: len({r.example_id for r in s.rows}) for s in sets},
        "row_weights": {s.name: [row.weight for row in s.rows] for s in sets},
        "normaliser": normaliser,
    }
    (work.out / "fit.json").write_text(json.dumps(report))
    shape = lm.model.config.to_dict()
    flops = train_flops_of_totals(shape, result.tokens, result.tokens_squared)
    return Outcome(tokens=result.tokens, flops=flops)


def _budget(work: Work, lm: LanguageModel, sets: Sequence[WeightedSet]) -> Budget:
    """The budget; where it has no steps, as many as cost what ``matched`` artifacts cost."""
    from rsft_bench.harness.metering.formulas import train_flops_of_totals
    from rsft_bench.harness.training.batches import encode_rows

    given = dict(work.params["budget"])
    if given["steps"] is not None:
        return Budget(**given)
    costs = [json.loads((f / META).read_text())["cost"]["flops"] for f in work.inputs["matched"]]
    shares = work.params["shares"]
    wanted = sum(cost * share for cost, share in zip(costs, shares, strict=True))
    one_step = 0.0
    for item in sets:
        lengths = np.array([row.inputs for row in encode_rows(lm, item.rows)[0]], dtype=np.int64)
        whole = train_flops_of_totals(
            lm.model.config.to_dict(), int(lengths.sum()), int((lengths**2).sum())
        )
        one_step += whole * given["batch"] / len(lengths)
    return Budget(**{**given, "steps": max(1, round(wanted / one_step))})


def _rows(folder: Path) -> list[dict[str, Json]]:
    rows = read_rows(folder / "rows.jsonl")
    if not rows:
        raise DataError(
            "a training set is empty: nothing was accepted or no log was given; "
            "lower tau, raise target_rate or k, or give more logs"
        )
    return rows


def _sizes(lm: LanguageModel, rows: list[dict[str, Json]]) -> tuple[IntArray, IntArray]:
    """(answer tokens with stop, counts) of rows, each of shape (rows,)."""
    tokens = [len(lm.encode_answer(row["text"])) for row in rows]
    return np.array(tokens, dtype=np.int64), np.array([r["count"] for r in rows], dtype=np.int64)


def _weighted(
    spec: Json, rows: list[dict[str, Json]], normaliser: float, params: Json, lm: LanguageModel
) -> WeightedSet:
    from rsft_bench.harness.training.weights import row_weights

    tokens, counts = _sizes(lm, rows)
    ids = [row["example_id"] for row in rows]
    weights = row_weights(ids, counts, normaliser, tokens, params["normalise"])
    return WeightedSet(
        name=spec["name"],
        rows=tuple(
            TrainRow(row["example_id"], row["prompt"], row["text"], float(w))
            for row, w in zip(rows, weights, strict=True)
        ),
        coefficient=spec["coefficient"],
        stream=spec["stream"],
    )
