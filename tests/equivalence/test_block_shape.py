"""From equal weights another block shape draws the same answers, but for rounding."""

from __future__ import annotations

from pathlib import Path

import pytest

import rsft_bench.harness.policies as policies
from rsft_bench.harness.policies.language_model import LanguageModel, load
from rsft_bench.harness.sampling import prepare, sample
from rsft_bench.harness.types import Completion, Sampling
from rsft_bench.tasks.order_status import ORDER_STATUS

PROMPTS = 32
DRAWS = 8
LAW = Sampling(temperature=1.0, max_new_tokens=48)
#: (prompts, draws) of one block; the first is the contract's.
SHAPES = [(32, 8), (8, 2), (1, 8), (32, 1), (5, 3)]


@pytest.fixture(scope="module")
def nano() -> LanguageModel:
    """The packaged policy."""
    return load(Path(str(policies.__file__)).parent / "nano_1")


@pytest.fixture(scope="module")
def prompts() -> list[tuple[str, str]]:
    """Prompts of many lengths from a real suite."""
    options = {p.name: p.default for p in ORDER_STATUS.options}
    data = ORDER_STATUS.load(options, 0)
    chosen = [e for e in data.examples if e.split == "select"][:PROMPTS]
    return [(e.example_id, e.prompt) for e in chosen]


def drawn(
    lm: LanguageModel, prompts: list[tuple[str, str]], rows: int, draws: int
) -> dict[tuple[str, int], Completion]:
    """All answers, drawn in blocks of ``rows`` prompts x ``draws`` draws."""
    packed = prepare(lm)
    answers = [
        answer
        for i in range(0, len(prompts), rows)
        for j in range(0, DRAWS, draws)
        for answer in sample(
            lm,
            prompts[i : i + rows],
            range(j, min(j + draws, DRAWS)),
            LAW,
            0,
            "shape",
            packed=packed,
        )
    ]
    return {(a.example_id, a.draw): a for a in answers}


@pytest.mark.slow
def test_block_shapes_agree(nano: LanguageModel, prompts: list[tuple[str, str]]) -> None:
    usual = drawn(nano, prompts, *SHAPES[0])
    assert len(usual) == PROMPTS * DRAWS
    for shape in SHAPES[1:]:
        other = drawn(nano, prompts, *shape)
        assert other.keys() == usual.keys()
        same = sum(other[at].text == usual[at].text for at in usual)
        assert same / len(usual) >= 0.995, shape
        # Where the text is the same its log-probability is too, up to float32.
        assert all(
            other[at].logprob == pytest.approx(usual[at].logprob, abs=1e-3)
            for at in usual
            if other[at].text == usual[at].text
        )


def test_the_same_shape_agrees_to_the_bit(
    nano: LanguageModel, prompts: list[tuple[str, str]]
) -> None:
    assert drawn(nano, prompts[:8], 8, 4) == drawn(nano, prompts[:8], 8, 4)
