"""Token batches: documents by index, grouped by length, answers weighted above contexts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rsft_bench.harness.policies.nano_training.document import Document
from rsft_bench.harness.policies.nano_training.text import GROUP, group
from rsft_bench.harness.policies.nano_training.tokenizer import CONTEXT, END, PAD, token_id
from rsft_bench.harness.seeding import stream

CONTEXT_WEIGHT = 0.15
#: Order stream of each phase's text.
PURPOSES = {"train": "nano order", "goods": "nano order goods"}


@dataclass(frozen=True)
class Row:
    """One document in tokens; ``weights[i]`` weighs the loss of predicting ``ids[i]``."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """Padded tokens and loss weights, both (rows, length), and the number of real tokens."""

    ids: torch.Tensor
    weights: torch.Tensor
    tokens: int


def encode(tokenizer: Tokenizer, docs: Sequence[Document]) -> list[Row]:
    """Rows of documents.

    The first token after an earlier answer has weight 0: at the end of an answer the model must
    learn to stop, not that another turn may follow.
    """
    parts = [p for doc in docs for p in doc.parts]
    encoded = iter([e.ids for e in tokenizer.encode_batch(parts)])
    end = token_id(tokenizer, END)
    rows = []
    for doc in docs:
        ids: list[int] = []
        weights: list[float] = []
        for i in range(len(doc.parts)):
            part = next(encoded)
            ids += part
            weights += [1.0 if i % 2 else CONTEXT_WEIGHT] * len(part)
            if i % 2 == 0 and i > 0:
                weights[-len(part)] = 0.0
        ids.append(end)
        weights.append(1.0)
        rows.append(Row(tuple(ids[:CONTEXT]), tuple(weights[:CONTEXT])))
    return rows


def pad(rows: Sequence[Row], pad_id: int) -> Batch:
    """Right-padded batch."""
    longest = max(len(r.ids) for r in rows)
    ids: NDArray[np.int64] = np.full((len(rows), longest), pad_id, dtype=np.int64)
    weights: NDArray[np.float32] = np.zeros((len(rows), longest), dtype=np.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = row.ids
        weights[i, : len(row.ids)] = row.weights
    return Batch(torch.from_numpy(ids), torch.from_numpy(weights), sum(len(r.ids) for r in rows))


def batches(
    tokenizer: Tokenizer, seed: int, steps: int, rows: int, purpose: str = "train"
) -> Iterator[Batch]:
    """``steps`` batches; groups of 16 batches are sorted by length, then shuffled."""
    pad_id = token_id(tokenizer, PAD)
    done = 0
    while done < steps:
        docs = group(seed, purpose, done, steps, rows)
        ordered = sorted(encode(tokenizer, docs), key=lambda r: len(r.ids))
        chunks = [ordered[i : i + rows] for i in range(0, len(ordered), rows)]
        order = stream(seed, PURPOSES[purpose], done).permutation(len(chunks))
        for j in order[: steps - done]:
            yield pad(chunks[int(j)], pad_id)
        done += GROUP
