"""Puts a report together: an Analysis and the run's texts in, a Document out."""

from __future__ import annotations

from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.reports import sections_audit as audit
from rsft_bench.reports import sections_quality as quality
from rsft_bench.reports.analysis import Analysis, SuiteAnalysis
from rsft_bench.reports.cases import cases
from rsft_bench.reports.document import Document, Section, Text, Verdict
from rsft_bench.reports.formatting import plural, rate
from rsft_bench.reports.gauges import ceiling_lines, fixed_training
from rsft_bench.reports.questions import answers
from rsft_bench.reports.sections_audit import AUTHORED

LEAD = (
    "RSFT (rejection-sampling fine-tuning) draws k answers for each training prompt, keeps those "
    "a learned reward likes and fine-tunes on them. This run asks whether that beats its rivals: "
    "more SFT on the same data, the same data filtered, a lower temperature, and drawing n answers "
    "for every request (best-of-n)."
)
HOW_TO_READ = (
    "Pass rate is the share of answers that pass every hard check of the suite (gold). Gold "
    "evaluates; a separate proxy reward picks training answers and the best of n.",
    "Every difference is paired by prompt. An interval covers new seeds and new prompts of the "
    "same suite, on this base model; it says nothing about other suites or models. Verdicts hold "
    "for one suite each; nothing is pooled over suites.",
    "Words: k = answers sampled for each training prompt; n = answers sampled for each request; "
    "λ = weight of accepted answers against the training data D (λ=∞ trains on them alone); "
    "T = serving temperature, 1 unless shown. SFT, same steps, is SFT trained on D for as many "
    "more steps as RSFT: the fair rival.",
    "“No” means the 90 % interval of the difference lies within ± the margin; “cannot tell” means "
    "this run is too small to say, and how much larger it would have to be. “Detects x”: a true "
    "difference of x would be found in 80 of 100 such runs.",
)


def build(run: RunFolder, found: Analysis) -> Document:
    """The report of a run."""
    replies = answers(found)
    sections = (
        Section("How to read this", tuple(Text(t) for t in HOW_TO_READ)),
        quality.quality(found),
        quality.temperatures(found),
        quality.economics(found),
        quality.maps(found),
        audit.accepted(found),
        audit.task(found),
        audit.harm(found),
        audit.training(found),
        quality.costs(found),
        quality.comparisons_section(found),
        cases(found, run.rows(), run.examples()),
        audit.facts(found),
    )
    return Document(
        title=f"RSFT benchmark: {found.manifest.get('name', run.path.name)}",
        subtitle=_subtitle(found),
        lead=LEAD,
        warnings=tuple(
            [*ceiling_lines(found.manifest), *fixed_training(found.manifest), *_warnings(found)]
        ),
        verdicts=tuple(
            Verdict(p.where, p.word, p.short, _numbers(found, s))
            for p, s in zip(replies[0].parts, found.suites, strict=True)
        ),
        answers=tuple(replies),
        sections=sections,
    )


def _numbers(found: Analysis, s: SuiteAnalysis) -> str:
    """Pass rates of SFT, RSFT and the largest best-of-n, for the headline."""
    tops = [v.variant for v in s.levels if found.variants[v.variant].method == "best_of_n"]
    names = [
        ("base", "base"),
        (found.label(s.comparator or ""), s.comparator),
        ("RSFT", s.primary),
        *((found.label(t), t) for t in tops[-1:]),
    ]
    levels = [(word, s.level(name) if name else None) for word, name in names]
    words = [f"{w} {rate(v.passed.estimate)}" for w, v in levels if v is not None and v.passed]
    return f"Pass rate: {' · '.join(words)}"


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
    if m.get("name") == "smoke":
        words.append("Preset smoke checks the plumbing; its numbers prove nothing.")
    if any(v.oracle for v in found.variants.values()):
        words.append("Variants marked (oracle) accept by gold, which no user has: a ceiling.")
    extra = ((m.get("config") or {}).get("pool") or {}).get("extra_prompts", 0)
    if extra:
        words.append(f"The pool has {extra} extra prompts: SFT, same steps, is not prompt-matched.")
    words += [*found.left_out, *_thin(found)]
    names = {str(i.get("name")) for i in m.get("suites", [])}
    if names and names <= AUTHORED:
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
