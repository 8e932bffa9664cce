"""Diagnostics, accept audit and break-even against numbers worked by hand or by enumeration."""

from __future__ import annotations

from itertools import combinations
from math import inf

import numpy as np
import pandas as pd
import pytest

from rsft_bench.reports.audit import accept_audits
from rsft_bench.reports.diagnostics import (
    best_of_curve,
    draw_matrices,
    headroom,
    passes,
    proxy_quality,
)
from rsft_bench.reports.economics import _crossing
from rsft_bench.reports.formatting import big, gain, p_value, rate, seconds, signed
from rsft_bench.reports.means import Key
from rsft_bench.reports.naming import Variant
from rsft_bench.reports.plots import spread

KEY = Key("s", "p")


def draws(passed: list[list[bool]], proxy: list[list[float]]) -> pd.DataFrame:
    """Test draws of one seed: one list of draws an example."""
    return pd.DataFrame(
        [
            {
                **{"seed": 0, "example_id": f"e{i}", "draw": j, "cluster": f"c{i}"},
                **{"gold": float(passed[i][j]), "gold_pass": passed[i][j], "proxy": proxy[i][j]},
            }
            for i in range(len(passed))
            for j in range(len(passed[i]))
        ]
    )


def test_best_of_n_agrees_with_enumeration() -> None:
    rng = np.random.default_rng(1)
    passed, proxy = rng.random((3, 6)) < 0.5, rng.random((3, 6))
    curve = best_of_curve(passed.astype(float), proxy, range(1, 7))
    for i in range(3):
        for n in range(1, 7):
            best = [
                passed[i][max(chosen, key=lambda j, i=i: proxy[i][j])]
                for chosen in combinations(range(6), n)
            ]
            assert curve[i, n - 1] == pytest.approx(np.mean(best))


def test_headroom_and_passes_by_hand() -> None:
    frame = draws([[True, False, False, False], [False] * 4], [[0.1, 0.2, 0.3, 0.4], [0.5] * 4])
    found = headroom(frame)
    assert found is not None
    assert (found.k, found.pass_1, found.pass_k) == (4, 0.125, 0.5)
    assert found.best_k == 0.0  # the proxy ranks the only passing answer last
    assert (found.oracle, found.proxy) == (0.375, -0.125)
    got = passes(frame)
    assert (got.pass_1, got.pass_16, got.pass_hat_4) == (0.125, None, 0.0)
    assert headroom(draws([[True]], [[0.5]])) is None


def test_uneven_draws_have_no_matrix() -> None:
    frame = draws([[True, False], [True, False]], [[0.1, 0.2], [0.1, 0.2]]).iloc[:3]
    assert draw_matrices(frame) is None


def test_proxy_auc_by_hand() -> None:
    # Overall: positives .9, .2; negatives .8, .1: 3 of 4 pairs. Within e0: 1; within e1: 1.
    frame = draws([[True, False], [True, False]], [[0.9, 0.8], [0.2, 0.1]])
    found = proxy_quality(frame)
    assert found.overall == 0.75
    assert found.within == 1.0
    # (.1^2 + .8^2 + .8^2 + .1^2) / 4
    assert found.brier == pytest.approx(0.325)
    assert found.brier_range == (found.brier, found.brier)


def test_accept_audit_by_hand() -> None:
    # Two prompts, two draws; e0 accepts draw 0 twice (multiplicity 2), e1 nothing.
    pool = pd.DataFrame(
        [
            {
                **{"suite": "s", "policy": "p", "seed": 0, "proposal": "sft", "round": 0},
                **{"example_id": e, "draw": d, "text_id": d, "tokens_out": t, "proxy": q},
                **{"gold": float(g), "gold_pass": g},
            }
            for e, d, t, q, g in (
                ("e0", 0, 10, 0.9, True),
                ("e0", 1, 4, 0.2, False),
                ("e1", 0, 4, 0.3, False),
                ("e1", 1, 6, 0.4, False),
                ("e1", 2, 99, 0.99, True),  # beyond k = 2
            )
        ]
    )
    variant = Variant("v", "rsft", {"accept": "argmax", "k": 2, "lambda": 1.0}, True, False)
    selected = pd.DataFrame(
        [
            {
                **{"suite": "s", "policy": "p", "variant": "v", "seed": 0, "round": 0},
                **{"example_id": "e0", "draw": 0, "count": 2, "row_weight": 1.0},
            }
        ]
    )
    cells = pd.DataFrame([{"suite": "s", "policy": "p", "variant": "v", "seed": 0, "tau": np.nan}])
    (found,) = accept_audits(pool, selected, cells, KEY, {"v": variant})
    assert found.accept_rate == 0.5  # 2 copies of 4 draws
    assert found.coverage == 0.5
    assert (found.uncovered, found.distinct, found.duplicates) == (1, 1, 0.5)
    assert found.length_shift == 10 - 6.0
    assert found.precision == 1.0
    assert found.overstated == pytest.approx(-0.1)
    assert found.pool_pass == 0.25
    # λ_x = 1 * 2 / 1 = 2 on e0: share 2/3; 0 on e1. Quantiles of {0, 2/3}.
    assert found.share == pytest.approx((0.1 * 2 / 3, 1 / 3, 0.9 * 2 / 3))
    assert found.tau is None


def test_ambiguous_pool_rows_give_no_audit() -> None:
    pool = pd.DataFrame(
        [
            {
                **{"suite": "s", "policy": "p", "seed": 0, "proposal": name, "round": 0},
                **{"example_id": "e0", "draw": 0, "text_id": 0, "tokens_out": 5, "proxy": 0.5},
                **{"gold": 1.0, "gold_pass": True},
            }
            for name in ("sft", "sft_more")
        ]
    )
    selected = pool[["suite", "policy", "seed", "round", "example_id", "draw"]].iloc[:1]
    selected = selected.assign(variant="v", count=1, row_weight=1.0)
    cells = pd.DataFrame([{"suite": "s", "policy": "p", "variant": "v", "tau": np.nan}])
    variant = Variant("v", "rsft", {"k": 1}, True, False)
    assert accept_audits(pool, selected, cells, KEY, {"v": variant}) == []


def test_break_even_by_hand() -> None:
    # Columns: best-of-1, -2, -3, then RSFT. Serving n costs 10, 15, 20; RSFT cost 1000 once.
    values = np.array([[0.5, 0.6, 0.7, 0.65], [0.5, 0.6, 0.7, 0.5], [0.5, 0.6, 0.7, 0.9]])
    n_star, requests = _crossing(values, np.array([10.0, 15.0, 20.0]), 1000.0)
    assert n_star.tolist() == [3, 1, inf]
    assert requests.tolist() == [100.0, inf, 0.0]  # 1000 / (20 - 10); never; from the start


def test_labels_are_moved_apart_inside_the_axes_in_their_order() -> None:
    placed = spread([0.5, 0.5, 0.51, 0.99], 0.1, 0.0, 1.0)
    assert sorted(placed) == placed
    assert min(np.diff(placed)) == pytest.approx(0.1)
    assert max(placed) <= 1.0
    assert spread([0.1, 0.9], 0.1, 0.0, 1.0) == [0.1, 0.9]


def test_numbers_as_words() -> None:
    assert signed(-0.0001) == "+0.000"
    assert signed(0.0314, 2) == "+0.03"
    assert rate(None) == rate(float("nan")) == "n/a"
    assert big(3_990_000_000_000, "FLOP") == "3.99 TFLOP"
    assert seconds(0.0123) == "12.3 ms"
    assert seconds(1200) == "20 min"
    assert p_value(0.0004) == "<0.001"
    e = {"estimate": 0.1, "lo": None, "hi": None, "scope": "no interval: 6 clusters"}
    assert gain(e) == "+0.100 (no interval)"
    assert gain({**e, "scope": "identical"}) == "0 (identical rows)"
