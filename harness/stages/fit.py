"""Stage ``fit``: training from a policy on weighted sets (D, A, and what an objective adds)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rsft_bench.harness.errors import CapabilityError, DataError
from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.learners import Learner, learner
from rsft_bench.harness.store import META, read_rows
from rsft_bench.harness.types import Budget, IntArray, Json, TrainRow, WeightedSet


def run(work: Work) -> Outcome:
    """params: sets [{name, coefficient, stream}], budget, normalise, seed, checkpoints (steps).

    A set that is not trained by likelihood also has a loss and its settings.
    Inputs: init (policy), reference (D, whose mean answer length is the constant c), one artifact
    of rows per set under the set's name, and ``matched`` where the budget's steps are None: they
    then follow from these artifacts' FLOPs times the param ``shares``. Files: fit.json; weights/
    and checkpoints/STEP/weights/, or what ``learners.OfItself`` writes.
    """
    from rsft_bench.harness.training.weights import mean_answer_tokens

    policy = learner(work)
    reference = _rows(work.inputs["reference"][0])
    normaliser = mean_answer_tokens(*_sizes(policy, reference))
    sets = [
        _weighted(spec, _rows(work.inputs[spec["name"]][0], spec), normaliser, work.params, policy)
        for spec in work.params["sets"]
    ]
    done = policy.fit(sets, _budget(work, policy, sets), work)
    report = {
        "losses": list(done.losses),
        "tokens": done.tokens,
        "rows_seen": dict(done.rows_seen),
        "set_rows": {s.name: len(s.rows) for s in sets},
        "set_prompts": {s.name: len({r.example_id for r in s.rows}) for s in sets},
        "row_weights": {s.name: [row.weight for row in s.rows] for s in sets},
        "normaliser": normaliser,
    }
    if any(s.loss != LIKELIHOOD for s in sets):
        report["objectives"] = {s.name: s.loss for s in sets}
        report["reference_tokens"] = done.reference_tokens
    (work.out / "fit.json").write_text(json.dumps(report))
    return Outcome(tokens=done.tokens, flops=done.flops)


def _budget(work: Work, policy: Learner, sets: Sequence[WeightedSet]) -> Budget:
    """The budget; where it has no steps, as many as cost what ``matched`` artifacts cost.

    Raises:
        CapabilityError: the policy does not know what a step costs.
    """
    given = dict(work.params["budget"])
    if given["steps"] is not None:
        return Budget(**given)
    costs = [json.loads((f / META).read_text())["cost"]["flops"] for f in work.inputs["matched"]]
    shares = work.params["shares"]
    wanted = sum(cost * share for cost, share in zip(costs, shares, strict=True))
    one_step = policy.fit_flops(sets, Budget(**{**given, "steps": 1}))
    if not (one_step > 0 and math.isfinite(wanted)):
        raise CapabilityError(
            "an arm with as many FLOPs as another needs a policy that counts its FLOPs; "
            "leave sft_flops out"
        )
    return Budget(**{**given, "steps": max(1, round(wanted / one_step))})


def _rows(folder: Path, spec: Json = None) -> list[dict[str, Json]]:
    rows = read_rows(folder / "rows.jsonl")
    if not rows:
        name = "D" if spec is None else spec["name"]
        raise DataError(
            f"training set {name!r} is empty: nothing was accepted, rejected or logged for it; "
            "lower tau, raise target_rate or k, or give more logs"
        )
    return rows


def _sizes(policy: Learner, rows: list[dict[str, Json]]) -> tuple[IntArray, IntArray]:
    """(answer tokens with stop, counts) of rows, each of shape (rows,)."""
    tokens = policy.answer_tokens([row["text"] for row in rows])
    return np.array(tokens, dtype=np.int64), np.array([r["count"] for r in rows], dtype=np.int64)


def _weighted(
    spec: Json, rows: list[dict[str, Json]], normaliser: float, params: Json, policy: Learner
) -> WeightedSet:
    from rsft_bench.harness.training.weights import row_weights, share_weights

    tokens, counts = _sizes(policy, rows)
    ids = [row["example_id"] for row in rows]
    loss = spec.get("loss", LIKELIHOOD)
    if "share" in rows[0] and params["normalise"] == "prompt":
        shares = np.array([row["share"] for row in rows], dtype=np.float64)
        # A pair's loss is one number, not a sum over tokens, so no token count scales it.
        weights = share_weights(ids, shares, 1.0 if loss == "preference" else normaliser)
    else:
        weights = row_weights(ids, counts, normaliser, tokens, params["normalise"])
    return WeightedSet(
        name=spec["name"],
        rows=tuple(_row(row, float(w)) for row, w in zip(rows, weights, strict=True)),
        coefficient=spec["coefficient"],
        stream=spec["stream"],
        loss=loss,
        settings=spec.get("settings", {}),
    )


def _row(row: dict[str, Json], weight: float) -> TrainRow:
    """A row with what its loss reads; a target's row says more than an accepted answer's."""
    extra = {"other": row.get("other"), "accepted": row["count"] > 0, "rate": row.get("rate", 1.0)}
    return TrainRow(row["example_id"], row["prompt"], row["text"], weight, **extra)
