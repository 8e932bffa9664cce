"""False alarms and power of the gate, on data simulated from committed variance components.

The components are fitted to 12 recorded seeds of smoke (tools/record_components.py). Smoke trains
for ten steps, so its seeds hardly differ (SD .002 to .01): a gate that only had to face them would
look better than it is. ``restless`` therefore is the recording with the seed SD of .02 from which
the protocol starts (section 6: 5 seeds against 10 pass about .85 at .05, 3 against 3 hardly ever).
"""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tool import tool

from rsft_bench.harness.gate.components import (
    Components,
    fit_values,
    load_components,
    save_components,
)
from rsft_bench.harness.gate.decision import judge, judge_checks
from rsft_bench.harness.gate.margins import (
    Simulated,
    Size,
    artifact_margin,
    recipe_margin,
    remedies,
    simulate_artifact,
    simulate_recipe,
    smallest_margin,
    standard_error,
)
from rsft_bench.harness.seeding import stream

FIXTURE = Path(__file__).parents[1] / "fixtures" / "variance_components.json"
PRIMARY = "rsft[accept=argmax,k=16,lambda=1]"
MARGIN = 0.05
PRESET = Size(run=5, baseline=10)


@pytest.fixture(scope="module")
def fitted() -> list[Components]:
    return load_components(FIXTURE)


@pytest.fixture(scope="module")
def restless(fitted: list[Components]) -> list[Components]:
    seed = ((0.0004, 0.0002), (0.0002, 0.0004))
    return [replace(c, seed=seed) for c in fitted]


@pytest.fixture(scope="module", params=["recorded", "restless"])
def world(
    request: pytest.FixtureRequest, fitted: list[Components], restless: list[Components]
) -> list[Components]:
    return fitted if request.param == "recorded" else restless


@pytest.fixture(scope="module")
def unchanged(world: list[Components]) -> Simulated:
    return simulate_recipe(world, PRESET, seed=1)


def rates(simulated: Simulated, margin: float) -> dict[str, float]:
    words = judge(judge_checks(simulated.estimate, simulated.lower, simulated.p, margin))
    return {w: float((words == w).mean()) for w in ("pass", "regression", "inconclusive")}


def test_an_unchanged_program_is_almost_never_blocked(unchanged: Simulated) -> None:
    found = rates(unchanged, MARGIN)
    assert unchanged.estimate.shape == (2000, 4)
    assert found["regression"] <= 0.01
    assert found["pass"] > 0.8


def test_an_unchanged_program_of_the_recorded_seeds_passes(fitted: list[Components]) -> None:
    found = rates(simulate_recipe(fitted, PRESET, seed=1), MARGIN)
    assert found["regression"] == 0.0
    assert found["pass"] > 0.99
    assert recipe_margin(fitted, PRESET) < MARGIN


@pytest.mark.parametrize("suite", ["order_status", "returns_refunds"])
def test_damage_of_twice_the_margin_is_found(world: list[Components], suite: str) -> None:
    damage = {(suite, PRIMARY): 2 * MARGIN}
    found = rates(simulate_recipe(world, PRESET, seed=1, damage=damage), MARGIN)
    assert found["regression"] >= 0.99
    assert found["pass"] == 0.0


def test_a_program_at_the_margin_passes_at_most_one_time_in_twenty(
    world: list[Components],
) -> None:
    damage = {("order_status", PRIMARY): MARGIN}
    found = rates(simulate_recipe(world, PRESET, seed=1, damage=damage), MARGIN)
    assert found["pass"] < 0.05 + 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_more_seeds_pass_more_often_and_a_small_gate_hardly_ever(
    restless: list[Components],
) -> None:
    passes = [
        rates(simulate_recipe(restless, size, seed=1), MARGIN)["pass"]
        for size in (Size(3, 3), Size(5, 5), PRESET, Size(10, 10))
    ]
    assert passes == sorted(passes)
    assert passes[0] < 0.3
    assert passes[-1] > 0.9


def test_the_computed_margin_passes_ninety_in_a_hundred(
    world: list[Components], unchanged: Simulated
) -> None:
    margin = smallest_margin(unchanged)
    assert rates(unchanged, margin + 1e-9)["pass"] == pytest.approx(0.9, abs=1e-3)
    # An independent simulation agrees: 2,000 trials, |z| < 4, both sides random.
    other = rates(simulate_recipe(world, PRESET, seed=2), margin)["pass"]
    assert abs(other - 0.9) < 4 * (2 * 0.09 / 2000) ** 0.5


def test_scope_artifact_has_a_smaller_margin(fitted: list[Components]) -> None:
    artifact = artifact_margin(fitted, 5)
    assert artifact < recipe_margin(fitted, PRESET)
    found = rates(simulate_artifact(fitted, 5, seed=3), artifact)
    assert abs(found["pass"] - 0.9) < 4 * (2 * 0.09 / 2000) ** 0.5
    assert found["regression"] < 0.01


def test_no_margin_from_two_seeds_or_nine_clusters(fitted: list[Components]) -> None:
    few = [Components(**{**vars(c), "sizes": c.sizes[:9]}) for c in fitted]
    assert recipe_margin(fitted, Size(2, 10)) == np.inf
    assert recipe_margin(few, PRESET) == np.inf
    assert artifact_margin(few, 5) == np.inf


def test_the_seeds_named_as_a_remedy_do_what_is_promised(restless: list[Components]) -> None:
    now, wanted = recipe_margin(restless, PRESET), 0.04
    text = remedies(restless[1], 1, PRESET, wanted / now)
    words = text.split()
    run, baseline = int(words[1]), int(words[6])
    assert text.startswith(f"seeds: {run} in the run and {baseline} in the baseline (now 5 and 10)")
    assert run > 5
    assert recipe_margin(restless, Size(run, baseline)) < wanted * 1.03


def test_the_expected_standard_error_is_that_of_the_simulated_estimates(
    world: list[Components], unchanged: Simulated
) -> None:
    spread = unchanged.estimate.std(axis=0)
    expected = [standard_error(c, k, PRESET) for c in world for k in range(2)]
    assert spread == pytest.approx(expected, rel=4 / (2 * 2000) ** 0.5)
    assert np.abs(unchanged.estimate.mean(axis=0) / spread).max() * 2000**0.5 < 4


def test_the_simulation_depends_on_its_seed_only(fitted: list[Components]) -> None:
    one, again, other = (simulate_recipe(fitted, PRESET, s, 20) for s in (1, 1, 2))
    assert np.array_equal(one.estimate, again.estimate)
    assert not np.array_equal(one.estimate, other.estimate)


def simulated_values(
    seeds: int, sizes: np.ndarray, truth: dict[str, np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Values (N, S, 2) with known covariances; independent of the package's own simulation."""
    group = np.repeat(np.arange(sizes.size), sizes)

    def noise(name: str, *shape: int) -> np.ndarray:
        return rng.multivariate_normal(np.zeros(2), truth[name], size=shape)

    cell = noise("seed_cluster", sizes.size, seeds)[group]
    fixed = noise("cluster", sizes.size)[group] + noise("example", group.size)
    y = fixed[:, None] + noise("seed", seeds) + cell + noise("residual", group.size, seeds)
    return y, group


def test_fitted_components_are_unbiased() -> None:
    rng = stream(0, "components")
    names = ("seed", "cluster", "example", "seed_cluster", "residual")
    base = np.array([[1.0, 0.5], [0.5, 1.0]])
    truth = {name: base * scale for name, scale in zip(names, (2, 3, 1, 0.5, 1.5), strict=True)}
    sizes = np.arange(40) % 4 + 2
    fits = [fit_values(*simulated_values(8, sizes, truth, rng)) for _ in range(150)]
    for name in names:
        found = np.stack([f[name] for f in fits])
        z = (found.mean(axis=0) - truth[name]) / (found.std(axis=0) / 150**0.5)
        assert np.abs(z).max() < 4, name


def test_one_example_a_cluster_leaves_the_noise_in_the_cells() -> None:
    rng = stream(0, "singletons")
    y = rng.normal(size=(60, 6, 1))
    fit = fit_values(y, np.arange(60))
    assert fit["residual"][0, 0] == 0.0
    assert fit["seed_cluster"][0, 0] == pytest.approx(1.0, abs=0.25)
    one_seed = fit_values(y[:, :1], np.arange(60) // 2)
    assert one_seed["seed"][0, 0] == one_seed["residual"][0, 0] == 0.0


def test_components_survive_a_round_trip_and_say_where_they_come_from(
    fitted: list[Components], tmp_path: Path
) -> None:
    save_components(tmp_path / "c.json", fitted, "somewhere")
    assert load_components(tmp_path / "c.json") == fitted


def test_the_components_are_recorded_with_the_command_of_the_tool(
    fitted: list[Components],
) -> None:
    source = json.loads(FIXTURE.read_text())["source"]
    assert source.startswith("Fitted to 12 recorded seeds of preset smoke: rsft-bench run ")
    assert shlex.join(tool("record_components").command()) in source
    assert [c.suite for c in fitted] == ["order_status", "returns_refunds"]
    for c in fitted:
        assert c.seeds >= 12
        assert (len(c.sizes), sum(c.sizes)) == (30, 150)
        assert c.draws == (4.0, 4.0)
        for k, (variant, metric) in enumerate(c.checks):
            assert (variant, metric) == (("sft", PRIMARY)[k], "gold_pass")
            # Every part can be told apart at this size, and a draw's variance is p(1 - p) at most.
            parts = (c.seed, c.cluster, c.example, c.seed_cluster, c.residual)
            assert min(part[k][k] for part in parts) > 0
            assert 0 < c.draw[k] <= c.level[k] * (1 - c.level[k])
            assert c.draw[k] / c.draws[k] == pytest.approx(c.residual[k][k], rel=0.2)
