"""Weights of Llama-like models packed for sampling, and their forward over whole sequences.

Llama, Mistral, Qwen2 and Qwen3 share one skeleton: RMS norms, rotary attention with grouped heads,
gated MLP. They differ in biases and in norms of query and key heads, which are optional here.

Shapes: P prompts, R answer rows, N tokens of several sequences laid end to end, H query heads,
J key/value heads, G = H / J, D head size. Packing fuses query, key and value and fuses gate and
up; it folds 1/sqrt(D) into the query and reorders head components so that rotary pairs are
neighbours, which makes rotation one complex product. Scores are unchanged by either.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
# Types whose rotation of a position does not depend on how long the sequence is.
ROPE_TYPES = ("default", "linear", "llama3", "yarn")


class Affine(NamedTuple):
    """A linear map: weight (out, in), plain or in oneDNN's layout, and bias (out,) or None."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (n, in)."""
        if self.weight.is_mkldnn:
            mapped: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self.weight, self.bias, "none", [], ""
            )
            return mapped
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer: qkv gives H query, J key and J value heads in a row.

    ``head_norm`` (H + J, D) scales normalised query and key heads; None where there is no norm.
    """

    attention_norm: Tensor
    head_norm: Tensor | None
    qkv: Affine
    out: Affine
    mlp_norm: Tensor
    gate_up: Affine
    down: Affine


@dataclass(frozen=True, slots=True)
class LlamaWeights:
    """Packed copy of a model; later changes to the model do not reach it."""

    layers: tuple[Layer, ...]
    embedding: Tensor
    norm: Tensor
    head: Affine
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    rotary: Any

    @property
    def groups(self) -> int:
        """Query heads that share one key/value head."""
        return self.heads // self.kv_heads

    def turns(self, positions: int) -> Tensor:
        """Rotation of each position, (positions, 1, D / 2) complex64."""
        index = torch.arange(positions, device=self.embedding.device)[None]
        cos, sin = self.rotary(self.embedding, index)
        half = self.head_dim // 2
        return torch.complex(cos[0, :, :half], sin[0, :, :half])[:, None]


def packable(model: Any) -> bool:
    """Whether ``pack`` knows this model: float32, full attention, rotation of whole heads."""
    config = model.config
    rope = getattr(config, "rope_parameters", None) or {}
    windowed = getattr(config, "sliding_window", None) is not None
    return (
        type(model).__name__ in ARCHITECTURES
        and config.hidden_act == "silu"
        and rope.get("rope_type", "default") in ROPE_TYPES
        and rope.get("partial_rotary_factor", 1.0) == 1.0
        and not (windowed and getattr(config, "use_sliding_window", True))
        and model.dtype == torch.float32
        and not hasattr(config, "quantization_config")
    )


def pack(model: Any, kept: Any = None) -> LlamaWeights:
    """Copy the weights of a model for which ``packable`` holds.

    What needs no other layout (embedding, norms) is not copied but taken from ``kept``, an equal
    model, or from ``model`` itself. With ``kept`` the result holds nothing of ``model``.
    """
    with torch.inference_mode():
        kept = model if kept is None else kept
        core, config = kept.model, kept.config
        head_dim = core.layers[0].self_attn.head_dim
        pairs = zip(model.model.layers, core.layers, strict=True)
        return LlamaWeights(
            layers=tuple(_layer(layer, own, head_dim, config) for layer, own in pairs),
            embedding=core.embed_tokens.weight.detach(),
            norm=core.norm.weight.detach(),
            head=_blocked(model.lm_head, kept.lm_head),
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=head_dim,
            eps=config.rms_norm_eps,
            rotary=core.rotary_emb,
        )


def _layer(layer: Any, kept: Any, head_dim: int, config: Any) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    query = _pairs_adjacent(_affine(attention.q_proj), head_dim)
    key = _pairs_adjacent(_affine(attention.k_proj), head_dim)
    scale, norm = head_dim**-0.5, None
    if hasattr(attention, "q_norm"):
        norm = torch.cat(
            [
                _adjacent(attention.q_norm.weight * scale, head_dim).expand(
                    config.num_attention_heads, -1
                ),
                _adjacent(attention.k_norm.weight, head_dim).expand(config.num_key_value_heads, -1),
            ]
        )
    else:
        query = Affine(query.weight * scale, None if query.bias is None else query.bias * scale)
    return Layer(
        attention_norm=kept.input_layernorm.weight.detach(),
        head_norm=norm,
        qkv=_reordered(_stack(query, key, _affine(attention.v_proj))),
        out=_blocked(attention.o_proj, kept.self_attn.o_proj),
        mlp_norm=kept.post_attention_layernorm.weight.detach(),
        gate_up=_reordered(_stack(_affine(mlp.gate_proj), _affine(mlp.up_proj))),
        down=_blocked(mlp.down_proj, kept.mlp.down_proj),
    )


def _blocked(linear: Any, kept: Any) -> Affine:
    """A copy of ``linear`` in oneDNN's layout, or ``kept`` as it is where that gains nothing."""
    weight, own = _affine(linear), _affine(kept)
    return Affine(_reordered(weight).weight, own.bias) if _gains(weight.weight) else own


def _reordered(affine: Affine) -> Affine:
    """The weight in oneDNN's layout where that gains something, else as it is."""
    if not _gains(affine.weight):
        return affine
    weight = affine.weight.contiguous()
    return Affine(torch.ops.mkldnn._reorder_linear_weight(weight, None), affine.bias)


def _gains(weight: Tensor) -> bool:
    """Whether oneDNN's kernels use wider vectors than the default library on this machine.

    Decided by the machine alone, never by a timing, so that equal machines round alike. With
    AVX-512 on AMD these products run at about twice the speed of the default library's.
    """
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.backends.mkldnn.enabled
    return bool(wide) and weight.device.type == "cpu"


def _affine(linear: Any) -> Affine:
    return Affine(linear.weight.detach(), None if linear.bias is None else linear.bias.detach())


def _stack(*maps: Affine) -> Affine:
    biases = [m.bias for m in maps if m.bias is not None]
    return Affine(torch.cat([m.weight for m in maps]), torch.cat(biases) if biases else None)


def _pairs_adjacent(affine: Affine, head_dim: int) -> Affine:
    bias = affine.bias
    return Affine(
        _adjacent(affine.weight, head_dim), None if bias is None else _adjacent(bias, head_dim)
    )


def _adjacent(rows: Tensor, head_dim: int) -> Tensor:
    """Move rotary partners i and i + D/2 of every head to 2i and 2i + 1."""
    halves = rows.reshape(-1, 2, head_dim // 2, *rows.shape[1:])
    return halves.transpose(1, 2).flatten(0, 2)


def project(
    weights: LlamaWeights, layer: Layer, x: Tensor, turns: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Rotated queries (n, H, D), rotated keys (n, J, D) and values (n, J, D) of hidden (n, d)."""
    normed = F.rms_norm(x, x.shape[-1:], layer.attention_norm, weights.eps)
    all_heads = weights.heads + 2 * weights.kv_heads
    heads = layer.qkv(normed).view(len(x), all_heads, weights.head_dim)
    turned, values = heads[:, : -weights.kv_heads], heads[:, -weights.kv_heads :]
    if layer.head_norm is not None:
        turned = F.rms_norm(turned, turned.shape[-1:], None, weights.eps) * layer.head_norm
    pairs = torch.view_as_complex(turned.unflatten(-1, (-1, 2)))
    rotated = torch.view_as_real(pairs * turns).flatten(-2)
    return rotated[:, : weights.heads], rotated[:, weights.heads :], values


def finish_layer(weights: LlamaWeights, layer: Layer, x: Tensor, attended: Tensor) -> Tensor:
    """Hidden (n, d) after output projection and MLP; ``attended`` is (n, H * D)."""
    x = x + layer.out(attended)
    normed = F.rms_norm(x, x.shape[-1:], layer.mlp_norm, weights.eps)
    gate, up = layer.gate_up(normed).chunk(2, dim=-1)
    return x.add_(layer.down(F.silu(gate).mul_(up)))


def to_logits(weights: LlamaWeights, x: Tensor) -> Tensor:
    """Logits (n, V) of hidden (n, d)."""
    return weights.head(F.rms_norm(x, x.shape[-1:], weights.norm, weights.eps))


class TokenRun(NamedTuple):
    """Tokens and positions of one sequence; ``mask`` (n, n) bool where not simply causal."""

    ids: list[int]
    positions: list[int]
    mask: Tensor | None


class Encoded(NamedTuple):
    """Hidden states at the rows asked for, and keys and values (N, J, D) of every layer."""

    hidden: Tensor
    keys: list[Tensor]
    values: list[Tensor]


def encode(weights: LlamaWeights, sequences: Sequence[TokenRun], take: Sequence[int]) -> Encoded:
    """Run whole sequences, end to end without padding.

    Args:
        weights: packed model.
        sequences: what to run; each attends to itself only.
        take: rows of the N tokens whose final hidden state (before the last norm) is wanted; the
            last layer skips the others.
    """
    ids = torch.tensor([i for s in sequences for i in s.ids])
    positions = torch.tensor([p for s in sequences for p in s.positions])
    turns = weights.turns(int(positions.max()) + 1)[positions]
    ends = list(itertools.accumulate(len(s.ids) for s in sequences))
    rows = torch.tensor(take)
    x = F.embedding(ids, weights.embedding)
    keys: list[Tensor] = []
    values: list[Tensor] = []
    for layer in weights.layers:
        query, key, value = project(weights, layer, x, turns)
        keys.append(key)
        values.append(value)
        attended = torch.empty_like(query)
        for start, end, sequence in zip([0, *ends[:-1]], ends, sequences, strict=True):
            part = slice(start, end)
            attended[part] = self_attention(query[part], key[part], value[part], sequence.mask)
        flat = attended.flatten(1)
        if layer is weights.layers[-1]:
            x, flat = x[rows], flat[rows]
        x = finish_layer(weights, layer, x, flat)
    return Encoded(x, keys, values)


def self_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Causal attention of one sequence: query (n, H, D), key and value (n, J, D)."""
    q, k, v = (t.transpose(0, 1)[None] for t in (query, key, value))
    attended = F.scaled_dot_product_attention(
        q,
        k,
        v,
        attn_mask=mask,
        is_causal=mask is None,
        scale=1.0,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return attended[0].transpose(0, 1)
