"""The least arithmetic that a workload needs, and how fast this machine multiplies its matrices.

Counts here leave out what need not be computed, so that a share of the ceiling cannot be raised by
counting work that was skipped: attention is causal, the head works only where a next token is
wanted, the last layer goes beyond keys and values only there, and a prompt is read once for all its
answers. (``harness.metering.formulas`` counts full passes, as the literature does.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: A shape's rate is that of its best window. Windows, not single calls: where two processes measure
#: at once on cores that share units, a single call may fall into a pause of the other.
WINDOWS, WINDOW_S = 3, 0.02


@dataclass(frozen=True)
class Sizes:
    """A Llama's matrix shapes as (outputs, inputs)."""

    layers: int
    heads_width: int
    query: tuple[int, int]
    key_value: tuple[int, int]
    out: tuple[int, int]
    gate_up: tuple[int, int]
    down: tuple[int, int]
    head: tuple[int, int]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Sizes from a Llama's ``config.json``."""
        hidden, inner = config["hidden_size"], config["intermediate_size"]
        heads = config["num_attention_heads"]
        width = config.get("head_dim") or hidden // heads
        kv_heads = config.get("num_key_value_heads") or heads
        return cls(
            layers=config["num_hidden_layers"],
            heads_width=heads * width,
            query=(heads * width, hidden),
            key_value=(2 * kv_heads * width, hidden),
            out=(hidden, heads * width),
            gate_up=(2 * inner, hidden),
            down=(hidden, inner),
            head=(config["vocab_size"], hidden),
        )

    @property
    def block(self) -> int:
        """Weights of one layer."""
        return sum(
            a * b for a, b in (self.query, self.key_value, self.out, self.gate_up, self.down)
        )

    @property
    def keys_only(self) -> int:
        """Weights that make one layer's keys and values."""
        return self.key_value[0] * self.key_value[1]

    def forward(self, tokens: int, wanted: int, attended: int, attended_last: int) -> float:
        """FLOPs of a pass over ``tokens`` of which ``wanted`` must predict their next token.

        ``attended`` is the number of (query, key) pairs of a layer, ``attended_last`` of the last.
        """
        body = (self.layers - 1) * self.block * tokens
        last = self.keys_only * tokens + (self.block - self.keys_only) * wanted
        head = self.head[0] * self.head[1] * wanted
        pairs = (self.layers - 1) * attended + attended_last
        return 2.0 * (body + last + head) + 4.0 * self.heads_width * pairs

    def sampling(self, prompt: int, answers: Sequence[int]) -> float:
        """One prompt read once and answers of these lengths; the last token is never fed back."""
        flops = self.forward(prompt, 1, prompt * (prompt + 1) // 2, prompt)
        for length in answers:
            fed = length - 1
            pairs = fed * prompt + fed * (fed + 1) // 2
            flops += self.forward(fed, fed, pairs, pairs)
        return flops

    def training(self, prompt: int, answer: int) -> float:
        """Forward and backward of one row, whose last answer token is a target only."""
        tokens = prompt + answer - 1
        last = sum(range(prompt, prompt + answer))
        return 3.0 * self.forward(tokens, answer, tokens * (tokens + 1) // 2, last)

    def matrices(self, rows: int, wanted: int) -> list[tuple[int, int, int, int]]:
        """Fused products of one pass: (times, rows, inputs, outputs)."""
        qkv = (self.query[0] + self.key_value[0], self.query[1])
        blocks = [(self.layers, rows, i, o) for o, i in (qkv, self.out, self.gate_up, self.down)]
        return [*blocks, (1, wanted, self.head[1], self.head[0])]


def decode_ceiling(sizes: Sizes, rows: int) -> dict[str, float]:
    """Rates of one decoding step's products for ``rows`` answers, see ``ceiling``."""
    return ceiling(sizes.matrices(rows, rows))


def training_ceiling(sizes: Sizes, rows: int, wanted: int) -> dict[str, float]:
    """Rates of one group's products, forward, input gradients and weight gradients."""
    forward = sizes.matrices(rows, wanted)
    inputs = [(times, n, o, i) for times, n, i, o in forward]
    weights = [(times, o, n, i) for times, n, i, o in forward]
    return ceiling([*forward, *inputs, *weights])


def ceiling(products: Sequence[tuple[int, int, int, int]]) -> dict[str, float]:
    """FLOP/s of a chain of products each at its best, ``chain``, and of the fastest, ``fastest``.

    Args:
        products: (times, rows, inputs, outputs) each.
    """
    flops, seconds, fastest = 0.0, 0.0, 0.0
    for times, rows, inputs, outputs in products:
        each = 2.0 * rows * inputs * outputs
        best = best_seconds(rows, inputs, outputs)
        flops += times * each
        seconds += times * best
        fastest = max(fastest, each / best)
    return {"chain": flops / seconds, "fastest": fastest}


def best_seconds(rows: int, inputs: int, outputs: int) -> float:
    """Least time of one product over the ways of storing the second matrix.

    oneDNN's own layout is one of them: with AVX-512 it is up to twice as fast as the plain ones.
    """
    x = torch.randn(rows, inputs)
    by_input = torch.randn(inputs, outputs)
    by_output = torch.randn(outputs, inputs)
    out = torch.empty(rows, outputs)
    ways = [
        _least(lambda: torch.mm(x, by_input, out=out)),
        _least(lambda: torch.mm(x, by_output.t(), out=out)),
    ]
    if torch.backends.mkldnn.enabled and torch.backends.mkldnn.is_available():
        blocked = torch.ops.mkldnn._reorder_linear_weight(by_output, None)
        product = torch.ops.mkldnn._linear_pointwise
        ways.append(_least(lambda: product(x, blocked, None, "none", [], "")))
    return min(ways)


def _least(work: Callable[[], Tensor]) -> float:
    """Seconds a call in the best window."""
    work()
    best = float("inf")
    for _ in range(WINDOWS):
        calls, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < WINDOW_S or calls == 0:
            work()
            calls += 1
        best = min(best, elapsed / calls)
    return best
