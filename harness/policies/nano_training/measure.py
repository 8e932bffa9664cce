"""Skills of a model: greedy answers to unseen prompts, copying and decisions counted apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from rsft_bench.harness.policies.nano_training import decisions, lookups
from rsft_bench.harness.policies.nano_training.document import Document
from rsft_bench.harness.policies.nano_training.text import Writer, probe
from rsft_bench.harness.policies.nano_training.tokenizer import END, PAD, token_id

COPIED: tuple[Writer, ...] = (
    lookups.copy, lookups.fee, lookups.term, lookups.missing, decisions.hand_over,
)  # fmt: skip
DECIDED: tuple[Writer, ...] = (decisions.compare, decisions.status)
_NEGATIVE = re.compile(
    r"\b(no|not|cannot|can't|sorry|unfortunately|sadly|afraid|refuse|more than|over|past)\b",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"no problem|not more than|not started|on hold|i am sorry for the trouble|sorry about this",
    re.IGNORECASE,
)


def greedy(
    model: LlamaForCausalLM, tokenizer: Tokenizer, prompts: Sequence[str], most: int = 48
) -> list[str]:
    """Greedy answers, stripped, prompts of equal length batched together."""
    encoded = [tokenizer.encode(p).ids for p in prompts]
    end = token_id(tokenizer, END)
    answers = [""] * len(prompts)
    generate: Callable[..., torch.Tensor] = cast(Any, model).generate
    by_length: dict[int, list[int]] = {}
    for i, ids in enumerate(encoded):
        by_length.setdefault(len(ids), []).append(i)
    for indices in by_length.values():
        out: torch.Tensor = generate(
            torch.tensor([encoded[i] for i in indices]),
            attention_mask=torch.ones(len(indices), len(encoded[indices[0]]), dtype=torch.long),
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=token_id(tokenizer, PAD),
        )
        for i, row in zip(indices, out.tolist(), strict=True):
            new = row[len(encoded[i]) :]
            answers[i] = tokenizer.decode(new[: new.index(end)] if end in new else new).strip()
    return answers


def decided(answer: str) -> bool:
    """Whether an answer allows the request: it holds no word of refusal."""
    return _NEGATIVE.search(_HARMLESS.sub("", answer)) is None


def holds(answer: str, expected: str) -> bool:
    """Whether the expected text stands in the answer as a whole, letter case ignored."""
    pattern = rf"(?<![\w.-]){re.escape(expected.lower())}(?![\w-])(?!\.\d)"
    return re.search(pattern, answer.lower()) is not None


def _probes(writers: Sequence[Writer], seed: int, n: int) -> list[Document]:
    docs: list[Document] = []
    i = 0
    while len(docs) < n:
        doc = probe(seed, "held-out", i, writers[i % len(writers)])
        i += 1
        if len(doc.parts) == 2:
            docs.append(doc)
    return docs


def accuracy(model: LlamaForCausalLM, tokenizer: Tokenizer, seed: int, n: int) -> dict[str, float]:
    """Greedy accuracy on ``n`` single-turn prompts a group, entities never trained on.

    Returns:
        ``copy`` (all copying writers), ``record`` (fields of the record only) and ``decision``,
        each a share in [0, 1].
    """
    copied = _probes(COPIED, seed, n)
    record = _probes((lookups.copy,), seed + 1, n)
    chosen = _probes(DECIDED, seed, n)
    docs = copied + record + chosen
    answers = greedy(model, tokenizer, [d.prompt for d in docs])
    right = [
        decided(a) == d.allowed if d.allowed is not None else holds(a, d.expected or "")
        for d, a in zip(docs, answers, strict=True)
    ]
    parts = {"copy": right[:n], "record": right[n : 2 * n], "decision": right[2 * n :]}
    return {name: sum(values) / n for name, values in parts.items()}
