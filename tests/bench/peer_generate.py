"""The peer of sampling: transformers' ``generate``, each answer stopped at the length drawn."""

from __future__ import annotations

from typing import Any

import torch
from peer_models import NANO, load_model, mapped_model, read_workload
from torch import Tensor
from transformers import AutoConfig, LogitsProcessor, LogitsProcessorList


class StopAt(LogitsProcessor):
    """Forbid the stop token before each row's last position and force it there.

    A row's answer then has exactly its drawn length, stop token included, as ours has.
    """

    def __init__(self, lengths: Tensor, prompt_tokens: int, eos: int) -> None:
        self._lengths, self._prompt, self._eos = lengths, prompt_tokens, eos

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (rows, V) of the next token; changed in place, as no one else reads them."""
        last = input_ids.shape[1] - self._prompt + 1 >= self._lengths
        scores[:, self._eos] = -torch.inf
        scores[last] = -torch.inf
        scores[last, self._eos] = 0.0
        return scores


class Generate:
    """Answers to a share of the prompts, ``batch`` prompts at a time, sorted by length if many."""

    def __init__(
        self, folder: str, workload: str, batch: int, part: int, parts: int, late: bool = False
    ) -> None:
        """``late``: read the weights in ``run``, so that their memory is measured too."""
        self._folder, self._late = folder, late
        self._model = load_model(str(NANO) if late else folder)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        self._eos: int = config.eos_token_id
        self._pad: int = self._eos if config.pad_token_id is None else config.pad_token_id
        prompts, lengths = read_workload(workload, part, parts)
        items = list(zip(prompts, lengths, strict=True))
        if batch > 1:
            items.sort(key=lambda item: len(item[0]))
        self._batches = [items[i : i + batch] for i in range(0, len(items), batch)]

    def prepare(self) -> None:
        """Nothing."""

    def run(self) -> dict[str, Any]:
        """Draw all answers; counts tokens up to each answer's stop."""
        torch.manual_seed(0)
        if self._late:
            self._model = mapped_model(self._folder)
        return {"tokens": sum(self._run(batch) for batch in self._batches)}

    def ceiling(self) -> dict[str, float]:
        """Only ours is measured."""
        return {}

    def _run(self, batch: list[tuple[list[int], list[int]]]) -> int:
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.full((len(batch), longest), self._pad)
        mask = torch.zeros_like(ids)
        for row, (prompt, _) in enumerate(batch):
            ids[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        lengths = torch.tensor([length for _, answers in batch for length in answers])
        k = len(batch[0][1])
        out = self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=k,
            max_new_tokens=int(lengths.max()),
            eos_token_id=self._eos,
            pad_token_id=self._pad,
            logits_processor=LogitsProcessorList([StopAt(lengths, longest, self._eos)]),
        )
        answers = out[:, longest:]
        ends = (answers == self._eos).int().argmax(1) + 1
        assert torch.equal(ends, lengths), "generate did not stop where it was told to"
        return int(lengths.sum())
