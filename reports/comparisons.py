"""Which variants are compared, and the records that results.json holds.

Families: ``confirmatory`` (from the manifest, Holm over those of one suite and policy, where the
verdict is), ``exploratory`` (Benjamini–Hochberg over all of them) and ``aa`` (two variants with one
law: the built-in check).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from rsft_bench.harness.errors import NotComparableError
from rsft_bench.harness.runfolder import WINNER, WINNER_CONTROL
from rsft_bench.harness.statistics import Effect, benjamini_hochberg, holm
from rsft_bench.harness.types import Json
from rsft_bench.reports.choices import Choice, at_temperature, comparator, rungs, winner_choice
from rsft_bench.reports.means import Key, Means, Paired, difference, narrow, paired, sample_effect
from rsft_bench.reports.naming import Variant, number, order

Record: TypeAlias = dict[str, Any]
Pair: TypeAlias = tuple[Key, str, str, str, str]
METRIC = "gold_pass"
SPLIT = "confirm"


def comparisons(
    means: Means, manifest: Mapping[str, Json], table: Mapping[str, Variant]
) -> list[Record]:
    """Every comparison of a run, adjusted within its family.

    Raises:
        NotComparableError: a complete run holds unpaired rows. In a partial run such a comparison
            is kept without a number and its ``scope`` says why.
    """
    strict = manifest.get("status") == "complete"
    planned = [
        (Key(c["suite"], c["policy"]), c["a"], c["b"], c["metric"], c["split"])
        for c in manifest.get("confirmatory", [])
    ]
    winners = {Key(w["suite"], w["policy"]): w for w in manifest.get("winners", [])}
    confirmatory = [
        record(means, pair, "confirmatory", strict)
        if pair[1] != WINNER
        else winner_record(means, pair, winners.get(pair[0]))
        for pair in planned
    ]
    for place in dict.fromkeys(pair[0] for pair in planned):
        _adjust([r for r in confirmatory if (r["suite"], r["policy"]) == place], "holm")
    seen = {(pair[0], pair[1], pair[2]) for pair in planned}
    explored = [p for p in _exploratory(means, manifest, table) if (p[0], p[1], p[2]) not in seen]
    exploratory = [record(means, pair, "exploratory", strict) for pair in explored]
    exploratory += _choices(means, manifest, table, confirmatory)
    _adjust(exploratory, "bh")
    checks = [record(means, pair, "aa", strict) for pair in _same_law(means, table)]
    return [*confirmatory, *exploratory, *checks]


def record(means: Means, pair: Pair, family: str, strict: bool = True) -> Record:
    """One comparison as results.json holds it; ``lo_90`` and ``hi_90`` serve equivalence."""
    key, a, b, metric, split = pair
    try:
        effect = difference(means, key, a, b, metric, split)
    except NotComparableError as error:
        if strict:
            raise
        effect = _unknown(f"no interval: {error}")
    return _fields(pair, effect, family)


def _fields(pair: Pair, effect: Effect, family: str) -> Record:
    """What results.json holds of one comparison before its p is adjusted."""
    key, a, b, metric, split = pair
    return {
        **{"suite": key.suite, "policy": key.policy, "a": a, "b": b},
        **{"metric": metric, "split": split},
        **effect_fields(effect),
        **{"p_adj": None, "family": family},
    }


def _unknown(why: str) -> Effect:
    """An effect that nothing is known of, and why."""
    return Effect(float("nan"), None, None, None, None, 0, 0, 0, None, None, why)


def winner_record(means: Means, pair: Pair, winner: Mapping[str, Json] | None) -> Record:
    """The leave-one-seed-out choice against one rival: each seed by the setting chosen for it.

    ``winner`` is the manifest's entry: ``chosen`` setting by seed, ``control`` by setting.
    """
    key, _, b, metric, split = pair
    if winner is None:
        effect = _unknown("no interval: fewer than two settings or seeds to choose among")
    else:
        chosen = {int(s): str(v) for s, v in winner["chosen"].items()}
        rivals = {v: winner["control"][v] if b == WINNER_CONTROL else b for v in chosen.values()}
        sides = {v: paired(means, key, v, rival, metric, split) for v, rival in rivals.items()}
        effect = sample_effect(stitch(sides, chosen))
    return _fields(pair, effect, "confirmatory")


def stitch(sides: Mapping[str, Paired], chosen: Mapping[int, str]) -> Paired:
    """Each seed's differences from the setting chosen for that seed."""
    values: list[float] = []
    cluster: list[str] = []
    seed: list[int] = []
    same: list[bool] = []
    for s, variant in chosen.items():
        side = sides[variant]
        at = [i for i, x in enumerate(side.seed) if x == s]
        values += [float(side.values[i]) for i in at]
        cluster += [side.cluster[i] for i in at]
        seed += [s] * len(at)
        same += [bool(side.same[i]) for i in at]
    return Paired(np.array(values), cluster, seed, np.array(same, dtype=np.bool_))


def effect_fields(effect: Effect) -> Record:
    """An effect as JSON: no NaN, plus the 90 % interval."""
    inner = narrow(effect)
    fields = {
        k: (None if isinstance(v, float) and np.isnan(v) else v)
        for k, v in effect._asdict().items()
    }
    return {**fields, "lo_90": inner[0] if inner else None, "hi_90": inner[1] if inner else None}


def find(records: Iterable[Record], key: Key, a: str, b: str) -> Record | None:
    """The comparison a − b on gold_pass of confirm, or None."""
    for r in records:
        if (r["suite"], r["policy"], r["a"], r["b"]) == (*key, a, b) and r["metric"] == METRIC:
            return r
    return None


def _exploratory(
    means: Means, manifest: Mapping[str, Json], table: Mapping[str, Variant]
) -> list[Pair]:
    primary = manifest.get("primary")
    pairs: list[Pair] = []
    for key in means.keys():
        here = [v for v in sorted(table.values(), key=order) if means.has(key, v.id)]
        rival = comparator(means, key)
        pairs += [(key, v.id, rival, METRIC, SPLIT) for v in here if rival and v.id != rival]
        if primary is None or not means.has(key, primary):
            continue
        pairs += [(key, v.id, primary, METRIC, SPLIT) for v in here if v.served]
        pairs += [(key, a, b, METRIC, SPLIT) for a, b in _at_one_price(here)]
        hot = at_temperature(means, key, table, table[primary])
        plain = at_temperature(means, key, table, table["sft"]) if "sft" in table else {}
        pairs += [(key, hot[t], plain[t], METRIC, SPLIT) for t in sorted(hot) if t in plain]
        contest = rungs(means, key, table, primary)
        pairs += [(key, a, b, METRIC, SPLIT) for _, a, b in contest.steps]
        if contest.mine and contest.rival:
            pairs.append((key, contest.mine, contest.rival, METRIC, SPLIT))
            # The break-even asks whether a lower temperature of SFT does what RSFT does, for free.
            pairs.append((key, contest.rival, primary, METRIC, SPLIT))
    return list(dict.fromkeys(pairs))


def _at_one_price(here: Iterable[Variant]) -> list[tuple[str, str]]:
    """Votes and MBR against best-of-n over the same number of the same draws."""
    served = [(v, v.n, v.parameters.get("source")) for v in here if v.served]
    return [
        (a.id, b.id)
        for a, *drawn in served
        for b, *others in served
        if b.best_of and not a.best_of and drawn == others
    ]


def _choices(
    means: Means,
    manifest: Mapping[str, Json],
    table: Mapping[str, Variant],
    confirmatory: Iterable[Record],
) -> list[Record]:
    """The sweep winner against the comparator, where no confirmatory record holds it."""
    found = []
    for key in means.keys():
        choice = winner_choice(means, key, table, manifest)
        if choice is not None and find(confirmatory, key, WINNER, choice.against) is None:
            found.append(choice_record(means, key, choice))
    return found


def choice_record(means: Means, key: Key, choice: Choice) -> Record:
    """An exploratory leave-one-seed-out choice against its comparator."""
    sides = {v: paired(means, key, v, choice.against) for v in set(choice.chosen.values())}
    effect = sample_effect(stitch(sides, choice.chosen))
    return _fields((key, WINNER, choice.against, METRIC, SPLIT), effect, "exploratory")


def _same_law(means: Means, table: Mapping[str, Variant]) -> list[Pair]:
    """``random[match=argmax]`` and ``all[k=1]`` at one λ: one law, so their difference is noise."""
    rsft = [v for v in table.values() if v.method == "rsft" and v.temperature == 1]
    pairs: list[Pair] = []
    for key in means.keys():
        for a in rsft:
            for b in rsft:
                if not (means.has(key, a.id) and means.has(key, b.id)):
                    continue
                matched = (
                    a.parameters.get("accept") == "random"
                    and "argmax" in str(a.parameters.get("match"))
                    and a.parameters.get("by", "prompt") == "prompt"
                    and _drawn(a) == _drawn(b)
                )
                single = b.parameters.get("accept") == "all" and b.parameters.get("k") == 1
                weights = [number(v.parameters.get("lambda", 1)) for v in (a, b)]
                if matched and single and weights[0] == weights[1]:
                    pairs.append((key, a.id, b.id, METRIC, SPLIT))
    return pairs


def _drawn(v: Variant) -> tuple[Json, ...]:
    """What a variant's pool was drawn from, as far as its parameters say."""
    names = ("source", "mix", "pool_temperature", "pool_top_p")
    return tuple(v.parameters.get(name) for name in names)


def _adjust(records: list[Record], method: str) -> None:
    """Fill ``p_adj``. A test that could not be made counts as p = 1 and stays without p."""
    if not records:
        return
    p = np.array([1.0 if r["p"] is None else r["p"] for r in records])
    adjusted = holm(p) if method == "holm" else benjamini_hochberg(p)
    for r, value in zip(records, adjusted, strict=True):
        r["p_adj"] = None if r["p"] is None else float(value)
