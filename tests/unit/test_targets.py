"""What objectives read out of a scored pool: by hand, by property, and the tilted law exactly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.baselines.targets import TARGETS
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import ScoredPool, Targets

READ: dict[str, dict[str, Any]] = {
    "rejected": {"blind": False},
    "tilted": {"beta": 0.5},
    "verdicts": {"omega": "1-r", "neg_weight": 1.0},
    "pairs": {},
}


def pool_of(scores: list[list[float]], texts: list[list[int]] | None = None) -> ScoredPool:
    array = np.array(scores, dtype=np.float64)
    ids = np.arange(array.size).reshape(array.shape) if texts is None else np.array(texts)
    return ScoredPool(array, ids, tuple(f"p{i}" for i in range(len(scores))), 7)


def make(name: str, pool: ScoredPool, accepted: Any = None, **params: Any) -> Targets:
    counts = np.zeros(pool.scores.shape, dtype=np.int64)
    if accepted is not None:
        counts[:] = accepted
    return TARGETS.get(name).make({**READ[name], **params}, pool, counts)


def test_every_target_has_the_properties_below() -> None:
    assert set(TARGETS.names()) == set(READ)


def test_rejected_takes_the_lowest_and_as_many_as_were_accepted() -> None:
    pool = pool_of([[0.9, 0.2, 0.4, 0.1], [0.3, 0.8, 0.7, 0.6], [0.5, 0.1, math.nan, 0.2]])
    found = make("rejected", pool, [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    assert found.counts.tolist() == [[0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
    assert found.shares.tolist() == [[0, 0, 0, 1], [0.5, 0, 0, 0.5], [0, 0, 0, 0]]
    assert found.left_out == 0


def test_an_accepted_text_is_never_rejected_nor_an_equal_score() -> None:
    texts = [[5, 5, 6, 7], [1, 1, 1, 1], [1, 2, 3, 4]]
    pool = pool_of([[0.9, 0.1, 0.3, 0.2], [0.9, 0.1, 0.2, 0.3], [0.5, 0.5, 0.5, 0.5]], texts)
    found = make("rejected", pool, [[2, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    assert found.counts.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert found.left_out == 2


def test_blind_rejection_does_not_look_at_scores() -> None:
    rng = stream(3, "scores")
    accepted = np.zeros((3000, 4), dtype=np.int64)
    accepted[:, 0] = 1
    one, other = (make("rejected", pool_of(rng.random((3000, 4)).tolist()), accepted, blind=True)
                  for _ in range(2))  # fmt: skip
    assert (one.counts == other.counts).all()
    assert (one.counts[:, 0] == 0).all()
    for column in one.counts[:, 1:].T:
        assert abs(column.sum() - 1000) / math.sqrt(3000 * (1 / 3) * (2 / 3)) < 4


def test_tilted_weights_by_hand() -> None:
    pool = pool_of([[0.1, 0.3], [0.9, 0.5], [0.2, math.nan]])
    spread = math.sqrt((0.02 + 0.08) / 2)
    found = make("tilted", pool, beta=2.0)
    low = math.exp(-0.2 / (2 * spread))
    assert found.shares[0] == pytest.approx([low / (1 + low), 1 / (1 + low)])
    assert found.shares[2].tolist() == [1, 0]
    assert found.counts.tolist() == [[1, 1], [1, 1], [1, 0]]


def test_tilt_limits_are_all_and_argmax_with_ties_shared() -> None:
    pool = pool_of([[0.1, 0.3, 0.3], [0.9, 0.5, 0.1]])
    assert make("tilted", pool, beta=math.inf).shares == pytest.approx(np.full((2, 3), 1 / 3))
    cold = make("tilted", pool, beta=1e-9).shares
    assert cold == pytest.approx(np.array([[0, 0.5, 0.5], [1, 0, 0]]))
    assert make("tilted", pool_of([[0.5, 0.5]])).shares.tolist() == [[0.5, 0.5]]


def test_tilted_weights_give_the_tilted_law() -> None:
    """Draws from pi, weighted: the law pi e^{r/(beta s)} / Z, within sampling error.

    Self-normalised weights are biased by O(1/k): one prompt of 200,000 draws leaves |z| < 4.
    """
    pi, reward = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.4, 1.0])
    drawn = stream(11, "draws").choice(3, size=200_000, p=pi)
    pool = ScoredPool(reward[drawn][None], drawn[None].astype(np.int64), ("x",), 7)
    found = make("tilted", pool, beta=0.8).shares[0]
    scale = 0.8 * math.sqrt(float((pi * reward**2).sum() - (pi * reward).sum() ** 2))
    law = pi * np.exp(reward / scale)
    law /= law.sum()
    mass = np.bincount(drawn, weights=found)
    ratio = np.exp(reward[drawn] / scale)
    for y in range(3):
        residual = ratio * ((drawn == y) - law[y])
        error = residual.std() / ratio.mean() / math.sqrt(len(drawn))
        # The scale itself is estimated from the same draws, at a relative error of 1/sqrt(2 n).
        assert abs(mass[y] - law[y]) < 4 * error + 4 * abs(law[y]) / scale / math.sqrt(4e5)


def test_verdicts_by_hand() -> None:
    pool = pool_of([[0.9, 0.2, 0.4, 0.1], [0.3, 0.8, 0.7, 0.6], [0.5, 0.1, 0.2, math.nan]])
    verdict = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    found = make("verdicts", pool, verdict, neg_weight=0.5)
    assert found.rates.tolist() == [0.25, 1.0, 0.0]
    assert found.shares[0] == pytest.approx([0.75 / 4, 0.75 / 8, 0.75 / 8, 0.75 / 8])
    assert found.counts.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert (found.shares[1:] == 0).all()
    assert found.left_out == 2
    even = make("verdicts", pool, verdict, omega="even", neg_weight=0.0)
    assert even.shares.tolist() == [[0.25, 0, 0, 0], [0.25] * 4, [0] * 4]
    assert even.left_out == 1
    grpo = make("verdicts", pool, verdict, omega="grpo").shares[0, 0]
    assert grpo == pytest.approx(math.sqrt(3) / 4)


def test_pairs_by_hand() -> None:
    texts = [[1, 2, 3], [4, 5, 4], [6, 7, 8], [9, 10, 11]]
    scores = [[0.2, 0.9, 0.1], [0.9, 0.5, 0.1], [0.4, 0.4, 0.4], [math.nan, 0.3, 0.6]]
    found = make("pairs", pool_of(scores, texts))
    assert found.counts.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert found.others[0].tolist() == [-1, 2, -1]
    assert found.others[3].tolist() == [-1, -1, 1]
    # Prompt 1's best and worst are one text, prompt 2's scores are one.
    assert found.left_out == 2


@pytest.mark.parametrize("name", sorted(READ))
@given(
    scores=st.lists(
        st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9, math.nan]), min_size=4, max_size=4),
        min_size=2,
        max_size=6,
    ),
    data=st.data(),
)
def test_no_unscored_answer_is_learnt_and_rows_move_together(
    name: str, scores: list[list[float]], data: st.DataObject
) -> None:
    """Permuting prompts permutes the result; the scale of ``tilted`` is the pool's own."""
    pool = pool_of(scores)
    accepted = (pool.scores >= 0.5).astype(np.int64)
    found = make(name, pool, accepted)
    assert (found.shares[~np.isfinite(pool.scores)] == 0).all()
    assert (found.counts[found.shares == 0] == 0).all() or name == "verdicts"
    order = data.draw(st.permutations(range(len(scores))))
    keys = tuple(pool.keys[i] for i in order)
    moved = make(
        name, ScoredPool(pool.scores[order], pool.text_ids[order], keys, 7), accepted[order]
    )
    assert moved.shares == pytest.approx(found.shares[order], abs=1e-12)
    assert (moved.others == found.others[order]).all()
