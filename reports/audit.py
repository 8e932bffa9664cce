"""The accepted set and the training of each arm: what was kept, and what was learnt from it.

Reads pool, selected and cells. None means the run has no data for it. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from rsft_bench.harness.runfolder import proposal_of
from rsft_bench.harness.types import Json
from rsft_bench.reports.diagnostics import Passes, passes
from rsft_bench.reports.means import Key, Means
from rsft_bench.reports.naming import Variant, number

JOIN = ["seed", "round", "example_id", "draw"]


@dataclass(frozen=True)
class AcceptAudit:
    """The accepted set of one variant, mean over seeds; counts are means a seed.

    Of several rounds it is what the last fit learnt: the last round's, or all of a growing pool.
    ``accept_rate`` is accepted over the pool's first k draws; ``duplicates`` the share of accepted
    copies that repeat an earlier (prompt, answer); ``length_shift`` accepted minus pool in tokens;
    ``overstated`` proxy − gold on accepted answers; ``share`` the 10th, 50th and 90th percentile
    over the prompts of D of A's share of the loss weight, λ_x / (1 + λ_x). ``tokens_each`` are the
    pool tokens drawn for one accepted answer; ``flops_each`` what the arm pays for sampling and
    scoring, its proxy's labels and its source's own training data included, for one.
    """

    variant: str
    accept_rate: float
    coverage: float
    uncovered: float
    distinct: float
    duplicates: float
    length_shift: float
    overstated: float | None
    precision: float | None
    pool_pass: float | None
    share: tuple[float, float, float]
    tau: tuple[float, float] | None
    proposal: str
    tokens_each: float | None
    flops_each: float | None


@dataclass(frozen=True)
class ArmFacts:
    """Training and behaviour of one variant, mean over seeds on ``confirm``."""

    variant: str
    steps: float
    train_tokens: float
    epochs_d: float | None
    epochs_a: float | None
    gold_labels: float
    greedy: float | None
    passes: Passes
    entropy: float | None
    tokens: float | None
    truncated: int
    empty: int
    draws: int
    keep: tuple[float, ...]
    last_select: float | None
    best_select: float | None
    best_step: float | None


def accept_audits(
    pool: pd.DataFrame,
    selected: pd.DataFrame,
    cells: pd.DataFrame,
    key: Key,
    table: Mapping[str, Variant],
    config: Mapping[str, Json] = MappingProxyType({}),
) -> list[AcceptAudit]:
    """Audit of every variant with accepted pool draws; temperature twins share one, left out.

    An arm that trained on no accepted set (it selects from D, or gives A no weight) has no audit.
    ``config`` is the config's ``pool``: how it was drawn where a variant says nothing else.
    """
    mine, cell = _here(pool, key), _here(cells, key)
    trained = set(cell.loc[cell["rows_a"] > 0, "variant"])
    found = []
    for name, accepted in _here(selected, key).groupby("variant", sort=True):
        variant = table.get(str(name))
        if variant is None or variant.temperature != 1 or name not in trained:
            continue
        own = cell[cell["variant"] == name]
        audit = _audit_variant(mine, accepted, own, variant, config)
        found += [] if audit is None else [audit]
    return found


def _audit_variant(
    pool: pd.DataFrame,
    accepted: pd.DataFrame,
    cells: pd.DataFrame,
    variant: Variant,
    config: Mapping[str, Json],
) -> AcceptAudit | None:
    """One variant's audit from its own cells; None where no seed has one."""
    found = pools_of(pool, variant, config)
    if found is None:
        return None
    first, drawn = found
    if variant.parameters.get("rounds", 1) != 1 and variant.parameters.get("pool") != "growing":
        accepted = accepted[accepted["round"] == accepted["round"].max()]
    seeds = [
        _audit_seed(drawn[drawn["seed"] == seed], part_, variant)
        for seed, part_ in accepted.groupby("seed")
    ]
    rows = pd.DataFrame([row for row in seeds if row is not None])
    if rows.empty:
        return None
    tau = cells["tau"].dropna()
    mean = {str(c): _number(rows[c].mean()) for c in rows}
    paid = float((cells["sample_flops"] + cells["score_flops"]).mean())
    return AcceptAudit(
        variant=variant.id,
        accept_rate=mean["accept_rate"] or 0.0,
        coverage=mean["coverage"] or 0.0,
        uncovered=mean["uncovered"] or 0.0,
        distinct=mean["distinct"] or 0.0,
        duplicates=mean["duplicates"] or 0.0,
        length_shift=mean["length_shift"] or 0.0,
        overstated=mean["overstated"],
        precision=mean["precision"],
        pool_pass=mean["pool_pass"],
        share=(mean["p10"] or 0.0, mean["p50"] or 0.0, mean["p90"] or 0.0),
        tau=(float(tau.min()), float(tau.max())) if len(tau) else None,
        proposal=first,
        tokens_each=mean["tokens_each"],
        flops_each=_number(paid / mean["accepted"]) if mean["accepted"] else None,
    )


def pools_of(
    pool: pd.DataFrame, variant: Variant, config: Mapping[str, Json]
) -> tuple[str, pd.DataFrame] | None:
    """What drew a variant's first pool, and the draws of all its rounds; None without a pool.

    ``selected`` holds no proposal, the variant's parameters name it; its later rounds, and all that
    it draws online, have its own id as source. All draws of the first round where that has one
    proposal only.
    """
    proposal = proposal_of({**variant.parameters, "online": None}, config)
    if proposal is None:
        return None
    own = proposal._replace(sources=(variant.id,)).name
    if "online" in variant.parameters:
        return own, pool[pool["proposal"] == own]
    begun, then = pool[pool["round"] == 0], pool[pool["round"] > 0]
    if begun["proposal"].nunique() > 1:
        begun = begun[begun["proposal"] == proposal.name]
    return proposal.name, pd.concat([begun, then[then["proposal"] == own]])


def _audit_seed(
    pool: pd.DataFrame, accepted: pd.DataFrame, variant: Variant
) -> dict[str, float] | None:
    """One seed's audit; None where the pool rows of an accepted draw are absent or ambiguous."""
    draws = int(number(variant.parameters["k"]))
    pool = pool[pool["round"].isin(accepted["round"].unique()) & (pool["draw"] < draws)]
    chosen = accepted.merge(pool, on=JOIN, how="left", suffixes=("", "_pool"), indicator=True)
    if len(chosen) != len(accepted) or (chosen["_merge"] != "both").any() or pool.empty:
        return None
    count = chosen["count"].to_numpy(float)
    prompts = pool["example_id"].nunique()
    covered = chosen.loc[count > 0, "example_id"].nunique()
    distinct = len(chosen.loc[count > 0, ["example_id", "text_id"]].drop_duplicates())
    total = float(count.sum())
    weight = number(variant.parameters.get("lambda", 1.0))
    ratio = np.zeros(prompts)
    ratio[:covered] = weight * prompts / max(covered, 1)
    share = np.where(np.isinf(ratio), 1.0, ratio / (1 + np.where(np.isinf(ratio), 0, ratio)))
    p10, p50, p90 = np.quantile(share, [0.1, 0.5, 0.9])
    passed = np.where(chosen["gold"].isna(), np.nan, chosen["gold_pass"].to_numpy(float))
    judged = float((~np.isnan(passed) * count).sum())
    precision = float(np.nansum(passed * count) / judged) if judged else np.nan
    over = float(np.nansum((chosen["proxy"] - passed) * count) / judged) if judged else np.nan
    return {
        "accepted": total,
        "tokens_each": float(pool["tokens_out"].sum()) / total if total else np.nan,
        "accept_rate": total / len(pool),
        "coverage": covered / prompts,
        "uncovered": float(prompts - covered),
        "distinct": float(distinct),
        "duplicates": 1 - distinct / total if total else 0.0,
        "length_shift": float((chosen["tokens_out"] * count).sum() / max(total, 1))
        - float(pool["tokens_out"].mean()),
        "overstated": over,
        "precision": precision,
        "pool_pass": float(pool.loc[pool["gold"].notna(), "gold_pass"].mean()),
        **{"p10": float(p10), "p50": float(p50), "p90": float(p90)},
    }


def arm_facts(
    means: Means,
    draws: pd.DataFrame,
    cells: pd.DataFrame,
    key: Key,
    variant: Variant,
    greedy: str | None,
) -> ArmFacts:
    """Facts of one arm from its ``confirm`` draws.

    ``greedy`` is the id of its temperature-0 twin, if the run has one.
    """
    cell = _here(cells, key)
    cell = cell[cell["variant"] == variant.id]
    trained = variant.trained and len(cell) > 0
    plain = draws["weight"].nunique() <= 1 and not variant.served
    return ArmFacts(
        variant=variant.id,
        steps=float(cell["steps"].mean()) if len(cell) else 0.0,
        train_tokens=float(cell["train_tokens"].mean()) if len(cell) else 0.0,
        epochs_d=_number(cell["epochs_d"].mean()) if trained else None,
        epochs_a=_number(cell["epochs_a"].mean()) if trained else None,
        gold_labels=float(cell["gold_labels"].mean()) if len(cell) else 0.0,
        greedy=means.mean(key, greedy) if greedy else None,
        passes=passes(draws) if plain else Passes(means.mean(key, variant.id), None, None),
        entropy=means.mean(key, variant.id, "entropy"),
        tokens=means.mean(key, variant.id, "tokens_out"),
        truncated=int((draws["finish_reason"] == "length").sum()),
        empty=int((draws["text"].str.strip() == "").sum()),
        draws=len(draws),
        keep=tuple(sorted({float(k) for k in cell["keep"].dropna()})),
        last_select=_number(cell["last_select"].mean()),
        best_select=_number(cell["best_select"].mean()),
        best_step=_number(cell["best_step"].mean()),
    )


def _here(frame: pd.DataFrame, key: Key) -> pd.DataFrame:
    return frame[(frame["suite"] == key.suite) & (frame["policy"] == key.policy)]


def _number(value: object) -> float | None:
    number_ = float(str(value))
    return None if np.isnan(number_) else number_
