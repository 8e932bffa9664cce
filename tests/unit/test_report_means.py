"""Rows to means to paired effects, on tables small enough to work by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.errors import NotComparableError
from rsft_bench.harness.statistics import two_way_effect
from rsft_bench.reports.comparisons import comparisons, effect_fields
from rsft_bench.reports.formatting import gain
from rsft_bench.reports.means import Key, Means, difference, full_seeds, paired
from rsft_bench.reports.naming import Variant, variants
from rsft_bench.reports.verdicts import equivalent

KEY = Key("s", "p")


def row(variant: str, seed: int, example: str, passed: bool, **other: object) -> dict[str, object]:
    """One test draw; gold equals gold_pass, weight 1."""
    return {
        **{"suite": "s", "policy": "p", "variant": variant, "seed": seed, "example_id": example},
        **{"draw": 0, "split": "confirm", "text": "x", "finish_reason": "stop", "weight": 1.0},
        **{"gold_pass": passed, "gold": float(passed), "proxy": 0.5, "logprob": -2.0},
        **{"tokens_out": 4, "served_tokens_out": 4, "latency_s": np.nan},
        **{"cluster": f"c-{example}", "stratum": "one"},
        **other,
    }


def grid(variant: str, passes: dict[int, list[bool]]) -> list[dict[str, object]]:
    """Rows of one variant: for each seed, one answer an example."""
    return [
        row(variant, seed, f"e{i:02d}", p) for seed, ps in passes.items() for i, p in enumerate(ps)
    ]


def test_mean_is_weighted_over_draws_then_plain_over_examples() -> None:
    rows = [
        row("a", 0, "e0", True, weight=0.75, tokens_out=8, tone=0.5),
        row("a", 0, "e0", False, weight=0.25, tokens_out=4, tone=np.nan),
        row("a", 0, "e1", False, weight=1.0, tokens_out=2, tone=np.nan),
    ]
    means = Means(pd.DataFrame(rows), ["tone"])
    table = means.table(KEY, "a")
    assert table["gold_pass"].tolist() == [0.75, 0.0]
    assert table["tokens_out"].tolist() == [7.0, 2.0]  # .75 * 8 + .25 * 4
    assert table["overstated"].tolist() == [0.5 - 0.75, 0.5]
    assert table["entropy"].tolist() == [2.0, 2.0]
    assert table["tone"].tolist()[0] == 0.5  # the draw without a tone does not count as 0
    assert np.isnan(table["tone"][1])
    assert means.mean(KEY, "a") == 0.375
    assert means.mean(KEY, "a", "tone") == 0.5
    assert means.keys() == [KEY]
    assert not means.has(KEY, "a", "select")


def test_truncated_and_empty_are_shares_of_answers() -> None:
    rows = [
        row("a", 0, "e0", False, weight=0.5, text="  "),
        row("a", 0, "e0", False, weight=0.5, finish_reason="length"),
    ]
    table = Means(pd.DataFrame(rows), []).table(KEY, "a")
    assert table["empty"].tolist() == [0.5]
    assert table["truncated"].tolist() == [0.5]


def test_gold_pass_is_unknown_where_the_example_has_no_gold() -> None:
    rows = [row("a", 0, "e0", True), row("a", 0, "e1", False, gold=np.nan)]
    means = Means(pd.DataFrame(rows), [])
    assert means.mean(KEY, "a") == 1.0
    assert means.by_seed(KEY, "a") == {0: 1.0}


def test_difference_is_the_two_way_effect_of_the_paired_rows() -> None:
    a = {0: [True] * 8 + [False] * 4, 1: [True] * 6 + [False] * 6}
    b = {0: [True] * 4 + [False] * 8, 1: [False, True] * 6}
    means = Means(pd.DataFrame(grid("a", a) + grid("b", b)[::-1]), [])
    found = difference(means, KEY, "a", "b")
    by_hand = np.array(
        [x - y for s in (0, 1) for x, y in zip(map(int, a[s]), map(int, b[s]), strict=True)]
    )
    cluster = [f"c{i}" for _ in range(2) for i in range(12)]
    expected = two_way_effect(by_hand.astype(float), cluster, [0] * 12 + [1] * 12)
    assert found.estimate == pytest.approx((8 + 6 - 4 - 6) / 24)
    assert found._asdict() == pytest.approx(expected._asdict())
    assert (found.n, found.clusters, found.seeds) == (12, 12, 2)


def test_unequal_examples_raise_and_name_five() -> None:
    a, b = {0: [True] * 9}, {0: [True] * 3}
    means = Means(pd.DataFrame(grid("a", a) + grid("b", b)), [])
    with pytest.raises(NotComparableError, match="6 unpaired, such as e03, e04, e05, e06, e07$"):
        paired(means, KEY, "a", "b")


def test_gold_missing_on_one_side_raises_and_on_both_is_left_out() -> None:
    rows = grid("a", {0: [True, True]}) + grid("b", {0: [True, False]})
    rows[0]["gold"] = np.nan
    with pytest.raises(NotComparableError, match="missing on one side"):
        paired(Means(pd.DataFrame(rows), []), KEY, "a", "b")
    rows[2]["gold"] = np.nan
    assert paired(Means(pd.DataFrame(rows), []), KEY, "a", "b").values.tolist() == [1.0]


def test_partial_runs_keep_what_can_be_paired() -> None:
    rows = grid("a", {0: [True], 1: [True]}) + grid("b", {0: [True], 1: [True]})
    rows += grid("a", {2: [True]})  # seed 2 lacks b
    kept, words = full_seeds(pd.DataFrame(rows))
    assert sorted(set(kept["seed"])) == [0, 1]
    assert words == ["s/p: left out as incomplete: seed 2."]


def manifest(**other: object) -> dict[str, object]:
    """A manifest with three variants and two confirmatory pairs."""
    ids = ("sft_more", "x", "y")
    return {
        "status": "complete",
        "primary": "x",
        "variants": [{"id": i, "method": i, "parameters": {}, "trained": True} for i in ids],
        "confirmatory": [
            {
                "suite": "s",
                "policy": "p",
                "a": a,
                "b": "sft_more",
                "metric": "gold_pass",
                "split": "confirm",
            }
            for a in ("x", "y")
        ],
        **other,
    }


def noisy(variant: str, share: float, rng: np.random.Generator) -> list[dict[str, object]]:
    """Twelve examples, three seeds."""
    return grid(variant, {s: list(rng.random(12) < share) for s in range(3)})


def test_holm_over_the_confirmatory_family_by_hand() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(noisy("sft_more", 0.3, rng) + noisy("x", 0.9, rng) + noisy("y", 0.5, rng))
    found = comparisons(Means(frame, []), manifest(), variants(manifest()))
    assert [r["family"] for r in found] == ["confirmatory", "confirmatory"]
    low, high = sorted(r["p"] for r in found)
    assert sorted(r["p_adj"] for r in found) == pytest.approx([2 * low, max(2 * low, high)])
    keys = "suite policy a b metric split estimate lo hi df n clusters seeds p p_adj family".split()
    assert set(keys) <= set(found[0])


def test_holm_is_adjusted_within_each_suite_and_policy() -> None:
    rng = np.random.default_rng(0)
    frames = []
    for suite, policy in (("s", "p"), ("t", "p"), ("s", "q")):
        rows = noisy("sft_more", 0.3, rng) + noisy("x", 0.9, rng) + noisy("y", 0.6, rng)
        frames.append(pd.DataFrame(rows).assign(suite=suite, policy=policy))
    one = manifest()["confirmatory"]
    planned = [
        {**pair, "suite": suite, "policy": policy}
        for suite, policy in (("s", "p"), ("t", "p"), ("s", "q"))
        for pair in one  # type: ignore[attr-defined]
    ]
    described = manifest(confirmatory=planned)
    found = comparisons(Means(pd.concat(frames), []), described, variants(described))
    assert len(found) == 6
    for suite, policy in (("s", "p"), ("t", "p"), ("s", "q")):
        family = [r for r in found if (r["suite"], r["policy"]) == (suite, policy)]
        low, high = sorted(r["p"] for r in family)
        # Two tests a place: the smaller p doubles. Over all six it would be six times as large.
        assert sorted(r["p_adj"] for r in family) == pytest.approx(
            [min(2 * low, 1), min(max(2 * low, high), 1)]
        )


def test_only_equal_rows_are_identical() -> None:
    """Two arms that fail everywhere: with one text each, with other texts, weights or draws."""
    a = grid("a", {s: [False] * 12 for s in range(3)})
    plain = grid("b", {s: [False] * 12 for s in range(3)})
    found = difference(Means(pd.DataFrame(a + plain[::-1]), []), KEY, "a", "b")
    assert (found.scope, found.estimate, found.lo) == ("identical", 0.0, 0.0)
    assert gain(found) == "0 (identical rows)"
    for change in ({"text": "y"}, {"draw": 1}, {"weight": 0.5}):
        other = [{**r, **change} for r in plain]
        found = difference(Means(pd.DataFrame(a + other), []), KEY, "a", "b")
        assert (found.scope, found.estimate) == ("no interval: no variation", 0.0)
        assert found.lo is found.p is None
        assert gain(found) == "+0.000 (no interval)"
        assert not equivalent(effect_fields(found), 0.03)
    one = [{**r, "text": "y"} if i == 7 else r for i, r in enumerate(plain)]
    found = difference(Means(pd.DataFrame(a + one), []), KEY, "a", "b")
    assert found.scope == "no interval: no variation"


def test_the_order_of_draws_makes_no_other_rows() -> None:
    a, b = (
        [
            row(v, 0, f"e{i:02d}", False, draw=d, text="xyz"[d], weight=1 / 3)
            for i in range(12)
            for d in order
        ]
        for v, order in (("a", (0, 1, 2)), ("b", (2, 0, 1)))
    )
    assert difference(Means(pd.DataFrame(a + b), []), KEY, "a", "b").scope == "identical"
    swapped = [{**r, "text": "zyx"[int(str(r["draw"]))]} for r in b]
    found = difference(Means(pd.DataFrame(a + swapped), []), KEY, "a", "b")
    assert found.scope == "no interval: no variation"


def test_exploratory_pairs_leave_out_confirmatory_ones() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(noisy("sft_more", 0.3, rng) + noisy("x", 0.9, rng) + noisy("y", 0.5, rng))
    described = manifest(confirmatory=[])
    found = comparisons(Means(frame, []), described, variants(described))
    assert [(r["a"], r["b"], r["family"]) for r in found] == [
        ("x", "sft_more", "exploratory"),
        ("y", "sft_more", "exploratory"),
    ]


def test_a_missing_side_fails_a_complete_run_and_stays_unanswered_in_a_partial_one() -> None:
    frame = pd.DataFrame(noisy("sft_more", 0.3, np.random.default_rng(0)))
    with pytest.raises(NotComparableError, match="variant 'x' has no rows"):
        comparisons(Means(frame, []), manifest(), variants(manifest()))
    partial = manifest(status="partial")
    found = comparisons(Means(frame, []), partial, variants(partial))
    assert [(r["estimate"], r["p"], r["p_adj"]) for r in found] == [(None, None, None)] * 2
    assert "has no rows" in found[0]["scope"]


@pytest.mark.parametrize(
    ("variant", "label"),
    [
        (Variant("base", "base", {}, False, False), "base model"),
        (
            Variant("sft[temperature=0]", "sft", {"temperature": 0, "lr": 1}, True, False),
            "SFT, T=0",
        ),
        (
            Variant("r", "rsft", {"accept": "argmax", "k": 4, "lambda": "inf"}, True, True),
            "RSFT (trained on best of 4), λ=∞ (oracle)",
        ),
        (
            Variant(
                "rsft[accept=threshold,k=8,lambda=2,target_rate=0.5]",
                "rsft",
                {"accept": "threshold", "k": 8, "lambda": 2.0, "target_rate": 0.5, "lr": 0.1},
                True,
                False,
            ),
            "RSFT (trained above a threshold, 8 drawn), λ=2, target_rate=0.5",
        ),
        (Variant("b", "best_of_n", {"n": 8}, False, False), "best-of-8 at serving"),
        (Variant("v", "majority_vote", {"n": 8}, False, False), "majority vote of 8 at serving"),
    ],
)
def test_labels(variant: Variant, label: str) -> None:
    assert variant.label == label


def test_equal_labels_are_told_apart_and_no_others() -> None:
    oracle = "rsft[accept=argmax,k=4,lambda=1,oracle=true]"
    rand = {"accept": "random", "k": 4, "lambda": 1}
    best = {"accept": "argmax", "k": 4, "lambda": 1, "pool_temperature": 0.7}
    nested = f"rsft[accept=random,k=4,lambda=1,match={oracle}]"
    items = [
        {"id": "a", "method": "rsft", "parameters": {**rand, "match": "argmax"}},
        {"id": nested, "method": "rsft", "parameters": {**rand, "match": oracle}},
        {"id": oracle, "method": "rsft", "parameters": {**best, "oracle": True}, "oracle": True},
    ]
    table = variants({"variants": items})
    assert [v.label for v in table.values()] == [
        "RSFT (trained on random of 4), λ=1, matched to argmax",
        "RSFT (trained on random of 4), λ=1, matched to RSFT (trained on best of 4), λ=1 (oracle)",
        "RSFT (trained on best of 4), λ=1 (oracle)",
    ]
    best_of = {"id": "b", "method": "best_of_n", "parameters": {"n": 8, "source": oracle}}
    of = variants({"variants": [*items, best_of]})["b"]
    assert of.label == "best-of-8 at serving, from RSFT (trained on best of 4), λ=1 (oracle)"
    voted = {"id": "b", "method": "weighted_vote", "parameters": {"n": 8, "source": oracle}}
    of = variants({"variants": [*items, voted]})["b"]
    assert of.label.startswith("proxy-weighted vote of 8 at serving, from RSFT")
    assert of.on_rsft
    assert not of.best_of
    alone = variants({"variants": items[:1]})
    assert alone["a"].label == "RSFT (trained on random of 4), λ=1"
