"""Diagnostics, accept audit and break-even against numbers worked by hand or by enumeration."""

from __future__ import annotations

from itertools import combinations
from math import inf

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.statistics import best_of_curve
from rsft_bench.reports.audit import accept_audits
from rsft_bench.reports.diagnostics import (
    draw_matrices,
    headroom,
    passes,
    proxy_quality,
)
from rsft_bench.reports.economics import (
    BreakEven,
    Cost,
    _crossing,
    _resampled,
    break_even,
    n_max,
    source_of,
)
from rsft_bench.reports.formatting import big, gain, p_value, rate, seconds, signed
from rsft_bench.reports.means import Key, Means
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
    curve = best_of_curve(proxy, passed.astype(float), range(1, 7))
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
    cells["rows_a"] = 1
    cells["sample_flops"], cells["score_flops"] = 30.0, 10.0
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
    # 24 tokens were drawn and 40 FLOPs paid for the two accepted copies.
    assert found.proposal == "sft[temperature=1]"
    assert (found.tokens_each, found.flops_each) == (12.0, 20.0)


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
    cell = {"suite": "s", "policy": "p", "variant": "v", "tau": np.nan, "rows_a": 1}
    cells = pd.DataFrame([cell])
    variant = Variant("v", "rsft", {"k": 1}, True, False)
    assert accept_audits(pool, selected, cells, KEY, {"v": variant}) == []


def test_a_pool_at_another_temperature_is_not_mixed_in() -> None:
    pool = pd.DataFrame(
        [
            {
                **{"suite": "s", "policy": "p", "seed": 0, "round": 0, "example_id": "e0"},
                **{"proposal": f"sft[temperature={heat}]", "draw": 0, "text_id": 0},
                **{"tokens_out": tokens, "proxy": 0.5, "gold": gold, "gold_pass": gold == 1.0},
            }
            for heat, tokens, gold in (("1", 5, 1.0), ("0.7", 9, 0.0))
        ]
    )
    base = pool[["suite", "policy", "seed", "round", "example_id", "draw"]].iloc[:1]
    names = ("hot", "cool", "logs")
    selected = pd.concat([base.assign(variant=v, count=1, row_weight=1.0) for v in names])
    cells = pd.DataFrame(
        [
            {"suite": "s", "policy": "p", "variant": v, "tau": np.nan, "rows_a": n}
            | {"sample_flops": 30.0, "score_flops": 10.0}
            for v, n in (("hot", 1), ("cool", 1), ("logs", 0))
        ]
    )
    table = {
        "hot": Variant("hot", "rsft", {"k": 1}, True, False),
        "cool": Variant("cool", "rsft", {"k": 1, "pool_temperature": 0.7}, True, False),
        "logs": Variant("logs", "sft_filtered", {}, True, False),
    }
    audits = accept_audits(pool, selected, cells, KEY, table)
    # Precision follows each variant's own pool; what was kept of D is no accepted set of the pool.
    assert {a.variant: a.precision for a in audits} == {"hot": 1.0, "cool": 0.0}
    assert {a.proposal: a.tokens_each for a in audits} == {
        "sft[temperature=1]": 5.0,
        "sft[temperature=0.7]": 9.0,
    }
    assert [a.flops_each for a in audits] == [40.0, 40.0]


def test_break_even_by_hand() -> None:
    # Columns: best-of-1, -2, -3, then RSFT. Serving n costs 10, 15, 20; RSFT cost 1000 once.
    values = np.array([[0.5, 0.6, 0.7, 0.65], [0.5, 0.6, 0.7, 0.5], [0.5, 0.6, 0.7, 0.9]])
    n_star, requests = _crossing(values, np.array([10.0, 15.0, 20.0]), 1000.0)
    assert n_star.tolist() == [3, 1, inf]
    assert requests.tolist() == [100.0, inf, 0.0]  # 1000 / (20 - 10); never; from the start
    _, unknown = _crossing(values, np.full(3, np.nan), 1000.0)
    assert np.isnan(unknown[0])  # no request was timed
    assert unknown[1:].tolist() == [inf, 0.0]


def best_of(n: int, source: str | None = None) -> Variant:
    """A best-of-n variant; without a source it ranks sft."""
    given = {"n": n} | ({} if source is None else {"source": source})
    inner = ",".join(f"{name}={value}" for name, value in given.items())
    return Variant(f"best_of_n[{inner}]", "best_of_n", given, False, False)


RIVALS = {v.id: v for v in (best_of(2, "rsft"), best_of(2), best_of(4, "rsft"))}


def economy(serving: dict[str, float]) -> BreakEven:
    """Two examples: best-of-2 of sft passes .5 as rsft does, one draw of sft .25."""
    passed = [[True, False], [False, False]]
    sft = draws(passed, [[0.9, 0.1], [0.5, 0.5]]).assign(weight=0.5, variant="sft")
    best = sft.assign(weight=[1.0, 0.0, 0.5, 0.5])
    rsft = draws([[True, True], [False, False]], [[0.9, 0.9], [0.1, 0.1]]).assign(weight=0.5)
    tables = [sft, rsft.assign(variant="rsft"), *(best.assign(variant=name) for name in RIVALS)]
    rows = pd.concat(tables, ignore_index=True).assign(suite="s", policy="p", split="confirm")
    rows = rows.assign(
        logprob=0.0,
        finish_reason="stop",
        stratum="q",
        text="a",
        tokens_out=1,
        served_tokens_out=1,
        latency_s=np.nan,
    )
    means = Means(rows, [])
    spent = [
        Cost(name, 1000.0, 0.0, 0.0, 0.0, 0.0, flops, 0.0, None, 0.0, 0.0)
        for name, flops in serving.items()
    ]
    assert source_of(means, KEY, RIVALS) == "sft"
    assert n_max(means, KEY, RIVALS) == 2
    found = break_even(means, sft, spent, KEY, "rsft", RIVALS)
    assert found is not None
    return found


def test_break_even_reads_the_serving_cost_of_its_own_source() -> None:
    """Best-of-2 of rsft costs ten times best-of-2 of sft, and another curve is another question."""
    names = ["sft", "rsft", *RIVALS]
    found = economy(dict(zip(names, [10.0, 10.0, 200.0, 20.0, 400.0], strict=True)))
    assert (found.n_star, found.n_max) == (2, 2)
    assert found.requests == 100.0  # 1000 / (20 - 10)


def test_untimed_requests_leave_the_break_even_unknown() -> None:
    found = economy(dict.fromkeys(["sft", "rsft", *RIVALS], float("nan")))
    assert found.n_star == 2
    assert found.requests is None
    assert found.requests_interval is None


def luck(seeds: int) -> pd.DataFrame:
    """Units of 12 clusters whose best-of-2 reaches RSFT at even seeds and falls short at odd ones.

    Clusters are alike, so only resampled seeds can move the crossing.
    """
    return pd.DataFrame(
        [
            {"seed": s, "cluster": f"c{c}", 1: 0.2, 2: 0.9 if s % 2 == 0 else 0.1, "gold_pass": 0.5}
            for s in range(seeds)
            for c in range(12)
        ]
    )


def test_ten_seeds_are_resampled_and_nine_are_not() -> None:
    few, label = _resampled(luck(9), [1, 2, "gold_pass"])
    assert label == "clusters resampled, seeds fixed"
    assert few[:, 1] == pytest.approx((5 * 0.9 + 4 * 0.1) / 9)
    many, label = _resampled(luck(10), [1, 2, "gold_pass"])
    assert label == "clusters and seeds resampled"
    # Best-of-2 in a replicate is .1 + .8 B/10, B binomial(10, 1/2): mean .5, SD .8 sqrt(.025).
    spread = 0.8 * 0.025**0.5
    assert abs(many[:, 1].mean() - 0.5) / (spread / len(many) ** 0.5) < 4
    assert many[:, 1].std() == pytest.approx(spread, rel=4 / (2 * len(many)) ** 0.5)
    assert many[:, 0] == pytest.approx(0.2)


def test_resampled_clusters_are_weighted_by_their_examples() -> None:
    # Cluster c of eleven has 1 example of value 0, the twelfth has 20 of value 1.
    rows = [{"seed": 0, "cluster": f"c{c}", "x": 0.0} for c in range(11)]
    rows += [{"seed": 0, "cluster": "c11", "x": 1.0} for _ in range(20)]
    found, _ = _resampled(pd.DataFrame(rows), ["x"])
    # Drawn t times of twelve, it holds 20 t of 20 t + 12 - t examples.
    times = np.arange(13)
    allowed = 20 * times / (20 * times + 12 - times)
    assert np.abs(found[:, 0][:, None] - allowed).min(axis=1).max() < 1e-12
    assert len(np.unique(found.round(9))) > 3


@pytest.mark.parametrize(
    ("seeds", "label"),
    [(9, "clusters resampled, seeds fixed"), (10, "clusters and seeds resampled")],
)
def test_break_even_says_what_its_intervals_resample(seeds: int, label: str) -> None:
    sample = [
        {
            **{"suite": "s", "policy": "p", "variant": v, "seed": s, "draw": d},
            **{"example_id": f"e{i}", "split": "confirm", "text": "x", "weight": 1 / 2},
            **{"finish_reason": "stop", "proxy": float(d), "logprob": -1.0, "tokens_out": 1},
            **{"served_tokens_out": 1, "cluster": f"c{i}", "stratum": "one"},
            **{"gold_pass": passes(i, d), "gold": float(passes(i, d))},
        }
        for v, passes in (
            ("sft", lambda i, d: i % 3 == 0 or d == 1),
            ("best_of_n[n=2]", lambda i, d: d == 1),
            ("r", lambda i, d: i % 4 < 3),
        )
        for s in range(seeds)
        for i in range(12)
        for d in (0, 1)
    ]
    frame = pd.DataFrame(sample)
    table = {"best_of_n[n=2]": Variant("best_of_n[n=2]", "best_of_n", {"n": 2}, False, False)}
    price = dict(zip(("sft", "best_of_n[n=2]", "r"), (10.0, 20.0, 10.0), strict=True))
    spent = [Cost(v, 100.0, 1.0, 0, 0, 0, f, 1, None, 0, 0.1) for v, f in price.items()]
    found = break_even(Means(frame, []), frame[frame["variant"] == "sft"], spent, KEY, "r", table)
    assert found is not None
    assert found.n_star == 2
    assert found.n_interval is not None
    assert found.n_interval.label == found.resampled == label
    assert found.requests_interval is not None
    assert found.requests_interval.label == label


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
