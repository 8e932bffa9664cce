"""What stages that train make of rows: sets with the weights of their objective."""

from __future__ import annotations

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.stages import Work, read_all
from rsft_bench.harness.stages.learners import Learner
from rsft_bench.harness.types import IntArray, Json, TrainRow, WeightedSet


def rows_of(work: Work, name: str) -> list[dict[str, Json]]:
    """Rows of all artifacts of a set. Raises DataError as ``filled``."""
    return filled(read_all(work, name), "D" if name == "reference" else name)


def filled(rows: list[dict[str, Json]], name: str) -> list[dict[str, Json]]:
    """The rows of a set. Raises DataError where there is none to train on."""
    if not rows:
        raise DataError(
            f"training set {name!r} is empty: nothing was accepted, rejected or logged for it; "
            "lower tau, raise target_rate or k, or give more logs"
        )
    return rows


def mean_tokens(work: Work, policy: Learner) -> float:
    """The constant c of the objective: mean answer tokens of D, the input ``reference``."""
    from rsft_bench.harness.training.weights import mean_answer_tokens

    return mean_answer_tokens(*_sizes(policy, rows_of(work, "reference")))


def _sizes(policy: Learner, rows: list[dict[str, Json]]) -> tuple[IntArray, IntArray]:
    """(answer tokens with stop, counts) of rows, each of shape (rows,)."""
    tokens = policy.answer_tokens([row["text"] for row in rows])
    return np.array(tokens, dtype=np.int64), np.array([r["count"] for r in rows], dtype=np.int64)


def weighted(
    spec: Json, rows: list[dict[str, Json]], normaliser: float, params: Json, policy: Learner
) -> WeightedSet:
    """The set of a ``fit`` node's spec, its rows weighted as protocol.md section 3 says."""
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
