"""The encoder-decoder itself: a T5 of transformers from keyed random weights, its passes and FLOPs.

Prompts are padded on the right and masked; padding changes rounding only. No dropout. Importing
this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.policies.seq2seq_tokens import codec
from rsft_bench.harness.seeding import stream

Weights: TypeAlias = Mapping[str, NDArray[np.float32]]
HEADS = 4
#: Times the width.
INNER = 2


class Size(NamedTuple):
    """Width of a token and layers of each half."""

    width: int
    layers: int


class Pair(NamedTuple):
    """Tokens of a prompt and of an answer, each with its stop token."""

    prompt: Sequence[int]
    answer: Sequence[int]


def build(size: Size) -> Any:
    """The model, in float32 and without dropout; its weights are to be set."""
    from transformers import T5Config, T5ForConditionalGeneration

    from rsft_bench.harness.worker import set_torch_threads

    set_torch_threads()
    tokens = codec()
    settings: dict[str, Any] = dict(
        vocab_size=tokens.vocabulary,
        d_model=size.width,
        d_kv=size.width // HEADS,
        num_heads=HEADS,
        d_ff=INNER * size.width,
        num_layers=size.layers,
        num_decoder_layers=size.layers,
        relative_attention_max_distance=64,
        dropout_rate=0.0,
        tie_word_embeddings=True,
        pad_token_id=tokens.pad,
        eos_token_id=tokens.stop,
        decoder_start_token_id=tokens.pad,
    )
    model: Any = T5ForConditionalGeneration(T5Config(**settings))
    return model.float().eval()


def initial(model: Any, seed: int) -> None:
    """Set the weights to normal numbers keyed by ``seed`` and the weight's name; norms to 1.

    Standard deviations are T5's own (Raffel et al. 2020; transformers' ``T5PreTrainedModel``): 1
    for the embedding, 1 over the square root of a matrix's inputs, a query's also over that of the
    head width.
    """
    import torch

    width, head = model.config.d_model, model.config.d_kv
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            drawn = np.ones(tuple(weight.shape))
        else:
            spread = weight.shape[1] ** -0.5
            if name == "shared.weight":
                spread = 1.0
            elif name.endswith(".q.weight"):
                spread = (width * head) ** -0.5
            elif "relative_attention_bias" in name:
                spread = width**-0.5
            rng = stream(seed, "seq2seq-base", name)
            drawn = spread * rng.standard_normal(tuple(weight.shape))
        with torch.no_grad():
            weight.copy_(torch.from_numpy(drawn))


def arrays(model: Any) -> Weights:
    """Copies of all weights by name; the head is the embedding and stands there once."""
    return {name: weight.detach().numpy().copy() for name, weight in model.named_parameters()}


def put(model: Any, weights: Weights) -> None:
    """Set all weights. Raises KeyError or RuntimeError where names or shapes do not fit."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.from_numpy(weights[name]))


def padded(rows: Sequence[Sequence[int]], filler: int) -> tuple[Any, Any]:
    """Tokens (n, longest) int64 and which of them are real, int64."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(longest) < lengths[:, None]).long()


def nll(model: Any, pairs: Sequence[Pair]) -> Any:
    """Negative log likelihood (n,) of each answer, stop included, nats."""
    import torch
    from torch.nn.functional import cross_entropy

    pad = model.config.pad_token_id
    prompts, seen = padded([pair.prompt for pair in pairs], pad)
    answers, real = padded([pair.answer for pair in pairs], pad)
    before = torch.cat((torch.full_like(answers[:, :1], pad), answers[:, :-1]), 1)
    output = model(
        input_ids=prompts, attention_mask=seen, decoder_input_ids=before, use_cache=False
    )
    of_tokens = cross_entropy(output.logits.transpose(1, 2), answers, reduction="none")
    return (of_tokens * real).sum(1)


def prompt_flops(size: Size, tokens: int) -> float:
    """Encoder over P tokens, and their keys and values in every decoder layer, once a prompt.

    2 FLOPs a multiply-add: an encoder layer 2 (4 + 2 INNER) d^2 P + 4 d P^2 with d the width, a
    decoder layer 4 d^2 P. Counts are full, as in ``metering.formulas``.
    """
    d, layers = size
    encoder = 2.0 * (4 + 2 * INNER) * d * d * tokens + 4.0 * d * tokens**2
    return layers * (encoder + 4.0 * d * d * tokens)


def answer_flops(
    vocabulary: int, size: Size, prompt: int, answer: int, cached: bool = True
) -> float:
    """Decoder over G answer tokens that attend to P prompt tokens and to each other, head included.

    A token passes 2 ((6 + 2 INNER) L d^2 + V d); attention takes 4 d L a key. With a cache the i-th
    token has i keys of its own, without one (training) all G.
    """
    d, layers = size
    weights = (6 + 2 * INNER) * layers * d * d + vocabulary * d
    own = answer * (answer + 1) / 2 if cached else answer**2
    return 2.0 * weights * answer + 4.0 * d * layers * (prompt * answer + own)


def train_flops(vocabulary: int, size: Size, pair: Pair) -> float:
    """Forward and backward pass over one row: three forward passes."""
    prompt, answer = len(pair.prompt), len(pair.answer)
    both = prompt_flops(size, prompt)
    return 3.0 * (both + answer_flops(vocabulary, size, prompt, answer, cached=False))
