"""L1 to L19 hold at fast settings, and a deliberate mistake anywhere makes one of them fail."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from rsft_bench.baselines import METHODS, targets
from rsft_bench.baselines.rules import RULES, best, chance, pointwise, statistical
from rsft_bench.baselines.rules.best import Argmax
from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.config_sources import from_mapping
from rsft_bench.harness.errors import UserError
from rsft_bench.harness.laws import LAWS, Check, LawResult, Setting, chosen, measured, nano
from rsft_bench.harness.policies import categorical
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import (
    best_of,
    divergence,
    estimators,
    mixture_radius,
    rejection,
)
from rsft_bench.harness.training import objectives
from rsft_bench.harness.training import weights as weighing
from rsft_bench.harness.variants import expand

SETTING = Setting(Catalog())
COUNTED = [law.id for law in LAWS if law.counts]


def failing(result: LawResult) -> list[Check]:
    return [check for check in result.checks if not check.holds]


def test_twenty_laws_in_order() -> None:
    assert [law.id for law in LAWS] == [f"L{i}" for i in range(1, 21)]
    assert COUNTED == [f"L{i}" for i in range(1, 20)]


@pytest.mark.parametrize("law", COUNTED)
def test_a_law_holds(law: str) -> None:
    ((_, result),) = measured(SETTING, [law])
    assert result.checks
    assert not failing(result)
    assert result.holds is True


@pytest.mark.slow
@pytest.mark.parametrize("law", COUNTED)
def test_a_law_holds_at_full_settings(law: str) -> None:
    full = dataclasses.replace(SETTING, full=True)
    ((_, result),) = measured(full, [law])
    if law != "L17":
        assert not failing(result)
        return
    # docs/aa-grid.md shows one cell of three seeds as failing; the law is told, not tuned.
    (broken,) = failing(result)
    assert broken.what == "A/A cells above 7 % (S=3 share=0.1 C=100), of 27 by 20,000 runs"


def test_l20_is_not_measured_unless_asked_for() -> None:
    ((law, result),) = measured(SETTING, ["L20"])
    assert not law.counts
    assert result.holds is None
    assert result.note == nano.NOT_MEASURED


def test_laws_are_chosen_in_their_own_order_and_a_strange_one_is_named() -> None:
    assert [law.id for law in chosen(["L7", "L3"])] == ["L3", "L7"]
    with pytest.raises(UserError, match="unknown law 'L21'"):
        chosen(["L21"])


def test_a_check_that_is_nan_does_not_hold() -> None:
    bad = Check("x", 0.0, math.nan, -math.inf, math.inf)
    good = Check("y", 0.0, 0.0, 0.0, 0.0)
    result = LawResult("L1", "x", (good, bad))
    assert result.holds is False
    assert result.shown is bad
    assert LawResult("L1", "x", (good,)).shown is good


# A mistake that somebody could make, put into the real object.


class Mutation(NamedTuple):
    """``apply`` breaks one thing; at least one of ``laws`` must then fail."""

    laws: tuple[str, ...]
    apply: Callable[[pytest.MonkeyPatch], None]


def patched(place: Any, name: str, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    def apply(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(place, name, change(getattr(place, name)))

    return apply


def resolving(rule: type, **changes: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """A rule whose resolved form has other numbers than were asked for."""

    def change(resolve: Any) -> Any:
        def wrong(self: Any, params: Mapping[str, Any], pool: Any) -> Any:
            made = resolve(self, params, pool)
            given = {k: v(made) for k, v in changes.items() if hasattr(made, k)}
            return dataclasses.replace(made, **given)

        return wrong

    return patched(rule, "resolve", change)


def other_loss(name: str, change: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    def apply(patch: pytest.MonkeyPatch) -> None:
        items = [
            dataclasses.replace(o, loss=change(o.loss)) if o.name == name else o
            for o in objectives.OBJECTIVES
        ]
        patch.setattr(objectives, "OBJECTIVES", Registry("loss", items))

    return apply


def by_text(select: Any) -> Any:
    """RSO as published: copies of a text are one candidate."""

    def wrong(self: Any, scores: Any, text_ids: Any, keys: Any) -> Any:
        first = np.zeros(scores.shape, dtype=bool)
        for i, row in enumerate(text_ids):
            first[i, np.unique(row, return_index=True)[1]] = True
        return select(self, np.where(first, scores, np.nan), text_ids, keys)

    return wrong


def with_replacement(weights: Any) -> Any:
    """Best-of-n weights as if the pool of N were the law itself: the plug-in estimator."""

    def wrong(proxy: Any, n: int) -> Any:
        order = np.argsort(np.argsort(proxy))
        size = len(order)
        return ((order + 1) / size) ** n - (order / size) ** n

    return wrong


def copied_weights(plain: Any) -> Any:
    """Every answer counts the same, so prompts with many accepted answers count more."""

    def wrong(example_ids: Any, counts: Any, mean_tokens: float, *rest: Any) -> Any:
        return counts / (mean_tokens * counts.sum())

    return wrong


def one_kind_of_variance(combine: Any) -> Any:
    """Seeds are forgotten: only clusters vary."""

    def wrong(estimate: Any, terms: Any, cluster: Any, v_cell: Any) -> Any:
        return combine(estimate, tuple((v * 0.0, d) for v, d in terms), cluster, v_cell * 0.0)

    return wrong


def reversed_ranking(ranked: Any) -> Any:
    return lambda scores, seed, keys: ranked(-scores, seed, keys)


def looking(numbers: Any) -> Any:
    """The random control's numbers follow the order of the draws instead of chance."""
    return lambda seed, purpose, keys, k: np.tile(np.linspace(0, 0.9, k), (len(keys), 1))


FORMULAS = importlib.import_module("rsft_bench.harness.metering.formulas")
# The package's attribute of this name is the function.
TWO_WAY = importlib.import_module("rsft_bench.harness.statistics.two_way")
MUTATIONS: dict[str, Mutation] = {
    # Acceptance rules.
    "argmax takes the worst": Mutation(("L2",), patched(best, "ranked", reversed_ranking)),
    "argmax takes two": Mutation(("L2", "L13"), resolving(Argmax, m=lambda made: 2)),
    "top_m takes one less": Mutation(
        ("L2",), resolving(best.TopM, m=lambda made: max(made.m - 1, 1))
    ),
    "threshold leaves out what lies at tau": Mutation(
        ("L1",), resolving(pointwise.Threshold, below=lambda made: -1.0)
    ),
    "rejection at twice the temperature": Mutation(
        ("L1",), resolving(pointwise.Rejection, scale=lambda made: 2 * made.scale)
    ),
    "statistical collapses copies": Mutation(
        ("L2",), patched(statistical._Statistical, "select", by_text)
    ),
    "best_and_distinct takes one less": Mutation(
        ("L2",), resolving(best.BestAndDistinct, m=lambda made: made.m - 1)
    ),
    "all leaves out the first": Mutation(
        ("L1", "L9"),
        patched(
            pointwise._All,
            "select",
            lambda select: (
                lambda self, s, t, keys: select(self, s, t, keys) * (np.arange(s.shape[1]) > 0)
            ),
        ),
    ),
    "random always takes the same place": Mutation(
        ("L19",), patched(chance, "keyed_uniforms", looking)
    ),
    # Estimators.
    "pass@k by plug-in": Mutation(
        ("L10",),
        patched(estimators, "pass_at_k", lambda f: lambda n, c, k: 1 - (1 - c / n) ** k),
    ),
    "pass^k by plug-in": Mutation(
        ("L10",), patched(estimators, "pass_hat_k", lambda f: lambda n, c, k: (c / n) ** k)
    ),
    "best-of-n by plug-in": Mutation(
        ("L10",), patched(estimators, "best_of_n_weights", with_replacement)
    ),
    "best-of-n law of one draw more": Mutation(
        ("L2", "L3"),
        patched(best_of, "best_of_n_law", lambda law: lambda p, r, n: law(p, r, n + 1)),
    ),
    "k1 with the other sign": Mutation(
        ("L10",), patched(divergence, "kl_terms", lambda f: lambda p, q, e: -f(p, q, e))
    ),
    "M is not the maximum of p/q": Mutation(
        ("L1",), patched(rejection, "table_envelope", lambda f: lambda p, q: 0.7 * f(p, q))
    ),
    # Objectives.
    "prompts weigh by their answers": Mutation(
        ("L7",), patched(weighing, "row_weights", copied_weights)
    ),
    "lambda counts twice": Mutation(
        ("L7",), patched(weighing, "coefficients", lambda f: lambda lam: f(2 * lam))
    ),
    "the fit is not exact": Mutation(
        ("L3", "L7"),
        patched(
            categorical,
            "likelihood_optimum",
            lambda f: lambda mass, start: 0.99 * f(mass, start) + 0.01 * start,
        ),
    ),
    "the anchor's divergence is reversed": Mutation(
        ("L7",),
        other_loss(
            "anchored", lambda loss: lambda logits, group: objectives.likelihood(logits, group)
        ),
    ),
    "NFT without its negative term": Mutation(
        ("L5",),
        other_loss(
            "nft",
            lambda loss: (
                lambda logits, group: objectives.likelihood(
                    logits[group.columns["accepted"]],
                    dataclasses.replace(
                        group,
                        targets=group.targets[group.columns["accepted"]],
                        weights=group.weights[group.columns["accepted"]],
                    ),
                )
            ),
        ),
    ),
    "unlikelihood is likelihood": Mutation(
        ("L5",), other_loss("unlikelihood", lambda loss: objectives.likelihood)
    ),
    "DPO at half of beta": Mutation(
        ("L8",),
        other_loss(
            "preference",
            lambda loss: (
                lambda logits, group: loss(
                    logits,
                    dataclasses.replace(group, settings={"beta": group.settings["beta"] / 2}),
                )
            ),
        ),
    ),
    "RWR at twice the temperature": Mutation(
        ("L8",), patched(targets, "within_prompt_sd", lambda f: lambda scores: 2 * f(scores))
    ),
    # Tests and costs.
    "seed variance is forgotten": Mutation(
        ("L17",), patched(TWO_WAY, "_combine", one_kind_of_variance)
    ),
    "training costs two forwards": Mutation(
        ("L18",),
        patched(FORMULAS, "train_flops", lambda f: lambda config, a, b: f(config, a, b) * 2 / 3),
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_breaks_a_law(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation = MUTATIONS[name]
    mutation.apply(monkeypatch)
    assert any(law.result(SETTING).holds is False for law in chosen(mutation.laws))


def test_every_rule_and_loss_is_broken_once() -> None:
    """A new rule or loss needs a law that notices when it is wrong."""
    named = " ".join(MUTATIONS).lower()
    for rule in RULES.names():
        assert rule in named, rule
    words = {"likelihood": "likelihood", "anchored": "anchor", "preference": "dpo"}
    for loss in objectives.OBJECTIVES.names():
        assert words.get(loss, loss) in named, loss


def test_the_confidence_sequence_is_a_mixture_of_normal_likelihood_ratios() -> None:
    """At its edge the mixture of likelihood ratios over N(0, 1/rho) is 1/alpha, by quadrature."""
    t, sd, alpha, planned = 50.0, 0.7, 0.05, 100.0
    a = -2 * math.log(alpha)
    rho = planned * sd**2 / (a + math.log(a))
    edge = t * float(mixture_radius(np.array([t]), sd, alpha, planned)[0])
    mu = np.linspace(-8, 8, 400_001) / math.sqrt(rho)
    prior = np.exp(-rho * mu**2 / 2) * math.sqrt(rho / (2 * math.pi))
    ratio = np.exp(mu * edge - mu**2 * t * sd**2 / 2)
    assert np.trapezoid(prior * ratio, mu) == pytest.approx(1 / alpha, rel=1e-9)
    with pytest.raises(ValueError, match="counts"):
        mixture_radius(np.array([0.0]), 1.0)


def test_the_run_of_l20_is_a_config_whose_ids_are_those_it_reads() -> None:
    ids = [v.id for v in expand(from_mapping(nano.config()).config, METHODS)]
    assert ids == ["sft", *map(nano.variant, nano.SIZES)]


def table_of_runs(steps: tuple[float, ...]) -> Any:
    import pandas as pd

    rng = stream(0, "l20")
    rows = []
    for seed in range(5):
        for c in range(30):
            noise = rng.normal(0, 0.02)
            for k, level in zip(nano.SIZES, steps, strict=True):
                proxy = level + noise + rng.normal(0, 0.01)
                rows.append((seed, f"e{c}", f"c{c}", nano.variant(k), "confirm", proxy))
    names = ["seed", "example_id", "cluster", "variant", "split", "proxy"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize(
    ("steps", "held"),
    [((0.3, 0.5, 0.6, 0.65, 0.66), True), ((0.3, 0.5, 0.6, 0.4, 0.4), False)],
)
def test_l20_reports_what_it_finds(steps: tuple[float, ...], held: bool) -> None:
    asked: list[Any] = []

    def run(config: Mapping[str, Any]) -> Any:
        asked.append(config)
        return table_of_runs(steps)

    setting = dataclasses.replace(SETTING, full=True, run=run)
    ((_, result),) = measured(setting, ["L20"])
    assert result.holds is held
    assert len(result.checks) == 7
    assert len(asked[0]["seeds"]) == 5
