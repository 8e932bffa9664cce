"""Frequencies of drawn tokens against the exact law, by chi-square over 200,000 draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import transformers

from rsft_bench.harness.sampling.answers import Job, Request
from rsft_bench.harness.sampling.llama import pack
from rsft_bench.harness.sampling.loop import run_packed
from rsft_bench.harness.types import Sampling

DRAWS = 200_000
LAWS = {
    "plain": Sampling(),
    "temperature": Sampling(temperature=0.6),
    "top_p": Sampling(top_p=0.8),
    "top_k": Sampling(temperature=1.3, top_k=12),
    "all": Sampling(temperature=1.2, top_k=40, top_p=0.9),
}


def exact_law(logits, law):
    """Probabilities (n, V) by transformers' warpers, float64."""
    logits = transformers.TemperatureLogitsWarper(law.temperature)(None, logits)
    if law.top_k:
        logits = transformers.TopKLogitsWarper(min(law.top_k, logits.shape[-1]))(None, logits)
    if law.top_p < 1:
        logits = transformers.TopPLogitsWarper(law.top_p)(None, logits)
    return logits.double().softmax(-1).numpy()


def draws_of(model, ids, limit, law, seed):
    """DRAWS answers (DRAWS, limit) to one prompt, no token ends them."""
    rows = [Request(tuple(ids), limit, "example", i) for i in range(DRAWS)]
    random = np.random.Generator(np.random.PCG64(seed))
    uniform = torch.from_numpy(random.random((DRAWS, limit)))
    with torch.inference_mode():
        answers = run_packed(pack(model), Job(rows, uniform, law, -1), budget=20_000 * 16)
    return np.array([a.ids for a in answers])


def chi_square_z(count, expected):
    """Pearson's statistic over cells of at least 5 (rarer ones pooled), as a normal deviate.

    (X - df) / sqrt(2 df): its mean is 0 and its variance about 1 under the law.
    """
    common = expected >= 5
    count = np.append(count[common], count[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    used = expected > 0
    statistic = ((count - expected)[used] ** 2 / expected[used]).sum()
    df = used.sum() - 1
    return (statistic - df) / math.sqrt(2 * df)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_first_tokens_follow_the_exact_law(tiny_lm, law):
    ids = tiny_lm.encode_prompt("Policy: be kind.\nCustomer: Hi\nAgent:")
    with torch.inference_mode():
        exact = exact_law(tiny_lm.model(torch.tensor([ids])).logits[0, -1:], law)[0]
    count = np.bincount(draws_of(tiny_lm.model, ids, 1, law, 1)[:, 0], minlength=300)
    assert set(np.flatnonzero(count)) <= set(np.flatnonzero(exact))
    assert abs(chi_square_z(count, DRAWS * exact)) < 4


@pytest.mark.slow
@pytest.mark.parametrize("law", [LAWS["plain"], LAWS["top_p"]], ids=["plain", "top_p"])
def test_pairs_of_tokens_follow_the_joint_law(make_tiny_lm, law):
    """p(a) p(b | a) over all 49 pairs of a vocabulary of 7, each by a plain forward."""
    model = make_tiny_lm(5, vocab_size=7).model
    ids = [3, 5, 2, 6]
    with torch.inference_mode():
        first = exact_law(model(torch.tensor([ids])).logits[0, -1:], law)[0]
        after = torch.tensor([[*ids, token] for token in range(7)])
        second = exact_law(model(after).logits[:, -1], law)
    exact = (first[:, None] * second).ravel()
    drawn = draws_of(model, ids, 2, law, 2)
    count = np.bincount(drawn[:, 0] * 7 + drawn[:, 1], minlength=49)
    assert count[exact == 0].sum() == 0
    assert abs(chi_square_z(count, DRAWS * exact)) < 4
