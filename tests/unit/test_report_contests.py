"""Choices are made on ``select`` and measured on ``confirm``, also where the two disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rsft_bench.reports.comparisons import comparisons
from rsft_bench.reports.contests import Winner, ladder, winner
from rsft_bench.reports.means import Key, Means
from rsft_bench.reports.naming import Variant

KEY = Key("s", "p")
EXAMPLES = 12
SEEDS = 3


def rows(variant: str, split: str, passed: int) -> list[dict[str, object]]:
    """``passed`` of twelve examples pass, at every seed."""
    return [
        {
            **{"suite": "s", "policy": "p", "variant": variant, "seed": s, "draw": 0},
            **{"example_id": f"{split}-{i:02d}", "split": split, "text": variant},
            **{"finish_reason": "stop", "weight": 1.0, "proxy": 0.5, "logprob": -2.0},
            **{"gold_pass": i < passed, "gold": float(i < passed), "tokens_out": 4},
            **{"served_tokens_out": 4, "cluster": f"c{i:02d}", "stratum": "one"},
        }
        for s in range(SEEDS)
        for i in range(EXAMPLES)
    ]


def means(passes: dict[str, tuple[int, int]]) -> Means:
    """Means from passes on (select, confirm) by variant."""
    found = [
        row
        for variant, (select, confirm) in passes.items()
        for split, passed in (("select", select), ("confirm", confirm))
        for row in rows(variant, split, passed)
    ]
    return Means(pd.DataFrame(found), [])


def table(*variants: Variant) -> dict[str, Variant]:
    return {v.id: v for v in variants}


def rsft(name: str, **parameters: object) -> Variant:
    chosen = {"accept": "argmax", "k": 4, "lambda": 1.0, **parameters}
    return Variant(name, "rsft", chosen, True, False)


MANIFEST = {"status": "complete", "primary": None}


def won(found: Means, settings: dict[str, Variant]) -> Winner | None:
    """The winner with the record that the run's comparisons hold for it."""
    return winner(comparisons(found, MANIFEST, settings), found, KEY, settings, MANIFEST)


SFT_MORE = Variant("sft_more", "sft_more", {}, True, False)


def test_the_winner_is_the_one_of_select_though_confirm_prefers_another() -> None:
    found = won(
        means({"sft_more": (3, 3), "k4": (9, 4), "k8": (4, 11)}),
        table(SFT_MORE, rsft("k4"), rsft("k8", k=8)),
    )
    assert found is not None
    assert found.chosen == {0: "k4", 1: "k4", 2: "k4"}
    assert found.record["estimate"] == pytest.approx((4 - 3) / 12)


def test_each_seed_is_measured_with_the_setting_that_the_others_chose() -> None:
    frame = pd.DataFrame(
        rows("sft_more", "select", 3)
        + rows("sft_more", "confirm", 3)
        + rows("k4", "select", 6)
        + rows("k4", "confirm", 4)
        + rows("k8", "select", 5)
        + rows("k8", "confirm", 11)
    )
    # At seed 0 k8 passes all of select, so seeds 1 and 2 are served k8 and seed 0 keeps k4.
    lucky = (frame["variant"] == "k8") & (frame["split"] == "select") & (frame["seed"] == 0)
    frame["gold_pass"] = frame["gold_pass"] | lucky
    frame["gold"] = frame["gold_pass"].astype(float)
    found = won(Means(frame, []), table(SFT_MORE, rsft("k4"), rsft("k8", k=8)))
    assert found is not None
    assert found.chosen == {0: "k4", 1: "k8", 2: "k8"}
    assert found.record["estimate"] == pytest.approx((1 + 8 + 8) / 36)


def test_the_best_temperature_is_the_one_of_select_though_confirm_prefers_another() -> None:
    passes = {
        **{"sft": (5, 9), "sft[temperature=0]": (8, 2)},
        **{"r": (10, 6), "r[temperature=0]": (4, 12)},
    }
    settings = table(
        Variant("sft", "sft", {}, True, False),
        Variant("sft[temperature=0]", "sft", {"temperature": 0}, True, False),
        rsft("r"),
        rsft("r[temperature=0]", temperature=0),
    )
    folded = means(passes)
    records = comparisons(folded, {**MANIFEST, "primary": "r"}, settings)
    found = ladder(records, folded, KEY, settings, "r")
    assert (found.mine, found.rival) == ("r", "sft[temperature=0]")
    assert found.best is not None
    assert found.best["split"] == "confirm"
    assert found.best["estimate"] == pytest.approx((6 - 2) / 12)


def test_settings_with_the_same_answers_in_every_seed_stay_identical_when_stitched() -> None:
    passes = {"sft_more": (3, 4), "k4": (9, 4), "k8": (4, 11)}
    frame = pd.DataFrame(
        [
            {**row, "text": "one text"}
            for variant, (select, confirm) in passes.items()
            for split, passed in (("select", select), ("confirm", confirm))
            for row in rows(variant, split, passed)
        ]
    )
    settings = table(SFT_MORE, rsft("k4"), rsft("k8", k=8))
    same = won(Means(frame, []), settings)
    assert same is not None
    assert same.record["scope"] == "identical"
    frame.loc[(frame["variant"] == "k4") & (frame["seed"] == 2), "text"] = "another"
    other = won(Means(frame, []), settings)
    assert other is not None
    assert other.record["scope"] == "no interval: no variation"
    assert np.isclose(other.record["estimate"], 0.0)
