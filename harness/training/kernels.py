"""Three pieces of a Llama block with their gradients written out: fewer passes over memory.

At a width of 128 a training step spends as long moving activations as multiplying matrices;
autograd's own versions of these three make about twice the passes and keep twice the tensors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class RmsUnit(Function):
    """y = x / sqrt(mean(x^2) + eps) over the last axis; the learnt scale is folded elsewhere.

    Gradient: r (g - y mean(g y)) with r the factor x was multiplied by.
    Source: Zhang and Sennrich 2019, arXiv 1910.07467, equation 4.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        """X of any shape (..., width)."""
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        y: Tensor = x * scale
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradient for x; none for eps."""
        y, scale = ctx.saved_tensors
        mean = (grads[0] * y).mean(-1, keepdim=True)
        return torch.addcmul(grads[0], y, mean, value=-1).mul_(scale), None


class SwiGlu(Function):
    """silu(gate) * up for an input holding (gate, up) side by side on the last axis.

    Source: Shazeer 2020, arXiv 2002.05202, equation 6; silu'(g) = s (1 + g (1 - s)), s the sigmoid.
    """

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        """Both of shape (..., 2 width), result (..., width)."""
        gate, up = both.chunk(2, -1)
        sigmoid = torch.sigmoid(gate)
        silu = gate * sigmoid
        ctx.save_for_backward(both, sigmoid, silu)
        return silu * up

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Gradient for both halves in one tensor."""
        both, sigmoid, silu = ctx.saved_tensors
        up = both.chunk(2, -1)[1]
        out = torch.empty_like(both)
        out_gate, out_up = out.chunk(2, -1)
        torch.mul(grads[0], silu, out=out_up)
        slope = torch.addcmul(silu, silu, sigmoid, value=-1).add_(sigmoid).mul_(up)
        torch.mul(grads[0], slope, out=out_gate)
        return out


class Rotate(Function):
    """Rotary position embedding in place on neighbouring pairs, as one complex product.

    Multiplies the first ``heads`` heads of ``x`` (..., all heads, head width) by ``turn``, complex,
    broadcastable to (..., heads, head width / 2). The gradient is the product with the conjugate.
    Source: Su et al. 2021, arXiv 2104.09864, section 3.4.2.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, turn: Tensor, heads: int) -> Tensor:
        """Rotate ``x`` itself and return it."""
        ctx.turn, ctx.heads = turn, heads
        ctx.mark_dirty(x)
        _turn_in_place(x, turn, heads)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Rotate the gradient back; none for the other arguments."""
        grad = grads[0].clone()
        _turn_in_place(grad, ctx.turn.conj().resolve_conj(), ctx.heads)
        return grad, None, None


def rms_unit(x: Tensor, eps: float) -> Tensor:
    """Apply ``RmsUnit``."""
    result: Tensor = RmsUnit.apply(x, eps)  # type: ignore[no-untyped-call]
    return result


def swi_glu(both: Tensor) -> Tensor:
    """Apply ``SwiGlu``."""
    result: Tensor = SwiGlu.apply(both)  # type: ignore[no-untyped-call]
    return result


def rotate(x: Tensor, turn: Tensor, heads: int) -> Tensor:
    """Apply ``Rotate``; ``x`` is overwritten."""
    result: Tensor = Rotate.apply(x, turn, heads)  # type: ignore[no-untyped-call]
    return result


def _turn_in_place(x: Tensor, turn: Tensor, heads: int) -> None:
    pairs = torch.view_as_complex(x.view(*x.shape[:-1], -1, 2))
    pairs[..., :heads, :].mul_(turn)
