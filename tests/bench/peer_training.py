"""Our side of training, and the rows that both sides learn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from peer_flops import Sizes, training_ceiling
from peer_models import NANO

from rsft_bench.harness.policies.language_model import load
from rsft_bench.harness.training.batches import GROUP_TOKENS, encode_rows
from rsft_bench.harness.training.fit import fit
from rsft_bench.harness.training.weights import row_weights
from rsft_bench.harness.types import Budget, TrainRow, WeightedSet
from rsft_bench.tasks.order_status import ORDER_STATUS


class Data:
    """Write the first ``rows`` logs of order_status, seed 0, as prompt and completion."""

    def __init__(self, file: str, rows: int) -> None:
        self._file, self._rows = Path(file), rows

    def prepare(self) -> None:
        """Nothing."""

    def run(self) -> dict[str, Any]:
        """Logs at the suite's default options; completions begin with the space nano expects."""
        data = ORDER_STATUS.load({p.name: p.default for p in ORDER_STATUS.options}, 0)
        prompts = {e.example_id: e.prompt for e in data.examples}
        rows = [
            {"id": log.example_id, "prompt": prompts[log.example_id], "completion": " " + log.text}
            for log in data.logs[: self._rows]
        ]
        self._file.write_text(json.dumps(rows))
        return {"rows": len(rows)}

    def ceiling(self) -> dict[str, float]:
        """Nothing to measure."""
        return {}


def read_rows(file: str, part: int, parts: int) -> list[dict[str, str]]:
    """Every ``parts``-th row."""
    rows: list[dict[str, str]] = json.loads(Path(file).read_text())
    return rows[part::parts]


class Fit:
    """One epoch of ``fit`` over a share of the rows, encoding included."""

    def __init__(self, file: str, batch: int, part: int, parts: int) -> None:
        self._lm = load(NANO)
        raw = read_rows(file, part, parts)
        lengths = [len(self._lm.encode_answer(row["completion"][1:])) for row in raw]
        ids = [row["id"] for row in raw]
        answers = np.array(lengths, dtype=np.int64)
        ones = np.ones(len(raw), dtype=np.int64)
        weights = row_weights(ids, ones, 1.0, answers, "token")
        rows = tuple(
            TrainRow(row["id"], row["prompt"], row["completion"][1:], float(weight))
            for row, weight in zip(raw, weights, strict=True)
        )
        self._set = WeightedSet("D", rows, 1.0, "train-D")
        # Whole batches only: fit's last step would otherwise begin a second epoch.
        self._budget = Budget(len(rows) // batch, batch, 1e-3)
        encoded, _ = encode_rows(self._lm, rows)
        self._sizes = Sizes.of(self._lm.model.config.to_dict())
        self._answer_tokens = sum(lengths) / len(rows)
        self._share = sum(lengths) / sum(row.inputs for row in encoded)
        row_flops = [
            self._sizes.training(row.prompt_tokens, len(row.ids) - row.prompt_tokens)
            for row in encoded
        ]
        self._flops_a_token = sum(row_flops) / sum(row.inputs for row in encoded)

    def prepare(self) -> None:
        """Nothing: ``fit`` copies the model itself."""

    def run(self) -> dict[str, Any]:
        """Tokens as ``fit`` counts them: read by the model, padding left out."""
        result = fit(self._lm, [self._set], self._budget, 0)
        return {
            "tokens": result.tokens,
            "answer_tokens": self._answer_tokens * self._budget.steps * self._budget.batch,
            "flops": self._flops_a_token * result.tokens,
        }

    def ceiling(self) -> dict[str, float]:
        """Products of one group, forward and backward."""
        wanted = max(1, round(GROUP_TOKENS * self._share))
        return training_ceiling(self._sizes, GROUP_TOKENS, wanted)
