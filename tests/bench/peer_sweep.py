"""A sweep over k, target rate and lambda: our graph with its shared pool, and the naive loop.

Both start from the same trained ``sft`` and proxy, which are made before the clock starts. The
naive side calls our own functions variant after variant: sample k answers, score, select, train.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rsft_bench.baselines.rules import RULES
from rsft_bench.harness.cli.compose import catalog
from rsft_bench.harness.config_sources import from_mapping
from rsft_bench.harness.executors.local import LocalExecutor
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.policies.language_model import LanguageModel, load
from rsft_bench.harness.presets import preset
from rsft_bench.harness.progress import Silent
from rsft_bench.harness.rewards.proxy import ProxyReward
from rsft_bench.harness.sampling import prepare, sample
from rsft_bench.harness.schedule import Walk
from rsft_bench.harness.spaces import Cell, data_node, make_plan, make_space, plan_cells
from rsft_bench.harness.stages.base import weights_folder
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.stages.score import text_id
from rsft_bench.harness.store import Store, read_rows
from rsft_bench.harness.training.fit import fit
from rsft_bench.harness.training.weights import coefficients, mean_answer_tokens, row_weights
from rsft_bench.harness.types import (
    Budget,
    Example,
    Sampling,
    ScoredPool,
    TrainRow,
    WeightedSet,
)

GRID = {"k": [2, 4, 8, 16], "target_rate": [0.1, 0.25, 0.5], "lambda": [0.25, 1, 4]}
SEEDS = [0, 1, 2]


def sweep_config(prompts: int, steps: int, quick: bool) -> dict[str, Any]:
    """The 108 variants on order_status; the rest as in ``quick``."""
    base = preset("quick")
    grid = {"k": [2, 4], "target_rate": [0.5], "lambda": [1]} if quick else GRID
    suite = {**base["suites"][0], "n_train": prompts}
    return {
        **base,
        "suites": [suite],
        "seeds": [0] if quick else SEEDS,
        "variants": [{"method": "rsft", "accept": "threshold", **grid}],
        "primary": None,
        "training": {**base["training"], "steps": steps, "sft_steps": 2 if quick else 75},
        "gate": {
            **base["gate"],
            "variants": ["rsft[accept=threshold,k=2,lambda=1,target_rate=0.5]"],
        },
        "reward": {"name": "proxy", "n_label": 100 if quick else 400},
        "evaluation": {"draws": 1, "serve_prompts": 0},
    }


@dataclass(frozen=True)
class Start:
    """What every variant of one seed starts from."""

    lm: LanguageModel
    proxy: ProxyReward
    prompts: tuple[Example, ...]
    logs: tuple[Mapping[str, Any], ...]
    normaliser: float


class Sweep:
    """One sweep, shared or naive."""

    def __init__(
        self, prompts: int, steps: int, quick: bool, naive: bool, part: int, parts: int
    ) -> None:
        self._plan = make_plan(from_mapping(sweep_config(prompts, steps, quick)).config, catalog())
        self._naive = naive
        self.home = tempfile.TemporaryDirectory(prefix="peer-sweep-")
        self._template = Path(self.home.name) / "template"
        self._copy = Path(self.home.name) / "copy"
        self._executor = LocalExecutor(0 if naive else 2)
        self._walk = self._new_walk(self._template)
        self._cells, self._starts = self._make_starts()
        # Stages that ran in this process have pinned it to one thread.
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def _new_walk(self, root: Path) -> Walk:
        return Walk(Store(root), self._plan.catalog, self._executor, Silent(), {}, set())

    def _make_starts(self) -> tuple[list[Cell], dict[int, Start]]:
        """Train ``sft`` and fit the proxy of every seed; plan all cells."""
        spec, policy = self._plan.config.suites[0], self._plan.policies[0]
        loads = {seed: data_node(self._plan, spec, seed) for seed in self._plan.config.seeds}
        self._walk.run(list(loads.values()), "data")
        cells: list[Cell] = []
        graphs: dict[int, Graph] = {}
        for seed, node in loads.items():
            examples = read_examples(self._walk.artifacts[node.uid].folder)
            graphs[seed], planned = plan_cells(
                self._plan, make_space(self._plan, spec, policy, seed, examples), {}
            )
            cells += planned
        nodes = [n for g in graphs.values() for n in (g.start(), g.proxy(), g.train_set())]
        self._walk.run(nodes, "start")
        starts = {seed: self._start(graph) for seed, graph in graphs.items()} if self._naive else {}
        return cells, starts

    def _start(self, graph: Graph) -> Start:
        def folder(node: Node) -> Path:
            return self._walk.artifacts[node.uid].folder

        lm = load(weights_folder(folder(graph.start())))
        logs = tuple(read_rows(folder(graph.train_set()) / "rows.jsonl"))
        lengths = np.array([len(lm.encode_answer(row["text"])) for row in logs])
        return Start(
            lm,
            ProxyReward.load(folder(graph.proxy()) / "proxy"),
            graph.space.examples["train"],
            logs,
            mean_answer_tokens(lengths, np.ones(len(logs), dtype=np.int64)),
        )

    def prepare(self) -> None:
        """A store that holds the starts and nothing else."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._template, self._copy)

    def run(self) -> dict[str, Any]:
        """Every variant trained. Counts answers and tokens sampled, trainings and their tokens."""
        if self._naive:
            counts = [self._variant(cell) for cell in self._cells]
            return {name: sum(c[name] for c in counts) for name in counts[0]} | {"runs": 1}
        walk = self._new_walk(self._copy)
        known = set(self._walk.artifacts)
        walk.run([cell.arm.policy for cell in self._cells], "sweep")
        made = {a.key: a for uid, a in walk.artifacts.items() if uid not in known}.values()
        sampled = [a for a in made if a.stage == "sample"]
        fits = [a for a in made if a.stage == "fit"]
        return {
            "runs": 1,
            "answers": sum(len(read_rows(a.folder / "rows.jsonl")) for a in sampled),
            "sampled": sum(a.cost.tokens for a in sampled),
            "fits": len(fits),
            "trained": sum(a.cost.tokens for a in fits),
        }

    def ceiling(self) -> dict[str, float]:
        """Nothing to measure."""
        return {"chain": 0.0}

    def _variant(self, cell: Cell) -> dict[str, int]:
        """Sample, score, select and train for one variant, with nothing kept for the next."""
        start, params, config = self._starts[cell.seed], cell.variant.params, self._plan.config
        k, pool = params["k"], config.pool
        law = Sampling(pool.temperature, pool.top_p, 0, pool.max_new_tokens)
        asked = [(e.example_id, e.prompt) for e in start.prompts]
        packed = prepare(start.lm)
        answers = sample(start.lm, asked, range(k), law, cell.seed, "pool", packed=packed)
        chosen = self._accepted(start, [a.text for a in answers], k, params, cell.seed)
        share_d, share_a = coefficients(float(params["lambda"]))
        sets = [_weighted("D", start.logs, share_d, start), _weighted("A", chosen, share_a, start)]
        training = config.training
        budget = Budget(training.steps, training.batch, training.lr)
        trained = fit(start.lm, sets, budget, cell.seed).tokens
        tokens = sum(a.tokens_out for a in answers)
        return {"answers": len(answers), "sampled": tokens, "fits": 1, "trained": trained}

    def _accepted(
        self, start: Start, texts: list[str], k: int, params: Mapping[str, Any], seed: int
    ) -> list[Mapping[str, Any]]:
        """Proxy and gold of every answer, as the stage ``score`` has them; then the rule."""
        suite = self._plan.catalog.suite("order_status")
        asked = [example for example in start.prompts for _ in range(k)]
        scores = np.asarray(start.proxy.score([e.prompt for e in asked], texts)).reshape(-1, k)
        judged: dict[tuple[str, str], bool] = {}
        for example, text in zip(asked, texts, strict=True):
            if (example.example_id, text) not in judged:
                judged[example.example_id, text] = suite.judge(example, text).gold_pass
        ids = np.array([int(text_id(text), 16) >> 1 for text in texts]).reshape(-1, k)
        keys = tuple(e.example_id for e in start.prompts)
        pool = ScoredPool(scores, ids, keys, seed)
        rule = RULES.get(params["accept"])
        resolved = rule.resolve({"target_rate": params["target_rate"], "tau": None}, pool)
        counts = resolved.select(scores, ids, keys)
        return [
            {"example_id": e.example_id, "prompt": e.prompt, "text": text, "count": int(count)}
            for e, text, count in zip(asked, texts, counts.flatten(), strict=True)
            if count > 0
        ]


def _weighted(name: str, rows: Any, share: float, start: Start) -> WeightedSet:
    lengths = np.array([len(start.lm.encode_answer(row["text"])) for row in rows])
    counts = np.array([row["count"] for row in rows])
    ids = [row["example_id"] for row in rows]
    weights = row_weights(ids, counts, start.normaliser, lengths)
    learnt = tuple(
        TrainRow(row["example_id"], row["prompt"], row["text"], float(weight))
        for row, weight in zip(rows, weights, strict=True)
    )
    return WeightedSet(name, learnt, share, f"train-{name}")
