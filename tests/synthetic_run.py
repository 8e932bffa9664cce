"""A complete run folder made of known numbers, for tests of reports, gate and commands.

Answers are simulated: P(gold_pass) = level of the suite + offset of the variant + effects of
cluster, example and weights (one per artifact and seed). Cluster and example effects depend on the
suite alone, so two runs share their test prompts; ``rng_seed`` moves weights and draws. Variants
share uniforms at one (seed, example, draw), as in a real run. ``effect`` is the true gain of the
primary variant over ``sft_more``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import comb

from rsft_bench.harness.runfolder import SCHEMA_VERSION, STAGES, write_json, write_table
from rsft_bench.harness.seeding import stream

PRIMARY = "rsft[accept=argmax,k=16,lambda=1]"
MATCH = "rsft[accept=random,k=16,lambda=1,match=argmax]"
ALL_ONE = "rsft[accept=all,k=1,lambda=1]"
INF = "rsft[accept=argmax,k=16,lambda=inf]"
POLICY = "nano-1"
PARAMETERS = 1_300_000
K = 16
LEVELS = {"order_status": 0.55, "returns_refunds": 0.45}
STRATA = ("answer", "refuse", "ask")
RSFT = {"accept": "argmax", "k": K, "lambda": 1.0}


@dataclass(frozen=True)
class Arm:
    """One variant: what it is and how far its pass rate lies from ``sft_more``."""

    id: str
    method: str
    offset: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    draws: int = 2
    trained: bool = False
    artifact: str = "sft"

    @property
    def greedy(self) -> bool:
        """Whether every draw is the same answer."""
        return self.parameters.get("temperature") == 0


def arms(effect: float, temperature_gain: float) -> list[Arm]:
    """The arms of preset quick, with their true offsets from ``sft_more``."""
    rand = {**RSFT, "accept": "random", "match": "argmax"}
    table = [
        Arm("base", "base", -0.25, artifact="base"),
        Arm("sft", "sft", -0.02, draws=16, trained=True),
        Arm("sft_more", "sft_more", 0.0, trained=True, artifact="sft_more"),
        Arm("sft_filtered", "sft_filtered", effect * 0.3, trained=True, artifact="sft_filtered"),
        Arm(PRIMARY, "rsft", effect, RSFT, 4, True, PRIMARY),
        Arm(INF, "rsft", effect * 0.8, {**RSFT, "lambda": float("inf")}, 2, True, INF),
        Arm(MATCH, "rsft", 0.0, rand, 2, True, MATCH),
        Arm(ALL_ONE, "rsft", 0.0, {**RSFT, "accept": "all", "k": 1}, 2, True, ALL_ONE),
    ]
    for t in (0, 0.5):
        gain, draws = temperature_gain * (1 - t / 2), 1 if t == 0 else 2
        table.append(
            Arm(f"sft[temperature={t}]", "sft", gain - 0.02, {"temperature": t}, draws, True)
        )
        name = f"rsft[accept=argmax,k=16,lambda=1,temperature={t}]"
        hot = {**RSFT, "temperature": t}
        table.append(Arm(name, "rsft", effect + gain / 2, hot, draws, True, PRIMARY))
    return table


def write_synthetic_run(
    path: Path,
    *,
    suites: Sequence[str] = ("order_status", "returns_refunds"),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    effect: float = 0.1,
    rng_seed: int = 0,
    clusters: int = 30,
    per_cluster: int = 3,
    seed_sd: float = 0.015,
    temperature_gain: float = 0.03,
    damage: Mapping[str, float] | None = None,
    workers: int = 2,
    results: bool = True,
) -> Path:
    """Write a finished run folder to ``path`` (made if absent) and return it.

    Args:
        path: folder of the run.
        suites: suite names; the first two have their own levels, others .5.
        seeds: seeds of the run.
        effect: true gain of the primary variant over ``sft_more`` in pass rate.
        rng_seed: another value is another retraining and other draws on the same test prompts.
        clusters: clusters in each of select and confirm.
        per_cluster: examples in each.
        seed_sd: SD of the effect of one artifact's weights.
        temperature_gain: what temperature 0 adds to ``sft``; ``rsft`` gains half of it.
        damage: pass rate taken from a variant, by id.
        workers: worker count stated in the manifest.
        results: also write results.json through ``rsft_bench.reports.analysis``.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    table = arms(effect, temperature_gain)
    loss = damage or {}
    frames: dict[str, list[pd.DataFrame]] = {n: [] for n in ("examples", "rows", "pool", "sel")}
    for suite in suites:
        examples = _examples(suite, clusters, per_cluster)
        frames["examples"].append(examples)
        test = examples[examples["split"].isin(["select", "confirm"])].reset_index(drop=True)
        train = examples[examples["split"] == "train"].reset_index(drop=True)
        for seed in seeds:
            world = _World(suite, seed, rng_seed, seed_sd)
            for arm in table:
                rows = _answers(world, arm, test, arm.draws, loss.get(arm.id, 0.0))
                frames["rows"].append(rows)
                if arm.id == "sft":
                    frames["rows"] += [_best_of(rows, n) for n in (2, 4, 8)]
            pool = _pool(world, train)
            frames["pool"].append(pool)
            frames["sel"] += [_selected(pool, arm, world) for arm in table if arm.method == "rsft"]
    write_table(path, "examples", pd.concat(frames["examples"], ignore_index=True))
    write_table(path, "rows", pd.concat(frames["rows"], ignore_index=True))
    write_table(path, "pool", pd.concat(frames["pool"], ignore_index=True))
    write_table(path, "selected", pd.concat(frames["sel"], ignore_index=True))
    everything = [*table, *(Arm(f"best_of_n[n={n}]", "best_of_n", 0, {"n": n}) for n in (2, 4, 8))]
    cells = _cells(suites, seeds, everything, rng_seed)
    write_table(path, "cells", cells)
    write_json(path / "manifest.json", _manifest(suites, seeds, everything, cells, workers))
    if results:
        from rsft_bench.harness.runfolder import RunFolder
        from rsft_bench.reports.analysis import compare

        write_json(path / "results.json", compare(RunFolder(path)))
    return path


@dataclass(frozen=True)
class _World:
    suite: str
    seed: int
    rng_seed: int
    seed_sd: float

    def rng(self, *keys: object) -> np.random.Generator:
        return stream(self.rng_seed, "synthetic", self.suite, self.seed, *keys)

    def level(self, artifact: str) -> float:
        shared = self.rng("seed").normal(0, self.seed_sd)
        own = self.rng("weights", artifact).normal(0, self.seed_sd)
        return LEVELS.get(self.suite, 0.5) + float(shared + own)


def _examples(suite: str, clusters: int, per_cluster: int) -> pd.DataFrame:
    rows = []
    for split, count, each in (
        ("train", 12, 5),
        ("select", clusters, per_cluster),
        ("confirm", clusters, per_cluster),
    ):
        for i in range(count * each):
            cluster, number = f"{split}-{i // each:02d}", 10_000 + 7 * i
            rows.append(
                {
                    "suite": suite,
                    "example_id": f"{suite}/{split}/{i:04d}",
                    "split": split,
                    "prompt": "Policy: Never promise a delivery date.\n"
                    f"Record: order number: {number}; item: wool scarf; status: shipped\n"
                    f"Customer: where is my order {number}?\nAgent:",
                    "references": [f"Order {number} (wool scarf) has shipped."],
                    "facts": json.dumps({"number": number, "status": "shipped"}),
                    "cluster": cluster,
                    "stratum": STRATA[(i // each) % len(STRATA)],
                    "language": "en",
                }
            )
    return pd.DataFrame(rows)


def _prompt_effects(suite: str, examples: pd.DataFrame) -> np.ndarray:
    by_cluster = {
        c: stream(0, "cluster", suite, c).normal(0, 0.08) for c in examples["cluster"].unique()
    }
    own = [stream(0, "example", suite, e).normal(0, 0.12) for e in examples["example_id"]]
    return examples["cluster"].map(by_cluster).to_numpy(dtype=float) + np.array(own)


def _answers(
    world: _World, arm: Arm, examples: pd.DataFrame, draws: int, damage: float = 0.0
) -> pd.DataFrame:
    n = len(examples)
    rng = world.rng("draws", tuple(examples["split"].unique()))
    uniform = rng.random((n, 16))[:, :draws]
    noise = rng.normal(size=(n, 16))[:, :draws]
    p = world.level(arm.artifact) + arm.offset - damage + _prompt_effects(world.suite, examples)
    passed = (uniform < np.clip(p, 0.02, 0.98)[:, None]).ravel()
    noise = noise.ravel()
    wrong = ~passed
    frame = examples.loc[
        examples.index.repeat(draws), ["suite", "example_id", "split", "cluster", "stratum"]
    ].reset_index(drop=True)
    frame["policy"], frame["variant"], frame["seed"] = POLICY, arm.id, world.seed
    frame["draw"] = np.tile(np.arange(draws), n)
    frame["text"] = _texts(frame, passed, noise)
    frame["tokens_in"] = 60
    frame["tokens_out"] = 14 + passed * 4 + (np.abs(noise) * 3).astype(int)
    frame["served_tokens_out"] = frame["tokens_out"]
    frame["finish_reason"] = np.where(noise > 2.5, "length", "stop")
    frame["proxy"] = 1 / (1 + np.exp(-(1.4 * passed - 0.7 + 1.2 * noise)))
    frame["gold"] = np.where(passed, 1.0, 0.5)
    frame["gold_pass"] = passed
    frame["logprob"] = -6.0 - np.abs(noise) * 2
    frame["latency_s"] = np.nan
    frame["weight"] = 1.0 / draws
    frame["facts"] = np.where(passed, 1.0, 0.6)
    frame["decision"] = np.where(passed, 1.0, 0.5)
    frame["tone"] = 1.0
    frame["harm_forbidden"] = 0.0
    frame["harm_wrong_decision"] = (wrong & (noise > 0.8)).astype(float)
    frame["harm_overpromise"] = (wrong & (noise < -0.8)).astype(float)
    return frame


def _texts(frame: pd.DataFrame, passed: np.ndarray, noise: np.ndarray) -> list[str]:
    texts = []
    for i, (example_id, draw) in enumerate(zip(frame["example_id"], frame["draw"], strict=True)):
        number = 10_000 + 7 * int(example_id[-4:])
        good = f"Order {number} has shipped, {['thank you', 'thanks'][draw % 2]} for waiting."
        bad = "It will surely arrive tomorrow <script>alert('x')</script> & that is a promise."
        texts.append("" if noise[i] < -3 else good if passed[i] else bad)
    return texts


def _best_of(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    """The sft draws weighted by the law of the best of n of them by proxy (no ties here)."""
    total = int(rows["draw"].max()) + 1
    rank = rows.groupby("example_id")["proxy"].rank(method="first").to_numpy()
    weight = comb(rank - 1, n - 1) / comb(total, n)
    served = rows["tokens_out"] * n
    return rows.assign(variant=f"best_of_n[n={n}]", weight=weight, served_tokens_out=served)


def _pool(world: _World, train: pd.DataFrame) -> pd.DataFrame:
    frame = _answers(world, Arm("sft", "sft", -0.02), train, K)
    frame["proposal"], frame["round"] = "sft", 0
    frame["text_id"] = pd.factorize(frame["example_id"] + "\n" + frame["text"])[0]
    frame["logprob_ref"] = np.nan
    return frame.drop(
        columns=[c for c in frame if c.startswith(("harm", "facts", "decision", "tone"))]
        + ["split", "variant", "cluster", "stratum", "weight", "latency_s", "served_tokens_out"]
    )


def _selected(pool: pd.DataFrame, arm: Arm, world: _World) -> pd.DataFrame:
    rule = arm.parameters["accept"]
    key = pool["proxy"] if rule == "argmax" else -pool["draw"].astype(float)
    if rule == "random":
        key = pd.Series(world.rng("random").random(len(pool)))
    chosen = pool.loc[key.groupby(pool["example_id"]).idxmax()]
    frame = chosen[["suite", "policy", "seed", "round", "example_id", "draw"]].copy()
    frame["variant"], frame["count"], frame["row_weight"] = arm.id, 1, 1.0 / len(frame)
    return frame


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _cells(
    suites: Sequence[str], seeds: Sequence[int], table: Sequence[Arm], rng_seed: int
) -> pd.DataFrame:
    rows = []
    paid: set[tuple[object, ...]] = set()
    for suite in suites:
        for seed in seeds:
            for arm in sorted(table, key=lambda a: a.id):
                rows.append(_cell(suite, seed, arm, rng_seed, paid))
    return pd.DataFrame(rows)


def _cell(
    suite: str, seed: int, arm: Arm, rng_seed: int, paid: set[tuple[object, ...]]
) -> dict[str, Any]:
    rsft, more = arm.method == "rsft", arm.trained and arm.method != "sft"
    parameters = {k: "inf" if v == float("inf") else v for k, v in arm.parameters.items()}
    n = arm.parameters.get("n", 1)
    k = arm.parameters.get("k", 0)
    tokens = {
        "sample": 60 * k * 20 if rsft else 0,
        "score": 60 * k * 20 if rsft else 0,
        "train": 100 * 64 * 78 if more else 0,
        "serve": 60 + 18 * n,
        "evaluate": 180 * arm.draws * 18,
    }
    row: dict[str, Any] = {
        **{"suite": suite, "policy": POLICY, "variant": arm.id, "seed": seed},
        **{"method": arm.method, "parameters": json.dumps(parameters, sort_keys=True)},
        "accept_rate": 1.0 / K if rsft else float("nan"),
        "policy_fingerprint": _fingerprint(
            *([] if arm.artifact == "base" else [suite, seed, arm.artifact, rng_seed])
        ),
        "gold_labels": 400 if rsft or arm.method in {"best_of_n", "sft_filtered"} else 0,
        "epochs_d": 3.2 if more else 0.0,
        "epochs_a": 53.3 if rsft else 0.0,
        "peak_rss_gib": 0.6,
        "steps": 100 if more else 0,
        "rows_d": 1000 if arm.trained else 0,
        "rows_a": 60 if rsft else 0,
        "keep": 0.5 if arm.method == "sft_filtered" else float("nan"),
        "lr": 1e-3 if arm.trained else float("nan"),
        **dict.fromkeys(("last_select", "best_select", "best_step"), float("nan")),
        "tau": float("nan"),
    }
    for stage in STAGES:
        flops = tokens[stage] * PARAMETERS * (6.0 if stage == "train" else 2.0)
        owner = (suite, seed, stage, arm.artifact if stage == "train" else "sft")
        first = flops > 0 and (stage in {"serve", "evaluate"} or owner not in paid)
        paid.add(owner)
        row[f"{stage}_tokens"], row[f"{stage}_flops"] = tokens[stage], flops
        row[f"{stage}_wall_s"] = row[f"{stage}_cpu_s"] = flops / 2e10
        row[f"{stage}_spent_flops"] = flops if first else 0.0
        row[f"{stage}_spent_wall_s"] = flops / 2e10 if first else 0.0
        row[f"{stage}_paid"] = first
    return row


def _manifest(
    suites: Sequence[str],
    seeds: Sequence[int],
    table: Sequence[Arm],
    cells: pd.DataFrame,
    workers: int,
) -> dict[str, Any]:
    family = [
        {"suite": s, "policy": POLICY, "a": PRIMARY, "b": b, "metric": "gold_pass", "split": c}
        for c in ("confirm",)
        for s in suites
        for b in ("sft_more", "sft_filtered", MATCH)
    ]
    totals = {
        stage: {
            "tokens": int(cells.loc[cells[f"{stage}_paid"], f"{stage}_tokens"].sum()),
            "flops": float(cells[f"{stage}_spent_flops"].sum()),
            "wall_s": float(cells[f"{stage}_spent_wall_s"].sum()),
            "cpu_s": float(cells[f"{stage}_spent_wall_s"].sum()),
        }
        for stage in STAGES
    }
    variants = [
        {
            "id": a.id,
            "method": a.method,
            "parameters": {k: "inf" if v == float("inf") else v for k, v in a.parameters.items()},
            "trained": a.trained,
            "oracle": False,
        }
        for a in table
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "complete",
        "name": "synthetic",
        "config": {"preset": "synthetic", "gate": {"margin": 0.05}, "seeds": list(seeds)},
        "config_hash": "5ca1ab1e",
        "confirmatory": family,
        "primary": PRIMARY,
        "primary_match": MATCH,
        "seeds": list(seeds),
        "suites": [_suite(s) for s in suites],
        "policies": [
            {
                **{"name": POLICY, "version": "1", "parameters": PARAMETERS, "context": 512},
                **{"fingerprint": _fingerprint(), "layers": 4, "hidden": 128},
            }
        ],
        "variants": variants,
        "versions": {"rsft-bench": "0.1.0", "python": "3.11", "torch": "2.13.0"},
        **{"commit": "0" * 40, "dirty": False, "workers": workers},
        "machine": {"cpu": "synthetic", "cores": 2, "platform": "test", "fingerprint": "f00d"},
        **{"started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:20:00Z"},
        "wall_s": 1200.0,
        "totals": totals,
        "proxies": [
            {
                **{"suite": s, "policy": POLICY, "seed": seed, "auc": 0.9, "brier": 0.12},
                **{"n_label": 400, "reliability": [[0.1, 0.12, 40], [0.9, 0.88, 40]]},
            }
            for s in suites
            for seed in seeds
        ],
        "chosen": {
            f"{s}/{POLICY}/sft_filtered": {"choice": "keep=0.5", "keep=0.5": 0.2} for s in suites
        },
    }


def _suite(name: str) -> dict[str, Any]:
    return {
        **{"name": name, "version": "1", "licence": "Apache-2.0", "language": "en"},
        **{"attribution": "written for this project", "options": {}, "digest": _fingerprint(name)},
        "report": {"mixture": {"correct": 0.6, "wrong_fact": 0.2, "overpromise": 0.2}},
    }
