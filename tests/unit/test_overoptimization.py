"""Gold and proxy against the distance from SFT, on rows whose turning point is known."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from rsft_bench.harness.seeding import stream
from rsft_bench.reports.means import Key, Means
from rsft_bench.reports.naming import Variant
from rsft_bench.reports.overoptimization import Pressure, called, pressures
from rsft_bench.reports.pressure_figure import curve
from rsft_bench.reports.sections_overoptimization import turning

KEY = Key("suite", "policy")
CLUSTERS, EACH, SEEDS, DRAWS = 30, 4, 3, 32
ARMS = [f"rsft[accept=argmax,k=16,lambda=inf{r}]" for r in ("", ",rounds=2", ",rounds=3")]
TURNING, RISING = (0.9, [0.65, 0.9, 0.7, 0.3]), (1.0, [0.75, 0.8, 0.86, 0.93])


def table() -> dict[str, Variant]:
    found = {"sft": Variant("sft", "sft", {}, True, False)}
    for i, name in enumerate(ARMS):
        parameters = {"accept": "argmax", "k": 16, "lambda": "inf", "rounds": i + 1}
        found[name] = Variant(name, "rsft", parameters, True, False)
    return found


def rows(cut: float, levels: list[float], clusters: int = CLUSTERS) -> pd.DataFrame:
    """SFT's answers pass where .25 < proxy < ``cut``; the rounds' pass rates are ``levels``."""
    frames = []
    for seed in range(SEEDS):
        for at, name in enumerate(["sft", *ARMS]):
            draws = DRAWS if at == 0 else 2
            rng = stream(seed, "overoptimization", name)
            units = clusters * EACH
            proxy = rng.random((units, draws))
            passed = rng.random((units, draws)) < levels[at]
            if at == 0:
                passed = (proxy > 0.25) & (proxy < cut)
            frames.append(frame(seed, name, proxy, passed, rng.normal(0.25 * at, 0.1, proxy.shape)))
    return pd.concat(frames, ignore_index=True)


def frame(
    seed: int, name: str, proxy: np.ndarray, passed: np.ndarray, ratio: np.ndarray
) -> pd.DataFrame:
    units, draws = proxy.shape
    example = np.repeat(np.arange(units), draws)
    return pd.DataFrame(
        {
            **{"suite": KEY.suite, "policy": KEY.policy, "variant": name, "seed": seed},
            **{"split": "confirm", "stratum": "all", "finish_reason": "stop", "tokens_out": 5},
            "served_tokens_out": 5,
            "example_id": [f"e{i:03d}" for i in example],
            "cluster": [f"c{i // EACH:02d}" for i in example],
            "draw": np.tile(np.arange(draws), units),
            "text": "answer",
            "weight": 1 / draws,
            "gold": passed.ravel().astype(float),
            "gold_pass": passed.ravel(),
            "proxy": proxy.ravel(),
            "logprob": -20.0,
            "log_ratio": np.nan if name == "sft" else ratio.ravel(),
        }
    )


def found(cut: float, levels: list[float], clusters: int = CLUSTERS) -> list[Pressure]:
    data = rows(cut, levels, clusters)
    draws = data[data["variant"] == "sft"]
    return pressures(Means(data, ["log_ratio"]), KEY, table(), draws, "sft")


def test_a_turning_point_is_found_where_the_law_has_it() -> None:
    """P(best of n passes) = .9^n - .25^n: .650, .748, .652, .430, .185 for n = 1, 2, 4, 8, 16."""
    best, rounds = found(*TURNING)
    assert best.turning is not None
    assert (best.turning.n, best.turning.lo, best.turning.hi) == (2, 2, 2)
    assert best.turning.seen
    for step in best.steps:
        assert step.gold.value == pytest.approx(0.9**step.size - 0.25**step.size, abs=0.03)
        assert step.proxy.value == pytest.approx(step.size / (step.size + 1), abs=0.03)
        # Answers of probability e^-20 are as good as distinct, so the bound is reached.
        n = step.size
        assert step.kl.value == pytest.approx(log(n) - (n - 1) / n, abs=1e-4)
    assert rounds.turning is not None
    assert (rounds.turning.n, rounds.turning.seen) == (1, True)
    assert rounds.turning.lo <= 1 <= rounds.turning.hi < 3
    assert "gold turns down: gold is highest at n=2 (" in turning(best)
    assert "gold turns down: gold is highest at rounds=1 (" in turning(rounds)


def test_no_turning_point_is_seen_where_there_is_none() -> None:
    best, rounds = found(*RISING)
    assert turning(best).startswith("no turning point seen up to n=16: gold is highest at n=16")
    assert turning(rounds).startswith("no turning point seen up to rounds=3")
    for p in (best, rounds):
        assert p.turning is not None
        assert not p.turning.seen
        assert p.turning.hi == p.steps[-1].size


def test_the_distance_of_rounds_is_the_mean_ratio() -> None:
    _, rounds = found(*RISING)
    assert [step.size for step in rounds.steps] == [0, 1, 2, 3]
    assert rounds.steps[0].kl == (0.0, 0.0, 0.0)
    for step in rounds.steps[1:]:
        se = 0.1 / sqrt(CLUSTERS * EACH * SEEDS * 2)
        assert abs(step.kl.value - 0.25 * step.size) < 4 * se
        assert step.kl.lo is not None
        assert step.kl.hi is not None
        assert step.kl.lo < step.kl.value < step.kl.hi
    assert rounds.covers == "new seeds and new prompts"


def test_few_clusters_leave_the_turning_point_open() -> None:
    for p in found(*TURNING, 5):
        assert p.turning is None
        assert "needs at least 10 clusters" in turning(p)
        assert all(step.gold.lo is None for step in p.steps)


def test_runs_that_did_not_measure_the_distance_have_no_curve() -> None:
    data = rows(*RISING).drop(columns="log_ratio")
    assert pressures(Means(data, []), KEY, table(), data[data["variant"] == "sft"], "sft") == []


def test_the_figure_draws_proxy_and_gold_and_marks_the_top() -> None:
    best, _ = found(*TURNING)
    ax = curve(Figure().subplots(), best)
    top, proxy, gold = ax.lines
    x = [sqrt(step.kl.value) for step in best.steps]
    assert list(proxy.get_ydata()) == [step.proxy.value for step in best.steps]
    assert list(gold.get_ydata()) == [step.gold.value for step in best.steps]
    assert list(gold.get_xdata()) == pytest.approx(x)
    assert list(top.get_xdata()) == pytest.approx([x[1], x[1]])
    assert top.get_linestyle() == "-"
    assert called(best, str.upper) == "best-of-n of SFT"
