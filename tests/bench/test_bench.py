"""Micro-benchmarks of hot paths. `make bench` times them; the default run calls each once."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from synthetic_run import write_synthetic_run

import rsft_bench.harness.policies as policies
from rsft_bench.baselines.rules import RULES
from rsft_bench.harness.policies.language_model import LanguageModel, load
from rsft_bench.harness.rewards.proxy import fit_proxy
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.sampling import prepare, sample, score
from rsft_bench.harness.sampling.decoder import Cohort, start, step
from rsft_bench.harness.sampling.law import draw
from rsft_bench.harness.statistics import best_of_n_weights, bootstrap_interval, two_way_effect
from rsft_bench.harness.store import Store, write_rows
from rsft_bench.harness.training.fit import fit
from rsft_bench.harness.types import (
    Budget,
    Cost,
    Example,
    Sampling,
    ScoredPool,
    TrainRow,
    WeightedSet,
)
from rsft_bench.reports import FORMATS, write
from rsft_bench.reports.analysis import compare
from rsft_bench.tasks.order_status import ORDER_STATUS

PROMPTS, DRAWS = 256, 16
ANSWERS = 1000
RULE_PARAMS: dict[str, dict[str, Any]] = {
    "argmax": {},
    "all": {},
    "random": {},
    "threshold": {"target_rate": 0.1},
    "top_m": {"m": 2},
    "statistical": {"m": 2, "beta": 0.5},
    "best_and_distinct": {"m": 2},
    "rejection": {"beta": 0.5},
}


@pytest.fixture(scope="module")
def pool() -> ScoredPool:
    """256 x 16 candidates with ties, and one wanted answer a prompt for the matched control."""
    rng = np.random.Generator(np.random.Philox(key=1))
    keys = tuple(f"train/{i}" for i in range(PROMPTS))
    scores = np.round(rng.random((PROMPTS, DRAWS)), 2)
    texts = rng.integers(0, 8, (PROMPTS, DRAWS))
    return ScoredPool(scores, texts, keys, 0, dict.fromkeys(keys, 1))


@pytest.fixture(scope="module")
def answered() -> list[tuple[Example, str]]:
    """1,000 logged answers with the prompts they answer."""
    options = {p.name: p.default for p in ORDER_STATUS.options}
    data = ORDER_STATUS.load(options, 0)
    examples = {e.example_id: e for e in data.examples}
    pairs = [(examples[log.example_id], log.text) for log in data.logs]
    return list(itertools.islice(itertools.cycle(pairs), ANSWERS))


@pytest.fixture(scope="module")
def nano() -> LanguageModel:
    """The packaged policy."""
    return load(Path(str(policies.__file__)).parent / "nano_1")


@pytest.mark.parametrize("name", sorted(RULE_PARAMS))
def test_selection(name: str, pool: ScoredPool, benchmark: Any) -> None:
    rule = RULES.get(name)

    def choose() -> Any:
        resolved = rule.resolve(RULE_PARAMS[name], pool)
        return resolved.select(pool.scores, pool.text_ids, pool.keys)

    counts = benchmark(choose)
    kept = {"argmax": PROMPTS, "all": PROMPTS * DRAWS, "random": PROMPTS}
    kept |= dict.fromkeys(("top_m", "statistical", "best_and_distinct"), 2 * PROMPTS)
    # Scores are even on [0, 1] with an SD of 0.29, so rejection keeps about beta SD of them.
    kept["rejection"] = round(0.144 * PROMPTS * DRAWS)
    # Ties at the quantile are broken by chance, about one candidate in a hundred ties.
    assert counts.sum() == pytest.approx(kept.get(name, 0.1 * PROMPTS * DRAWS), rel=0.1)


def test_every_rule_is_timed() -> None:
    assert set(RULE_PARAMS) == set(RULES.names())


def test_two_way_effect(benchmark: Any) -> None:
    rng = np.random.Generator(np.random.Philox(key=2))
    examples, seeds = 150, 5
    diff = rng.normal(0.1, 0.4, examples * seeds)
    cluster = [f"c{i % 30}" for i in range(examples)] * seeds
    seed = np.repeat(np.arange(seeds), examples).tolist()
    effect = benchmark(two_way_effect, diff, cluster, seed)
    assert (effect.clusters, effect.seeds) == (30, 5)


def test_bootstrap(benchmark: Any) -> None:
    """2,000 replicates of a mean over 750 rows in 30 clusters."""
    values = np.random.Generator(np.random.Philox(key=4)).normal(0.1, 0.4, 750)
    cluster = [f"c{i % 30}" for i in range(150)] * 5
    interval = benchmark(bootstrap_interval, lambda rows: float(values[rows].mean()), cluster, 0)
    assert interval.lo < values.mean() < interval.hi


def test_best_of_n_weights(benchmark: Any) -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    proxy = rng.random(DRAWS)
    assert benchmark(best_of_n_weights, proxy, 8).sum() == pytest.approx(1)


def test_judge(answered: list[tuple[Example, str]], benchmark: Any) -> None:
    def judge() -> list[bool]:
        return [ORDER_STATUS.judge(example, text).gold_pass for example, text in answered]

    passed = benchmark(judge)
    assert 0 < sum(passed) < ANSWERS


def test_proxy_score(answered: list[tuple[Example, str]], benchmark: Any) -> None:
    labelled = answered[:400]
    prompts = [example.prompt for example, _ in labelled]
    texts = [text for _, text in labelled]
    labels = np.array([ORDER_STATUS.judge(e, text).gold_pass for e, text in labelled])
    proxy, _ = fit_proxy(prompts, texts, labels, [e.cluster for e, _ in labelled], 0)
    scores = benchmark(
        proxy.score, [example.prompt for example, _ in answered], [text for _, text in answered]
    )
    assert scores.shape == (ANSWERS,)


def test_store(tmp_path: Path, benchmark: Any) -> None:
    """One block of 256 rows published and found again."""
    store = Store(tmp_path)
    rows = [{"example_id": f"train/{i}", "draw": i % 8, "text": "x" * 80} for i in range(256)]
    numbers = itertools.count()

    def put(folder: Path) -> tuple[Cost, None]:
        write_rows(folder / "rows.jsonl", rows)
        return Cost(), None

    def put_and_find() -> bool:
        key = f"{next(numbers):064x}"
        store.put(key, "sample", put)
        return store.find(key) is not None

    assert benchmark(put_and_find)


def test_sampling_a_block(
    nano: LanguageModel, answered: list[tuple[Example, str]], benchmark: Any
) -> None:
    """32 prompts x 8 draws of nano, at most 16 tokens."""
    prompts = [(f"{i}/{e.example_id}", e.prompt) for i, (e, _) in enumerate(answered[:32])]
    law, packed = Sampling(max_new_tokens=16), prepare(nano)

    def block() -> Any:
        return sample(nano, prompts, range(8), law, 0, "bench", packed=packed)

    assert len(benchmark(block)) == 32 * 8


def test_decoding_steps(
    nano: LanguageModel, answered: list[tuple[Example, str]], benchmark: Any
) -> None:
    """16 steps of 16 prompts x 16 answers, the draw included and the prompts' pass not."""
    weights = prepare(nano)
    assert weights is not None
    prompts = [nano.encode_prompt(example.prompt) for example, _ in answered[:16]]
    owner = torch.arange(16).repeat_interleave(16)
    uniform = torch.rand(len(owner), dtype=torch.float64)
    law = Sampling()

    turns = weights.turns(max(len(ids) for ids in prompts) + 32)

    def begin() -> tuple[tuple[Cohort, torch.Tensor], dict[str, Any]]:
        with torch.inference_mode():
            return start(weights, prompts, owner), {}

    def steps(cohort: Cohort, logits: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            for _ in range(16):
                logits = step(weights, [cohort], draw(logits, law, uniform).tokens, turns)
            return logits

    logits = benchmark.pedantic(steps, setup=begin, rounds=5, warmup_rounds=1)
    assert logits.shape == (256, nano.model.config.vocab_size)


def test_training_steps(
    nano: LanguageModel, answered: list[tuple[Example, str]], benchmark: Any
) -> None:
    """Two optimizer steps of 32 rows."""
    rows = tuple(TrainRow(e.example_id, e.prompt, text, 1 / 64) for e, text in answered[:64])
    learnt = WeightedSet("D", rows, 1.0, "train-D")
    result = benchmark(fit, nano, [learnt], Budget(2, 32, 1e-3), 0)
    assert len(result.losses) == 2


def test_scoring_answers(
    nano: LanguageModel, answered: list[tuple[Example, str]], benchmark: Any
) -> None:
    """Log-probabilities of 64 given answers under nano."""
    items = [(example.prompt, text) for example, text in answered[:64]]
    packed = prepare(nano)
    logprobs = benchmark(score, nano, items, packed)
    assert (logprobs < 0).all()


def test_report_analysis(tmp_path: Path, benchmark: Any) -> None:
    """All comparisons of a run of two suites and five seeds, tables read anew."""
    path = write_synthetic_run(tmp_path / "run")
    found = benchmark(lambda: compare(RunFolder(path)))
    assert found["comparisons"]


def test_report_build(tmp_path: Path, benchmark: Any) -> None:
    """results.json, HTML, Markdown and plots of the same run."""
    run = RunFolder(write_synthetic_run(tmp_path / "run"))
    written = benchmark.pedantic(write, (run, FORMATS), rounds=3, warmup_rounds=1)
    assert [path.name for path in written] == ["report.html", "report.md", "results.json"]
