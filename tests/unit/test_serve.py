"""Stage ``serve``: requests of all variants in turn, timed, on the answers that are evaluated."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rsft_bench.harness import sampling as sampling_module
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.metering.formulas import proxy_score_flops, sample_flops
from rsft_bench.harness.policies.language_model import LanguageModel, save
from rsft_bench.harness.rewards.proxy import ProxyReward, fit_proxy
from rsft_bench.harness.sampling import sample
from rsft_bench.harness.stages import Outcome, Work, serve
from rsft_bench.harness.store import read_rows
from rsft_bench.harness.types import Sampling

SEED = 3
PROMPTS = [
    [f"confirm/{i}", f"Policy: none.\nRecord: id: {n}\nCustomer: id?\nAgent:"]
    for i, n in enumerate((12, 34, 56))
]
SETTINGS = {"top_p": 1.0, "max_new_tokens": 6}
ENTRIES = [
    {"variant": "one", "policy": 0, "temperature": 1.0, "n": 1, "method": None},
    {"variant": "other", "policy": 1, "temperature": 1.0, "n": 1, "method": None},
    {"variant": "greedy", "policy": 0, "temperature": 0.0, "n": 1, "method": None},
    {"variant": "best", "policy": 0, "temperature": 1.0, "n": 4, "method": "best_of_n"},
    {"variant": "voted", "policy": 0, "temperature": 1.0, "n": 4, "method": "majority_vote"},
]
TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})


class Served:
    """One run of the stage: its rows, its outcome, and the order in which answers were drawn."""

    def __init__(self, rows: list[dict[str, Any]], outcome: Outcome, calls: list[Any]) -> None:
        self.rows, self.outcome, self.calls = rows, outcome, calls

    def of(self, variant: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["variant"] == variant]


@pytest.fixture(scope="module")
def models(make_tiny_lm: Callable[..., LanguageModel]) -> list[LanguageModel]:
    return [make_tiny_lm(0), make_tiny_lm(1)]


@pytest.fixture(scope="module")
def proxy(models: list[LanguageModel]) -> ProxyReward:
    texts = [row.text for row in draw(models[0], 16)]
    labels = np.array(["e" in text for text in texts])
    prompts = [prompt for _, prompt in PROMPTS for _ in range(16)]
    return fit_proxy(prompts, texts, labels, prompts, 0)[0]


@pytest.fixture(scope="module")
def served(
    models: list[LanguageModel], proxy: ProxyReward, tmp_path_factory: pytest.TempPathFactory
) -> Served:
    folder = tmp_path_factory.mktemp("serve")
    for i, lm in enumerate(models):
        save(lm, folder / f"policy-{i}" / "weights")
    proxy.save(folder / "judge" / "proxy")
    (folder / "judge" / "reward.json").write_text('{"name": "proxy"}')
    (folder / "out").mkdir()
    calls: list[Any] = []

    def watched(lm: LanguageModel, prompts: Any, draws: range, *rest: Any, **more: Any) -> Any:
        calls.append((prompts[0][0], len(draws), os.getpid()))
        return sample(lm, prompts, draws, *rest, **more)

    params = {"entries": ENTRIES, "prompts": PROMPTS, "sampling": SETTINGS, "seed": SEED}
    params |= {"suite": "toy"}
    inputs = {
        "policies": [folder / "policy-0", folder / "policy-1"],
        "proxy": [folder / "judge"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling_module, "sample", watched)
        outcome = serve.run(Work(params, inputs, folder / "out", TOY))
    return Served(read_rows(folder / "out" / "rows.jsonl"), outcome, calls)


def draw(lm: LanguageModel, draws: int, temperature: float = 1.0) -> list[Any]:
    """The test draws of a block of all prompts, prompt by prompt."""
    asked = [(example_id, prompt) for example_id, prompt in PROMPTS]
    law = Sampling(temperature=temperature, **SETTINGS)
    return sample(lm, asked, range(draws), law, SEED, "test")


def test_variants_take_turns_in_one_process(served: Served) -> None:
    """Every prompt is answered by all variants before the next, each time another one first."""
    names = [entry["variant"] for entry in ENTRIES]
    order = [row["variant"] for row in served.rows]
    for i in range(len(PROMPTS)):
        turn = order[5 * i : 5 * i + 5]
        shift = (i + serve.WARM_UP_PROMPTS) % 5
        assert turn == names[shift:] + names[:shift]
        assert {row["example_id"] for row in served.rows[5 * i : 5 * i + 5]} == {PROMPTS[i][0]}
    asked = [example_id for example_id, _, _ in served.calls]
    warm = [PROMPTS[0][0]] * 5 + [PROMPTS[1][0]] * 5
    assert asked == warm + [row["example_id"] for row in served.rows]
    assert {pid for _, _, pid in served.calls} == {os.getpid()}


@pytest.mark.parametrize(("name", "at", "heat"), [("one", 0, 1), ("other", 1, 1), ("greedy", 0, 0)])
def test_the_timed_answer_is_the_first_test_draw(
    served: Served, models: list[LanguageModel], name: str, at: int, heat: float
) -> None:
    expected = [row.text for row in draw(models[at], 1, heat)]
    assert [row["text"] for row in served.of(name)] == expected
    assert {row["draw"] for row in served.of(name)} == {0}


def test_best_of_n_serves_the_favourite_of_its_first_n(
    served: Served, models: list[LanguageModel], proxy: ProxyReward
) -> None:
    rows = draw(models[0], 4)
    for i, (got, (_, prompt)) in enumerate(zip(served.of("best"), PROMPTS, strict=True)):
        mine = rows[4 * i : 4 * i + 4]
        scores = proxy.score([prompt] * 4, [row.text for row in mine])
        best = mine[int(np.argmax(scores))]
        assert (got["draw"], got["text"]) == (best.draw, best.text)
        tokens = [row.tokens_out for row in mine]
        config = models[0].model.config.to_dict()
        drawn = sample_flops(config, [best.tokens_in] * 4, tokens, shared_by=4)
        assert got["flops"] == pytest.approx(drawn + proxy_score_flops(4, proxy.n_features))
        assert got["tokens_out"] == sum(tokens)
    assert proxy.n_features > 0
    assert {row["draw"] for row in served.of("best")} != {0}


def test_a_vote_serves_the_first_of_the_largest_class_and_scores_nothing(
    served: Served, models: list[LanguageModel]
) -> None:
    rows = draw(models[0], 4)
    config = models[0].model.config.to_dict()
    for i, got in enumerate(served.of("voted")):
        mine = rows[4 * i : 4 * i + 4]
        keys = ["".join(c for c in "ae" if c in row.text) for row in mine]
        most = max(keys.count(key) for key in keys)
        first = next(row for row, key in zip(mine, keys, strict=True) if keys.count(key) == most)
        assert (got["draw"], got["text"]) == (first.draw, first.text)
        tokens = [row.tokens_out for row in mine]
        drawn = sample_flops(config, [first.tokens_in] * 4, tokens, shared_by=4)
        assert got["flops"] == pytest.approx(drawn)
        assert got["tokens_out"] == sum(tokens)
    assert len({row["draw"] for row in served.of("voted")}) > 1


def test_processor_seconds_are_measured_beside_the_clock(served: Served) -> None:
    """On one thread a request cannot be busy for longer than it lasts, clock grain aside."""
    assert all(0 < row["cpu_s"] <= row["latency_s"] * 1.5 + 0.01 for row in served.rows)
    assert any(row["cpu_s"] != row["latency_s"] for row in served.rows)
    assert served.outcome.tokens == sum(row["tokens_out"] for row in served.rows)
    assert served.outcome.flops == pytest.approx(sum(row["flops"] for row in served.rows))
