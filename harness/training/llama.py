"""A Llama's forward pass for training, written straight from the Hugging Face weights.

Same function and gradients as transformers' ``LlamaForCausalLM`` (a test compares them), faster at
small widths: fused query/key/value and gate/up products, the norms' scales folded into the matrix
that follows, and in the last layer only the answer positions go beyond keys and values, because
nothing else reaches the loss. Rows are padded on the right, so the causal rule alone keeps padding
away from real tokens and no mask is needed before the last layer. Only where answers share their
prompt (``Group.tree``) do mask and positions come with the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsft_bench.harness.training.batches import Group
from rsft_bench.harness.training.kernels import rms_unit, rotate, swi_glu


@dataclass(frozen=True, slots=True)
class Shape:
    """What the forward needs of a Llama's configuration."""

    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    layers: int
    eps: float
    theta: float


@dataclass(frozen=True, slots=True)
class Layer:
    """Fused weights of one layer: (q+k+v, hidden), (hidden, q), (2 inner, hidden), (hidden, inner).

    Rows of q and k are reordered so that the pairs of the rotation are neighbours.
    """

    qkv: Tensor
    out: Tensor
    gate_up: Tensor
    down: Tensor


def supported(model: nn.Module) -> bool:
    """Whether this module's forward computes the model's own function."""
    config: Any = getattr(model, "config", None)
    if config is None or getattr(config, "model_type", "") != "llama":
        return False
    rope = config.rope_parameters or {}
    plain = rope.get("rope_type") == "default" and float(rope.get("partial_rotary_factor", 1)) == 1
    biased = config.attention_bias or config.mlp_bias
    dtypes = {p.dtype for p in model.parameters()}
    return plain and not biased and config.hidden_act == "silu" and dtypes == {torch.float32}


class LlamaForward:
    """One step: ``begin`` fuses the weights, ``logits`` runs groups, ``finish`` returns gradients.

    Between ``begin`` and ``finish`` gradients gather in the fused tensors; ``finish`` carries their
    sum back to the model's own parameters in one pass, whatever the number of groups.
    """

    shares = True

    def __init__(self, model: nn.Module) -> None:
        """``model`` must be ``supported``; its parameters are read anew at each ``begin``."""
        self._model: Any = model
        config: Any = self._model.config
        self._shape = Shape(
            hidden=config.hidden_size,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_width=config.head_dim,
            layers=config.num_hidden_layers,
            eps=config.rms_norm_eps,
            theta=config.rope_parameters["rope_theta"],
        )
        device = next(model.parameters()).device
        self._turns = _turns(self._shape, config.max_position_embeddings).to(device)
        self._fused: list[Tensor] = []
        self._leaves: list[Tensor] = []

    def begin(self) -> None:
        """Fuse the current parameters."""
        self._fused = _fuse(self._model, self._shape)
        self._leaves = [tensor.detach().requires_grad_() for tensor in self._fused]

    def logits(self, group: Group) -> Tensor:
        """Next-token logits at the group's real answer slots, shape (n, vocabulary)."""
        embed, head, *rest = self._leaves
        layers = [Layer(*rest[i : i + 4]) for i in range(0, len(rest), 4)]
        x = F.embedding(group.input_ids, embed)
        time, tree = x.shape[1], group.tree
        turns = self._turns[:time] if tree is None else self._turns[tree.places]
        mask = None if tree is None else tree.seen[:, None]
        for layer in layers[:-1]:
            x = _block(self._shape, layer, x, turns, mask)
        answer = _last_block(self._shape, layers[-1], x, turns, group)
        return F.linear(rms_unit(answer, self._shape.eps), head)

    def finish(self) -> None:
        """Add the step's gradients to the ``grad`` of the model's parameters."""
        torch.autograd.backward(self._fused, [leaf.grad for leaf in self._leaves])


def _turns(shape: Shape, positions: int) -> Tensor:
    """Unit complex numbers of the rotation, shape (positions, 1, head width / 2)."""
    index = torch.arange(0, shape.head_width, 2, dtype=torch.float32)
    frequency = 1.0 / (shape.theta ** (index / shape.head_width))
    angle = torch.outer(torch.arange(positions, dtype=torch.float32), frequency)
    return torch.polar(torch.ones_like(angle), angle)[:, None]


def _fuse(model: Any, shape: Shape) -> list[Tensor]:
    """Embedding, head, then four tensors a layer, each a differentiable function of parameters."""
    half = torch.arange(shape.head_width // 2)
    pairs = torch.stack([half, half + shape.head_width // 2], 1).flatten()

    def paired(weight: Tensor) -> Tensor:
        return weight.view(-1, shape.head_width, shape.hidden)[:, pairs].flatten(0, 1)

    tensors = [model.model.embed_tokens.weight, model.lm_head.weight * model.model.norm.weight]
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        query, key = paired(attention.q_proj.weight), paired(attention.k_proj.weight)
        qkv = torch.cat([query, key, attention.v_proj.weight]) * layer.input_layernorm.weight
        gate_up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
        gate_up = gate_up * layer.post_attention_layernorm.weight
        tensors += [qkv, attention.o_proj.weight, gate_up, mlp.down_proj.weight]
    return tensors


def _block(shape: Shape, layer: Layer, x: Tensor, turns: Tensor, mask: Tensor | None) -> Tensor:
    """One layer on all positions, (rows, time, hidden) to the same; no ``mask`` is causal.

    ``turns`` is (time, 1, head width / 2) or, with its own places for each row, (rows, ...).
    """
    heads, kv = shape.heads, shape.kv_heads
    qkv = _by_head(F.linear(rms_unit(x, shape.eps), layer.qkv), shape)
    qkv = rotate(qkv, turns, heads + kv)
    q, k, v = torch.split(qkv.transpose(1, 2), [heads, kv, kv], 1)
    mixed = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=kv != heads
    )
    mixed = mixed.transpose(1, 2).reshape(-1, heads * shape.head_width)
    return _rest(shape, layer, x.flatten(0, 1), mixed).view_as(x)


def _last_block(shape: Shape, layer: Layer, x: Tensor, turns: Tensor, group: Group) -> Tensor:
    """The last layer: keys and values everywhere, the rest at answer slots, (n, hidden)."""
    heads, kv, width = shape.heads, shape.kv_heads, shape.head_width
    time = x.shape[1]
    unit = rms_unit(x, shape.eps)
    row = torch.arange(x.shape[0], device=x.device)[:, None]
    q = _by_head(F.linear(unit[row, group.positions], layer.qkv[: heads * width]), shape)
    tree = group.tree
    q = rotate(q, turns[group.positions] if tree is None else turns[row, group.positions], heads)
    kvs = _by_head(F.linear(unit, layer.qkv[heads * width :]), shape)
    kvs = rotate(kvs, turns, kv)
    k, v = torch.split(kvs.transpose(1, 2), [kv, kv], 1)
    if tree is None:
        seen = torch.arange(time, device=x.device) <= group.positions[:, None, :, None]
    else:
        seen = tree.seen[row, group.positions][:, None]
    mixed = F.scaled_dot_product_attention(
        q.transpose(1, 2), k, v, attn_mask=seen, enable_gqa=kv != heads
    )
    answer = x[row, group.positions][group.valid]
    return _rest(shape, layer, answer, mixed.transpose(1, 2).flatten(2)[group.valid])


def _rest(shape: Shape, layer: Layer, x: Tensor, mixed: Tensor) -> Tensor:
    """Output product, residual, feed-forward and residual on (tokens, hidden)."""
    x = torch.addmm(x, mixed, layer.out.t())
    inner = swi_glu(F.linear(rms_unit(x, shape.eps), layer.gate_up))
    return torch.addmm(x, inner, layer.down.t())


def _by_head(x: Tensor, shape: Shape) -> Tensor:
    """(rows, time, heads * width) to (rows, time, heads, width)."""
    return x.view(*x.shape[:2], -1, shape.head_width)
