"""Puts a report together: an Analysis and the run's texts in, a Document out."""

from __future__ import annotations

from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.reports import sections_audit as audit
from rsft_bench.reports import sections_quality as quality
from rsft_bench.reports import sections_tuning as tuning
from rsft_bench.reports.cases import cases
from rsft_bench.reports.document import Document, Section, Text, Verdict
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import covers, plural, rate
from rsft_bench.reports.gauges import ceiling_lines, fixed_training, reward_warnings
from rsft_bench.reports.questions import answers
from rsft_bench.reports.sections_audit import authored
from rsft_bench.reports.sections_kinds import model_kinds
from rsft_bench.reports.sections_overoptimization import overoptimization
from rsft_bench.reports.sections_pools import pool_verdicts, pools
from rsft_bench.reports.sections_proposals import proposals
from rsft_bench.reports.sections_rounds import rounds
from rsft_bench.reports.sections_satisfaction import satisfaction
from rsft_bench.reports.verdicts import headroom_words

LEAD = (
    "RSFT (rejection-sampling fine-tuning) draws k answers for each training prompt, keeps those "
    "a learned reward likes and fine-tunes on them. This run asks whether that beats its rivals: "
    "more SFT on the same data, the same data filtered, a lower temperature, and drawing n answers "
    "for every request (best-of-n)."
)
POOL_LEAD = (
    "This run has no model: several systems answered the same questions, people rated every "
    "answer, and rewards choose among them. It asks which reward chooses best by what people said. "
    "The questions about RSFT below are about training, which this run does not do."
)
PASS = (
    "Pass rate is the share of answers that pass every hard check of the suite (gold). Gold "
    "evaluates; a separate proxy reward picks training answers and the best of n."
)
WORDS = (
    "Words: k = answers sampled for each training prompt, before training; n = answers sampled for "
    "each request, at serving; λ = weight of accepted answers against the training data D (λ=∞ "
    "trains on them alone); T = serving temperature, 1 unless shown. SFT, same steps, is SFT "
    "trained on D for as many more steps as RSFT: the fair rival. Headroom = what a picker among "
    "several answers of SFT would gain over one."
)
VERDICTS = (
    "“No” means the 90 % interval of the difference lies within ± the margin; “cannot tell” means "
    "this run is too small to say, and is followed by what it needs. “Detects x”: a true "
    "difference of x would be found in 80 of 100 such runs."
)


def how_to_read(found: Analysis) -> tuple[str, ...]:
    """What the numbers mean; what intervals cover depends on the number of seeds."""
    intervals = (
        f"Every difference is paired by prompt. An interval covers "
        f"{covers(len(found.manifest.get('seeds', [])))}, on this base model; it says nothing "
        "about other suites or models. Means are over examples, so a cluster counts by its size. "
        "Verdicts hold for one suite each; nothing is pooled over suites."
    )
    return (PASS, intervals, WORDS, VERDICTS)


def build(run: RunFolder, found: Analysis) -> Document:
    """The report of a run."""
    replies = answers(found)
    curve, drawn, chosen = tuning.mixtures(found), proposals(found), pools(found)
    kinds = model_kinds(found)
    felt = satisfaction(found.satisfaction, found.variants, found.manifest.get("satisfaction"))
    rated = {study.suite for study in found.pools}
    rated_only = bool(rated) and all(s.key.suite in rated for s in found.suites)
    sections = (
        *([] if chosen is None else [chosen]),
        Section("How to read this", tuple(Text(t) for t in how_to_read(found))),
        *([] if kinds is None else [kinds]),
        quality.quality(found),
        quality.temperatures(found),
        quality.economics(found),
        quality.maps(found),
        *(section for section in (curve, overoptimization(found)) if section is not None),
        audit.accepted(found),
        *(section for section in (drawn, rounds(found), felt) if section is not None),
        audit.task(found),
        audit.harm(found),
        audit.training(found),
        tuning.tuning(found),
        quality.costs(found),
        quality.comparisons_section(found),
        cases(found, run.rows(), run.examples()),
        audit.facts(found),
    )
    return Document(
        title=f"RSFT benchmark: {found.manifest.get('name', run.path.name)}",
        subtitle=_subtitle(found),
        lead=POOL_LEAD if rated_only else LEAD,
        asked="Which reward chooses best?" if rated_only else "Does RSFT beat SFT?",
        warnings=tuple(
            [*ceiling_lines(found.manifest), *fixed_training(found.manifest), *_warnings(found)]
        ),
        verdicts=(
            *pool_verdicts(found),
            *(
                Verdict(p.where, p.word, p.short, _numbers(found, s), _caution(s))
                for p, s in zip(replies[0].parts, found.suites, strict=True)
                if s.key.suite not in rated
            ),
        ),
        answers=tuple(replies),
        sections=sections,
    )


def _numbers(found: Analysis, s: SuiteAnalysis) -> str:
    """Pass rates of SFT, RSFT and the largest best-of-n, for the headline."""
    tops = [
        v.variant
        for v in s.levels
        if found.variants[v.variant].best_of and not found.variants[v.variant].on_rsft
    ]
    names = [
        ("base", "base"),
        (found.label(s.comparator or ""), s.comparator),
        ("RSFT", s.primary),
        *((found.label(t), t) for t in tops[-1:]),
    ]
    levels = [(word, s.level(name) if name else None) for word, name in names]
    words = [f"{w} {rate(v.passed.estimate)}" for w, v in levels if v is not None and v.passed]
    return f"Pass rate: {' · '.join(words)}. {headroom_words(s)}".strip()


def _caution(s: SuiteAnalysis) -> str:
    """Said on the card where the untrained base passes more than RSFT."""
    base, mine = s.level("base"), s.level(s.primary) if s.primary else None
    if base is None or mine is None or base.passed is None or mine.passed is None:
        return ""
    if base.passed.estimate <= mine.passed.estimate:
        return ""
    return (
        f"The untrained base passes more ({rate(base.passed.estimate)}) than RSFT "
        f"({rate(mine.passed.estimate)}): fine-tuning on D, RSFT included, ends below where it "
        "began."
    )


def _subtitle(found: Analysis) -> str:
    m = found.manifest
    policies = ", ".join(str(p.get("name")) for p in m.get("policies", []))
    return (
        f"{plural(len(found.suites), 'suite')}, {plural(len(m.get('seeds', [])), 'seed')}, "
        f"{plural(len(found.variants), 'variant')}, policy {policies}, "
        f"margin for “no gain” {rate(found.margin)}"
    )


def _warnings(found: Analysis) -> list[str]:
    m = found.manifest
    words = []
    if m.get("status") != "complete":
        words.append(f"This run is {m.get('status')}: rows are missing and verdicts may change.")
    if m.get("preset") == "smoke":
        words.append("Preset smoke checks the plumbing; its numbers prove nothing.")
    words += reward_warnings(m)
    if any(v.oracle for v in found.variants.values()):
        words.append("Variants marked (oracle) accept by gold, which no user has: a ceiling.")
    if "sft_clean" in {v.method for v in found.variants.values()}:
        words.append("SFT on clean data reads D's hidden quality labels: a ceiling no user has.")
    extra = ((m.get("config") or {}).get("pool") or {}).get("extra_prompts", 0)
    if extra:
        words.append(f"The pool has {extra} extra prompts: SFT, same steps, is not prompt-matched.")
    words += [*found.left_out, *_thin(found)]
    for info in m.get("suites", []):
        told = (info.get("report") or {}).get("warnings") or ()
        words += [f"{info.get('name')}: {str(w).rstrip('.')}." for w in told]
    if m.get("suites") and all(authored(i) for i in m["suites"]):
        words.append(
            "All suites of this run were written by the authors of the benchmark; run one on real "
            "data beside them (`examples/sgd.yaml`) before deciding."
        )
    return words


def _thin(found: Analysis) -> list[str]:
    words = []
    for s in found.suites:
        sizes = {v.passed.clusters for v in s.levels if v.passed}
        if sizes and min(sizes) < 10:
            words.append(f"{s.key.suite}: {min(sizes)} clusters in confirm, so no intervals.")
        elif sizes and min(sizes) < 30:
            words.append(f"{s.key.suite}: {min(sizes)} clusters in confirm; intervals want 30.")
    return words
