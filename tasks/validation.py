"""What a suite can support: counts, ceiling, floors of trivial answers, overlap, smallest effect.

Works for every suite. The overlap checks run only where the suite shows delexicalised questions
(``tasks.overlap.Delexicalised``). Imports no torch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from rsft_bench.harness.statistics import minimum_detectable
from rsft_bench.harness.types import SPLITS, TEST_SPLITS, Example, Json, Suite, SuiteData
from rsft_bench.tasks.leakage import as_json, balance, cluster_sizes, leak_reasons, leakage, spaced
from rsft_bench.tasks.overlap import Delexicalised, family_overlap, split_overlap
from rsft_bench.tasks.validation_kinds import measure

MAX_FAMILY_JACCARD = 0.3
MAX_SPLIT_JACCARD = 0.2
WARN_CLUSTERS = 30
MIN_CLUSTERS = 10
ASSUMED_SD = 0.2
"""SD over clusters of the mean paired difference of gold_pass that ``mde`` assumes; a family of
five prompts at four draws with ICC .1 to .3 has .15 to .25."""
MAX_JUDGED = 400
MAX_FLOOR = 0.2
"""Largest share of the ceiling's gold_pass that a trivial answer may reach; above it, the gold can
be had without solving the task and carries no conclusion."""
CONSTANTS = 40
COMMONEST = 10
CONSTANT_EXAMPLES = 120

Verdict = Literal["ok", "warn", "cannot support a conclusion"]


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """Result of ``validate``; every field is JSON.

    ``ceiling`` and each floor hold mean ``gold`` and ``gold_pass`` over ``select`` and ``confirm``
    (at most ``MAX_JUDGED`` examples, evenly spaced), None where the suite has no gold. Floors:
    ``empty``, ``yes``, ``longest`` (the longest reference as everybody's answer), ``copy`` (the
    prompt itself), ``record`` and ``acts`` (that line alone; no acts, no such floor), ``policy``
    (the policy's own sentence), ``dump`` ("Sorry." and all values of the record), ``dump_policy``
    (both), ``majority`` (the best single constant among ``CONSTANTS`` references spaced by length
    and the ``COMMONEST`` ones). Jaccards are
    None where questions cannot be delexicalised. ``leakage``, ``cluster_sizes`` and ``balance`` are
    as in ``tasks.leakage``. ``mde`` is the gold_pass difference found 80 times
    in 100 on ``confirm`` at two-sided 5 %, prompts only: (t_.975 + t_.80) ASSUMED_SD /
    sqrt(clusters); None below ``MIN_CLUSTERS`` clusters. Several seeds add their own variance,
    which this number leaves out. ``rewards``: what rewards learn from a suite of kind ``labels``
    (``validation_kinds.Measured``), where ceiling and floors are shares of right verdicts.
    """

    name: str
    version: str
    kind: str
    n_files: int | None
    n_records: int | None
    n_examples: int
    n_logs: int
    n_skipped: Mapping[str, int]
    splits: Mapping[str, int]
    clusters: Mapping[str, int]
    strata: Mapping[str, int]
    ceiling: Mapping[str, float | None]
    floors: Mapping[str, Mapping[str, float | None]]
    max_family_jaccard: float | None
    max_split_jaccard: float | None
    leakage: Mapping[str, Mapping[str, Json]]
    cluster_sizes: Mapping[str, Mapping[str, float]]
    balance: Mapping[str, float | None]
    mde: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    rewards: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Plain dictionaries and lists."""
        plain = asdict(self)
        plain["reasons"] = list(self.reasons)
        return plain


def validate(suite: Suite, options: Mapping[str, Json], seed: int) -> ValidationReport:
    """Loads a suite and states what conclusions its size and checks can carry.

    Raises:
        ConfigError, DataError: whatever ``suite.load`` raises.
    """
    data = suite.load(options, seed)
    clusters: dict[str, int] = {s: len(_clusters(data, s)) for s in SPLITS}
    family, split = _overlaps(suite)
    leaks, sizes = leakage(data.examples), cluster_sizes(data.examples)
    special = measure(suite, data)
    if special is None:
        tested = spaced([e for e in data.examples if e.split in TEST_SPLITS], MAX_JUDGED)
        ceiling, floors = _ceiling(suite, tested), _floors(suite, tested)
        fatal, warnings = _reasons(data, clusters, ceiling, floors, (family, split))
    else:
        ceiling = dict(special.ceiling)
        floors = {name: dict(level) for name, level in special.floors.items()}
        fatal, warnings = list(special.fatal), list(special.warnings)
    leaked, weak = leak_reasons(leaks, sizes, data.report.get("alike_by_design"))
    fatal, warnings = leaked + fatal, warnings + weak
    worst: Verdict = "cannot support a conclusion" if fatal else "warn" if warnings else "ok"
    return ValidationReport(
        name=suite.name,
        version=suite.version,
        kind=str(data.report.get("kind", "authored" if family is not None else "real")),
        n_files=_count(data.report.get("n_files")),
        n_records=_count(data.report.get("n_records")),
        n_examples=len(data.examples),
        n_logs=len(data.logs),
        n_skipped={str(k): int(v) for k, v in (data.report.get("skipped") or {}).items()},
        splits={s: sum(e.split == s for e in data.examples) for s in SPLITS},
        clusters=clusters,
        strata={
            s: sum(e.stratum == s for e in data.examples)
            for s in sorted({e.stratum for e in data.examples})
        },
        ceiling=ceiling,
        floors=floors,
        max_family_jaccard=family,
        max_split_jaccard=split,
        leakage=as_json(leaks),
        cluster_sizes=sizes,
        balance=balance(data.examples),
        mde=_mde(clusters["confirm"]),
        verdict=worst,
        reasons=(*fatal, *warnings),
        rewards={} if special is None else special.rewards,
    )


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) else None


def _scores(suite: Suite, pairs: Iterable[tuple[Example, str]]) -> dict[str, float | None]:
    """Mean gold and gold_pass over examples that have gold; None where none has."""
    judged = [suite.judge(example, text) for example, text in pairs]
    scored = [j for j in judged if not math.isnan(j.gold)]
    if not scored:
        return {"gold": None, "gold_pass": None}
    return {
        "gold": math.fsum(j.gold for j in scored) / len(scored),
        "gold_pass": sum(j.gold_pass for j in scored) / len(scored),
    }


def _ceiling(suite: Suite, tested: Sequence[Example]) -> dict[str, float | None]:
    return _scores(suite, ((e, text) for e in tested for text in e.references))


def _line(prompt: str, label: str) -> str:
    """Text of the prompt's last line with this label; empty where there is none."""
    found = [line for line in prompt.splitlines() if line.startswith(f"{label}:")]
    return found[-1].partition(":")[2].strip() if found else ""


def _dump(prompt: str) -> str:
    """An apology and every value of the record without its label: true of every prompt."""
    fields = _line(prompt, "Record").split("; ")
    return f"Sorry. {'. '.join(f.rpartition(': ')[2] for f in fields)}."


def _trivial(prompt: str) -> dict[str, str]:
    """Answers made of the prompt alone, by name of their floor."""
    policy, dump = _line(prompt, "Policy"), _dump(prompt)
    acts = _line(prompt, "Acts")
    return {
        "copy": prompt,
        "record": _line(prompt, "Record") or prompt,
        "dump": dump,
        "policy": policy,
        "dump_policy": f"{dump} {policy}",
        **({"acts": acts} if acts else {}),
    }


def _floors(suite: Suite, tested: Sequence[Example]) -> dict[str, dict[str, float | None]]:
    references = sorted({text for e in tested for text in e.references}, key=lambda t: (len(t), t))
    longest = references[-1] if references else ""
    floors = {
        "empty": _scores(suite, ((e, "") for e in tested)),
        "yes": _scores(suite, ((e, "Yes.") for e in tested)),
        "longest": _scores(suite, ((e, longest) for e in tested)),
    }
    copied = [(e, _trivial(e.prompt)) for e in tested]
    for name in dict.fromkeys(n for _, texts in copied for n in texts):
        floors[name] = _scores(suite, ((e, texts.get(name, "")) for e, texts in copied))
    few = spaced(tested, CONSTANT_EXAMPLES)
    step = max(1, len(references) // CONSTANTS)
    often = Counter(text for e in tested for text in set(e.references)).most_common(COMMONEST)
    best = max(
        dict.fromkeys((*(text for text, _ in often), *references[::step])),
        key=lambda text: _scores(suite, ((e, text) for e in few))["gold"] or 0.0,
        default="",
    )
    floors["majority"] = _scores(suite, ((e, best) for e in tested))
    return floors


def _overlaps(suite: Suite) -> tuple[float | None, float | None]:
    if not isinstance(suite, Delexicalised):
        return None, None
    bodies = suite.question_bodies()
    return family_overlap(bodies).value, split_overlap(bodies).value


def _mde(clusters: int) -> float | None:
    if clusters < MIN_CLUSTERS:
        return None
    return minimum_detectable(ASSUMED_SD / math.sqrt(clusters), clusters - 1)


def _reasons(
    data: SuiteData,
    clusters: Mapping[str, int],
    ceiling: Mapping[str, float | None],
    floors: Mapping[str, Mapping[str, float | None]],
    overlaps: tuple[float | None, float | None],
) -> tuple[list[str], list[str]]:
    """(what makes a conclusion impossible, what weakens one), one line each."""
    fatal: list[str] = []
    warnings = [str(w) for w in data.report.get("warnings") or ()]
    for split in TEST_SPLITS:
        count = clusters[split]
        if count < MIN_CLUSTERS:
            fatal.append(f"{split} has {count} clusters; below {MIN_CLUSTERS} there is no interval")
        elif count < WARN_CLUSTERS:
            warnings.append(f"{split} has {count} clusters; {WARN_CLUSTERS} or more are advised")
    limits = (("families", MAX_FAMILY_JACCARD), ("splits", MAX_SPLIT_JACCARD))
    for value, (what, limit) in zip(overlaps, limits, strict=True):
        if value is not None and value > limit:
            fatal.append(f"question 5-gram Jaccard between {what} is {value:.2f}, above {limit}")
    for a in range(len(SPLITS)):
        for b in range(a + 1, len(SPLITS)):
            shared = _clusters(data, SPLITS[a]) & _clusters(data, SPLITS[b])
            if shared:
                fatal.append(f"{SPLITS[a]} and {SPLITS[b]} share {len(shared)} clusters")
    top = ceiling["gold"]
    if top is None:
        warnings.append("no gold: answers can be compared but not judged")
        return fatal, warnings
    for name, floor in floors.items():
        passed, most = floor["gold_pass"] or 0.0, MAX_FLOOR * (ceiling["gold_pass"] or 0.0)
        if passed > most:
            fatal.append(
                f"the trivial answer {name!r} passes at {passed:.3f}, ceiling "
                f"{ceiling['gold_pass']:.3f}; at most {most:.3f} is allowed: tighten the checks"
            )
        elif (floor["gold"] or 0.0) > 0.5 * top:
            warnings.append(f"the trivial answer {name!r} reaches half of the ceiling's gold")
    return fatal, warnings


def _clusters(data: SuiteData, split: str) -> set[str]:
    return {e.cluster for e in data.examples if e.split == split}
