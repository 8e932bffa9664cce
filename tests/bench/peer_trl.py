"""The peer of training: TRL's SFTTrainer with rows grouped by length, in float32."""

from __future__ import annotations

import copy
import tempfile
from typing import Any

from datasets import Dataset
from peer_models import NANO
from peer_training import read_rows
from trl import SFTConfig, SFTTrainer

from rsft_bench.harness.policies.language_model import load


class Sft:
    """One epoch of SFTTrainer over a share of the rows; tokenising them is not timed."""

    def __init__(self, file: str, batch: int, part: int, parts: int) -> None:
        self._lm = load(NANO)
        rows = read_rows(file, part, parts)
        # As ours: whole batches only.
        rows = rows[: len(rows) // batch * batch]
        self._rows = [{name: row[name] for name in ("prompt", "completion")} for row in rows]
        self._folder = tempfile.TemporaryDirectory()
        self._config = SFTConfig(
            output_dir=self._folder.name,
            num_train_epochs=1,
            per_device_train_batch_size=batch,
            train_sampling_strategy="group_by_length",
            completion_only_loss=True,
            max_length=self._lm.context,
            learning_rate=1e-3,
            lr_scheduler_type="linear",
            warmup_steps=0.1,
            max_grad_norm=1.0,
            bf16=False,
            fp16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        self._trainer: Any = None
        self._counts: dict[str, Any] = {}

    def prepare(self) -> None:
        """A fresh copy of the model and a trainer for it."""
        self._trainer = SFTTrainer(
            model=copy.deepcopy(self._lm.model),
            args=self._config,
            train_dataset=Dataset.from_list(self._rows),
            processing_class=self._lm.tokenizer,
        )
        data = self._trainer.train_dataset
        self._counts = {
            "tokens": sum(len(ids) for ids in data["input_ids"]),
            "answer_tokens": sum(sum(i != -100 for i in ids) for ids in data["labels"]),
        }

    def run(self) -> dict[str, Any]:
        """Tokens of the rows trained on, padding left out; each row is read once."""
        self._trainer.train()
        return dict(self._counts)

    def ceiling(self) -> dict[str, float]:
        """Only ours is measured."""
        return {}
