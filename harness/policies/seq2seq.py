"""Policy ``seq2seq``: a small encoder-decoder (T5) from random weights. Its own trainer.

The fourth kind of model beside the causal language model, the exact table and the classifier: the
encoder reads the whole prompt both ways, the decoder writes the answer. Nothing is pretrained, so
the untrained policy says noise and all it knows comes from D. Tokens are those of
``seq2seq_tokens``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rsft_bench.harness.errors import InfrastructureError, UserError
from rsft_bench.harness.policies.seq2seq_network import (
    Pair,
    Size,
    Weights,
    answer_flops,
    arrays,
    build,
    initial,
    nll,
    prompt_flops,
    put,
    train_flops,
)
from rsft_bench.harness.policies.seq2seq_tokens import codec
from rsft_bench.harness.policy_kinds import DrawFlops, Trained
from rsft_bench.harness.training.order import row_order
from rsft_bench.harness.training.schedules import learning_rate
from rsft_bench.harness.types import Budget, Completion, Sampling, TrainRow, WeightedSet

STATE = "seq2seq.safetensors"


@dataclass(frozen=True, eq=False)
class Seq2Seq:
    """A loaded encoder-decoder; without ``weights`` the untrained one. Immutable."""

    seed: int
    size: Size
    weights: Weights | None = None

    @cached_property
    def model(self) -> Any:
        """The network, made when first needed."""
        model = build(self.size)
        if self.weights is None:
            initial(model, self.seed)
        else:
            put(model, self.weights)
        return model

    def logprob(self, prompt: str, text: str) -> float:
        """Log probability of an answer and its stop, nats, at temperature 1.

        Of the codec's own tokens of the text: a drawn answer that other tokens spell has a lower
        one here than its ``Completion.logprob``.
        """
        import torch

        with torch.inference_mode():
            return -float(nll(self.model, [_pair(prompt, text)])[0])

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> list[Completion]:
        """One keyed uniform number a token; greedy decoding computes one draw and repeats it.

        Raises:
            InfrastructureError: the network's numbers are not finite.
        """
        from rsft_bench.harness.policies.seq2seq_sampling import Asked, answers

        words = {name: codec().numbered(prompt) for name, prompt in prompts}
        computed = draws[:1] if sampling.temperature == 0 else draws
        asked = [
            Asked(codec().prompt(prompt, words[name]), name, number)
            for name, prompt in prompts
            for number in computed
        ]
        raw = answers(self.model, asked, sampling, seed, purpose)
        rows = [
            _completion(one, words[one.example_id], drawn.ids, drawn.logprobs, sampling.stop)
            for one, drawn in zip(asked, raw, strict=True)
        ]
        if sampling.temperature == 0:
            return [replace(row, draw=number) for row in rows for number in draws]
        return rows

    def draw_flops(
        self, prompts: Sequence[tuple[str, str]], rows: Sequence[Completion], sampling: Sampling
    ) -> DrawFlops:
        """A prompt is read once, every answer attends to it; cached as sampling does."""
        read = {row.example_id: row.tokens_in for row in rows}
        size, tokens = self.size, codec().vocabulary
        return DrawFlops(
            tuple(prompt_flops(size, read.get(name, 0)) for name, _ in prompts),
            tuple(answer_flops(tokens, size, row.tokens_in, row.tokens_out) for row in rows),
        )

    def fit(
        self, sets: Sequence[WeightedSet], budget: Budget, seed: int, keep: Sequence[int] = ()
    ) -> Trained:
        """``budget.steps`` steps of ``budget.batch`` rows of every set, fresh AdamW.

        A set with coefficient 0 is ignored. The same bits on one thread.

        Raises:
            UserError: the loss is not finite.
        """
        active = [item for item in sets if item.coefficient > 0]
        if budget.steps == 0:
            return Trained(self, (), 0, 0.0, {item.name: 0 for item in active})
        pairs = [_pairs(item.rows) for item in active]
        orders = [
            row_order(seed, item.stream, len(item.rows), budget.batch, budget.steps)
            for item in active
        ]
        model = build(self.size)
        put(model, arrays(self.model))
        losses, kept = _train(model, active, pairs, orders, budget, keep)
        read = [
            own[int(i)] for own, order in zip(pairs, orders, strict=True) for i in order.reshape(-1)
        ]
        return Trained(
            policy=replace(self, weights=arrays(model)),
            losses=tuple(losses),
            tokens=sum(len(pair.prompt) + len(pair.answer) for pair in read),
            flops=sum(train_flops(codec().vocabulary, self.size, pair) for pair in read),
            rows_seen={item.name: budget.steps * budget.batch for item in active},
            kept={step: replace(self, weights=weights) for step, weights in kept.items()},
        )

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """Every step reads ``batch`` rows of each set, of the set's mean cost."""
        tokens, total = codec().vocabulary, 0.0
        for item in sets:
            if item.coefficient > 0 and item.rows:
                costs = [train_flops(tokens, self.size, pair) for pair in _pairs(item.rows)]
                total += budget.steps * budget.batch * float(np.mean(costs))
        return total

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each answer and its stop, all words spelled: numbers need the prompt."""
        return [len(codec().answer(text, ())) for text in texts]

    def save(self, folder: Path) -> None:
        """Write seq2seq.safetensors: all weights, float32."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        weights = arrays(self.model) if self.weights is None else self.weights
        save_file({name: weights[name] for name in sorted(weights)}, folder / STATE)


def _pair(prompt: str, text: str) -> Pair:
    words = codec().numbered(prompt)
    return Pair(codec().prompt(prompt, words), codec().answer(text, words))


def _pairs(rows: Sequence[TrainRow]) -> list[Pair]:
    return [_pair(row.prompt, row.completion) for row in rows]


def _completion(
    asked: Any, words: Sequence[str], ids: list[int], logprobs: list[float], stop: Sequence[str]
) -> Completion:
    if not all(map(math.isfinite, logprobs)):
        raise InfrastructureError(
            f"the network's logits are not finite on example {asked.example_id!r}: "
            "its training diverged or its weights are damaged"
        )
    text, used = codec().decode(ids, words), len(ids)
    stopped = ids[-1:] == [codec().stop]
    for n in range(1, len(ids) + 1) if any(stop) else ():
        so_far = codec().decode(ids[:n], words)
        ends = [at for at in (so_far.find(s) for s in stop if s) if at >= 0]
        if ends:
            text, used, stopped = so_far[: min(ends)].strip(), n, True
            break
    return Completion(
        example_id=asked.example_id,
        draw=asked.draw,
        text=text,
        tokens_in=len(asked.prompt),
        tokens_out=used,
        finish_reason="stop" if stopped else "length",
        logprob=sum(logprobs[:used]),
    )


def _train(
    model: Any,
    sets: Sequence[WeightedSet],
    pairs: Sequence[Sequence[Pair]],
    orders: Sequence[Any],
    budget: Budget,
    keep: Sequence[int],
) -> tuple[list[float], dict[int, Mapping[str, Any]]]:
    """Steps on ``model`` itself; the losses, and copies of the weights after the steps to keep."""
    import torch

    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, lr=budget.lr, weight_decay=budget.weight_decay)
    losses, kept = list[float](), dict[int, Mapping[str, Any]]()
    for step in range(budget.steps):
        optimizer.param_groups[0]["lr"] = learning_rate(step, budget)
        optimizer.zero_grad()
        total = 0.0
        for item, own, order in zip(sets, pairs, orders, strict=True):
            rows = order[step]
            scale = item.coefficient * len(item.rows) / budget.batch
            of_rows = torch.tensor([scale * item.rows[int(i)].weight for i in rows])
            loss = (of_rows * nll(model, [own[int(i)] for i in rows])).sum()
            loss.backward()
            total += float(loss.detach())
        if not math.isfinite(total):
            raise UserError(
                f"training diverged at step {step + 1} of {budget.steps} (loss {total}); "
                f"lower training.lr, now {budget.lr:g}"
            )
        torch.nn.utils.clip_grad_norm_(weights, budget.clip)
        optimizer.step()
        losses.append(total)
        if step + 1 in keep:
            kept[step + 1] = arrays(model)
    return losses, kept
