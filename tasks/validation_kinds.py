"""What ``validate`` measures of suites of kind ``pool`` and ``labels``.

A pool's ceiling is what people themselves would choose, its floors what choosing blindly serves. A
data set of labels has a ceiling of 1, and its floors are what a reward scores that knows nothing;
beside them stands what the text rewards learn from it, on contexts they have not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean

import numpy as np

from rsft_bench.harness.rewards.calibration import RewardReport
from rsft_bench.harness.rewards.labelled import BoolArray
from rsft_bench.harness.statistics.raters import human_best
from rsft_bench.harness.types import TEST_SPLITS, Example, FloatArray, Json, Suite, SuiteData

Level = Mapping[str, float | None]
MIN_CLUSTERS = 10
MIN_PROMPTS = 5
MAX_LABELS = 4000
"""Answers that rewards are fitted on here, whole prompts in order; more would only take longer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Ceiling and floors as ``ValidationReport`` has them; what stops a conclusion or weakens it.

    ``rewards`` says by name what rewards learn from labels: answers, pairs, accuracy, AUC within a
    prompt (of two answers: the share of pairs ordered as people did), Brier, reliability.
    """

    ceiling: Level
    floors: Mapping[str, Level]
    fatal: tuple[str, ...]
    warnings: tuple[str, ...]
    rewards: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


def measure(suite: Suite, data: SuiteData) -> Measured | None:
    """None for a suite of prompts."""
    kind = getattr(suite, "kind", "prompts")
    if kind == "pool":
        return _pool(suite, data)
    return _labels(suite, data) if kind == "labels" else None


def _pool(suite: Suite, data: SuiteData) -> Measured:
    """On ``select`` and ``confirm``: the split raters' choice against blind choices."""
    tested = [e for e in data.examples if e.split in TEST_SPLITS]
    lo, hi = tested[0].facts["scale"] if tested else (0, 1)
    people = [human_best(np.array(e.facts["ratings"], dtype=float)).split for e in tested]
    split = (fmean(people) - lo) / (hi - lo) if people else None
    floors = {
        "random": _chosen(suite, tested, lambda e: [1.0] * len(e.facts["texts"])),
        "longest": _chosen(suite, tested, lambda e: [len(t) for t in e.facts["texts"]], top=True),
        "majority": _always(suite, tested),
    }
    fatal = [
        f"{s} has {n} clusters; below {MIN_CLUSTERS} there is no interval"
        for s, n in ((s, len({e.cluster for e in tested if e.split == s})) for s in TEST_SPLITS)
        if n < MIN_CLUSTERS
    ]
    warnings = ["ceiling: the answer that all raters but one choose, scored by that one"]
    if split is not None and split <= (floors["majority"]["gold"] or 0.0):
        warnings.append(
            "always taking the best system is worth as much as one rater fewer choosing: judge a "
            "reward by its gain over that system"
        )
    warnings.append("only recorded answers were rated: empty and copied answers have no gold")
    return Measured({"gold": split, "gold_pass": None}, floors, tuple(fatal), tuple(warnings))


def _chosen(
    suite: Suite,
    tested: Sequence[Example],
    score: Callable[[Example], Sequence[float]],
    top: bool = False,
) -> Level:
    values, passes = [], []
    for example in tested:
        scores = score(example)
        best = max(scores)
        verdicts = [
            suite.judge(example, text)
            for text, s in zip(example.facts["texts"], scores, strict=True)
            if not top or s == best
        ]
        values.append(fmean(v.gold for v in verdicts))
        passes.append(fmean(float(v.gold_pass) for v in verdicts))
    return _level(values, passes)


def _always(suite: Suite, tested: Sequence[Example]) -> Level:
    """The one system that is best over all tested questions: a floor chosen with hindsight."""
    systems = tested[0].facts["systems"] if tested else []
    levels = []
    for i in range(len(systems)):
        verdicts = [suite.judge(e, e.facts["texts"][i]) for e in tested]
        levels.append(_level([v.gold for v in verdicts], [float(v.gold_pass) for v in verdicts]))
    return max(levels, key=lambda level: level["gold"] or 0.0, default=_level([], []))


def _level(values: Sequence[float], passes: Sequence[float]) -> Level:
    if not values:
        return {"gold": None, "gold_pass": None}
    return {"gold": fmean(values), "gold_pass": fmean(passes)}


def _labels(suite: Suite, data: SuiteData) -> Measured:
    """Rewards of text fitted on four fifths of the clusters and measured on the last."""
    rows = [(e, text) for e in data.examples for text in e.facts["texts"]][:MAX_LABELS]
    verdicts = [suite.judge(e, text) for e, text in rows]
    labels = np.array([v.gold_pass for v in verdicts], dtype=bool)
    grades = np.array([v.gold for v in verdicts], dtype=np.float64)
    share = float(labels.mean())
    clusters = len({e.cluster for e in data.examples})
    fatal, warnings = [], [str(w) for w in data.report.get("warnings") or ()]
    if clusters < MIN_CLUSTERS:
        fatal.append(f"{clusters} clusters of contexts; {MIN_CLUSTERS} are needed to hold some out")
    if share in (0.0, 1.0):
        fatal.append("all labels are alike: nothing can be learned from them")
    floors: dict[str, Level] = {"majority": {"gold": None, "gold_pass": max(share, 1 - share)}}
    if fatal:
        return Measured({"gold": 1.0, "gold_pass": 1.0}, floors, tuple(fatal), tuple(warnings))
    rewards, notes = _rewards(rows, labels, grades)
    longest = rewards.pop("longest")
    floors["longest"] = {"gold": None, "gold_pass": longest["auc_in_prompt"]}
    return Measured({"gold": 1.0, "gold_pass": 1.0}, floors, (), (*warnings, *notes), rewards)


def _rewards(
    rows: Sequence[tuple[Example, str]], labels: BoolArray, grades: FloatArray
) -> tuple[dict[str, dict[str, Json]], list[str]]:
    from rsft_bench.harness.errors import DataError
    from rsft_bench.harness.rewards.bradley_terry import fit_bradley_terry
    from rsft_bench.harness.rewards.calibration import report_of
    from rsft_bench.harness.rewards.labelled import halves
    from rsft_bench.harness.rewards.proxy import fit_proxy

    prompts, texts = [e.prompt for e, _ in rows], [text for _, text in rows]
    clusters = [e.cluster for e, _ in rows]
    answers = (prompts, texts, labels, clusters, 0)
    found = {"pointwise": _told(fit_proxy(*answers)[1])}
    notes = []
    try:
        found["bradley_terry"] = _told(fit_bradley_terry(*answers, grades)[1])
    except DataError:
        notes.append("no prompt has answers of different labels: no reward can compare pairs")
    split = halves(*answers)
    sizes = np.array([len(text) for text in split.rest.texts], dtype=np.float64)
    found["longest"] = _told(report_of(sizes / (sizes.max() + 1), split, 0))
    classes: dict[str, set[bool]] = {}
    for prompt, label in zip(split.rest.prompts, split.rest.truth, strict=True):
        classes.setdefault(prompt, set()).add(bool(label))
    if sum(len(kinds) > 1 for kinds in classes.values()) < MIN_PROMPTS:
        notes.append(
            f"fewer than {MIN_PROMPTS} held-out contexts have answers of both labels: how rewards "
            "order the answers to one context cannot be told"
        )
        found = {name: {**told, "auc_in_prompt": None} for name, told in found.items()}
    return found, notes


def _told(report: RewardReport) -> dict[str, Json]:
    n = report.n_held_out
    return {
        "labels": report.n_label,
        "held_out": n,
        "pairs": report.n_pairs,
        "accuracy": report.n_correct / n if n else None,
        "auc": report.auc,
        "auc_in_prompt": report.within_auc,
        "brier": report.brier,
        "brier_of_constant": report.positive_share * (1 - report.positive_share),
        "reliability": [asdict(b) for b in report.reliability],
        "notes": list(report.notes),
    }
