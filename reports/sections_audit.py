"""Sections about what lies behind the numbers: accepted sets, training, task, harm, facts."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.harness.runfolder import STAGES
from rsft_bench.harness.types import Json
from rsft_bench.reports import task_facts as about
from rsft_bench.reports.audit import AcceptAudit, ArmFacts
from rsft_bench.reports.diagnostics import Harm
from rsft_bench.reports.diversity import BUDGET, PROMPTS
from rsft_bench.reports.document import Block, Section, Table, Text
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import (
    NA,
    big,
    count,
    level,
    percent,
    rate,
    seconds,
    signed,
    total,
)
from rsft_bench.reports.gauges import proxy_table, reliability_figures, reward_table
from rsft_bench.reports.sections_tuning import trials_words
from rsft_bench.reports.verdicts import place

AUTHORED = {"order_status", "returns_refunds", "synthetic_choices", "intent_routing"}


def authored(info: Mapping[str, Json]) -> bool:
    """Whether a suite of the manifest was written by the authors of the benchmark."""
    return info.get("suite", info.get("name")) in AUTHORED


def accepted(found: Analysis) -> Section:
    """The accept audit."""
    blocks: list[Block] = []
    for s in found.suites:
        if s.audits:
            blocks.append(_audit_table(found, s))
    if not blocks:
        blocks.append(Text("No variant accepted pool answers in this run.", "note"))
    return Section("What RSFT accepted", tuple(blocks))


def _audit_table(found: Analysis, s: SuiteAnalysis) -> Table:
    head = (
        *("variant", "accept rate", "prompts covered", "without answer", "distinct pairs"),
        *("duplicates", "length shift (tokens)", "precision (gold)", "pool pass rate"),
        *("proxy − gold", "A's share of loss p10 / 50 / 90", "tau over seeds"),
    )
    note = (
        "Accepted answers against the pool they came from, mean over seeds. Precision is the share "
        "of accepted answers that pass gold; A's share is λx/(1+λx) over the prompts of D."
    )
    rows = tuple(_audit_row(found, a) for a in s.audits)
    return Table(f"{place(found, s)}: accepted sets", head, rows, note)


def _audit_row(found: Analysis, a: AcceptAudit) -> tuple[str, ...]:
    return (
        *(found.label(a.variant), percent(a.accept_rate), percent(a.coverage)),
        *(count(a.uncovered), count(a.distinct), percent(a.duplicates)),
        *(signed(a.length_shift, 1), rate(a.precision), rate(a.pool_pass), signed(a.overstated)),
        " / ".join(rate(x, 2) for x in a.share),
        f"{rate(a.tau[0], 2)} to {rate(a.tau[1], 2)}" if a.tau else NA,
    )


def training(found: Analysis) -> Section:
    """Per arm: training facts, pass@k, diversity, length, failures."""
    head = (
        *("method", "steps", "tokens trained", "epochs D / A", "gold labels", "pass at T=1"),
        *("greedy", "pass@16", "pass^4", "−logprob (nats)", "tokens", "truncated", "empty"),
    )
    blocks: list[Block] = []
    for s in found.suites:
        rows = tuple(_arm_row(found, a) for a in s.arms)
        kept = {k for a in s.arms for k in a.keep}
        note = "pass@16 needs 16 draws a prompt, pass^4 needs 4; n/a where the run has fewer."
        if kept:
            note += (
                f" SFT on filtered data kept {', '.join(percent(k) for k in sorted(kept))} of D."
            )
        note += f" {trials_words(found, s)}"
        blocks.append(Table(f"{place(found, s)}: arms", head, rows, note.strip()))
        if s.diversity:
            blocks.append(_diversity_table(found, s))
    return Section("Training and behaviour of every arm", tuple(blocks), folded=True)


def _arm_row(found: Analysis, a: ArmFacts) -> tuple[str, ...]:
    variant = found.variants[a.variant]
    twin = variant.temperature == 1
    epochs = NA if a.epochs_d is None else f"{rate(a.epochs_d, 1)} / {rate(a.epochs_a, 1)}"
    return (
        *(found.label(a.variant), count(a.steps), count(a.train_tokens), epochs),
        *(count(a.gold_labels), rate(a.passes.pass_1) if twin else NA, rate(a.greedy)),
        *(rate(a.passes.pass_16), rate(a.passes.pass_hat_4), rate(a.entropy, 2)),
        *(rate(a.tokens, 1), f"{a.truncated} of {a.draws}", f"{a.empty} of {a.draws}"),
    )


def _diversity_table(found: Analysis, s: SuiteAnalysis) -> Table:
    rows = tuple(
        (found.label(d.variant), rate(d.distinct_2), level(d.self_bleu), level(d.vendi, 2))
        for d in s.diversity
    )
    note = (
        f"Distinct-2: share of distinct bigrams in {count(BUDGET)}, over one answer a prompt. "
        "Self-BLEU-4 (1: equal) and Vendi score (1: equal, 2: nothing in common) of the first two "
        f"draws of {PROMPTS} prompts, the same for all; n/a with one draw. Best-of-n is left out: "
        "of its draws it serves one."
    )
    head = ("method", "distinct-2", "self-BLEU [95 %]", "Vendi score [95 %]")
    return Table(f"{place(found, s)}: diversity", head, rows, note)


def task(found: Analysis) -> Section:
    """Difficulty, D's mixture, overlap with pretraining, headroom, proxy quality, strata."""
    blocks: list[Block] = [*about.difficulty(found)]
    head = (
        "suite",
        "pass@1",
        "pass@k",
        "headroom (oracle)",
        "headroom (proxy)",
    )
    rows = []
    for s in found.suites:
        h = s.headroom
        words = (NA,) * 4
        if h:
            words = (
                *(rate(h.pass_1), f"{rate(h.pass_k)} (k={h.k})"),
                *(signed(h.oracle), signed(h.proxy)),
            )
        rows.append((place(found, s), *words))
    note = "From the test draws of SFT on confirm."
    blocks.append(Table("Headroom", head, tuple(rows), note))
    own = reward_table(found)
    blocks += [*([] if own is None else [own]), proxy_table(found), *reliability_figures(found)]
    blocks += [*about.proxy_notes(found), *about.strata(found)]
    return Section("The task: headroom, proxy, strata", tuple(blocks))


def harm(found: Analysis) -> Section:
    """Each kind of harm apart, with the exact bound where none was seen."""
    blocks: list[Block] = []
    for s in found.suites:
        kinds = sorted({h.kind for items in s.harms.values() for h in items})
        if not kinds:
            continue
        rows = []
        for v in s.levels:
            by_kind = {h.kind: h for h in s.harms.get(v.variant, [])}
            rows.append((found.label(v.variant), *(_harm(by_kind.get(k)) for k in kinds)))
        note = (
            "Share of answers with the harm and its 95 % interval; at count 0 the exact one-sided "
            "95 % upper bound, with prompts as trials."
        )
        blocks.append(Table(f"{place(found, s)}: harm", ("method", *kinds), tuple(rows), note))
    if not blocks:
        blocks.append(Text("No suite of this run has harm checks.", "note"))
    return Section("Harm, each kind apart", tuple(blocks))


def _harm(h: Harm | None) -> str:
    if h is None:
        return NA
    if h.effect is None:
        return f"0 of {h.draws}, at most {percent(h.upper)}"
    spread = (
        "" if h.effect.lo is None else f" [{percent(max(0, h.effect.lo))}, {percent(h.effect.hi)}]"
    )
    return f"{percent(h.effect.estimate)}{spread}"


def facts(found: Analysis) -> Section:
    """Suites, models, machine, versions, costs by stage."""
    m = found.manifest
    blocks: list[Block] = [_suites(found)]
    for info in m.get("suites", []):
        if info.get("report"):
            rows = tuple((k, _value(v)) for k, v in info["report"].items())
            blocks.append(Table(f"{info['name']}: about its data", ("fact", "value"), rows))
    ids = tuple((v.label, v.id) for v in found.variants.values())
    blocks += [_stages(m), Table("Variant ids", ("method", "id"), ids), _run(m)]
    return Section("Facts of the run", tuple(blocks), folded=True)


def _suites(found: Analysis) -> Table:
    rows = tuple(
        (
            *(str(i.get("name")), str(i.get("version")), str(i.get("licence"))),
            *(str(i.get("attribution")), str(i.get("language", NA))),
            "authored" if authored(i) else "real data or your own",
        )
        for i in found.manifest.get("suites", [])
    )
    real = not all(authored(i) for i in found.manifest.get("suites", []))
    note = "" if real else "No real-data suite in this run; suite `sgd` is one (examples/sgd.yaml)."
    head = ("suite", "version", "licence", "attribution", "language", "kind")
    return Table("Suites", head, rows, note)


def _stages(m: Mapping[str, Json]) -> Table:
    totals = m.get("totals") or {}
    names = [s for s in STAGES if s in totals] + sorted(set(totals) - set(STAGES))
    rows = [_stage(name, totals[name]) for name in names]
    keys = ("tokens", "flops", "wall_s", "cpu_s")
    whole = {k: total(t.get(k, 0) for t in totals.values()) for k in keys}
    rows.append(_stage("all stages", whole))
    head = ("stage", "tokens", "FLOPs", "wall time", "CPU time")
    note = "What this run spent; an artifact shared by several arms is counted once."
    return Table("Cost by stage", head, tuple(rows), note, strong=(len(rows) - 1,))


def _stage(name: str, t: Mapping[str, Json]) -> tuple[str, ...]:
    wall, cpu = t.get("wall_s"), t.get("cpu_s")
    return (name, count(t.get("tokens")), big(t.get("flops")), seconds(wall), seconds(cpu))


def _run(m: Mapping[str, Json]) -> Table:
    rows = [
        ("status", str(m.get("status"))),
        ("config", f"{m.get('name')} ({m.get('config_hash')})"),
        ("seeds", ", ".join(str(s) for s in m.get("seeds", []))),
        ("started, finished", f"{m.get('started_at')}, {m.get('finished_at')}"),
        ("wall time of the last call", seconds(m.get("wall_s"))),
        ("workers, threads of each", f"{m.get('workers')}, {m.get('threads', 1)}"),
        ("commit", f"{m.get('commit')}{' with local changes' if m.get('dirty') else ''}"),
        *((f"machine: {k}", str(v)) for k, v in (m.get("machine") or {}).items()),
        *((f"version: {k}", str(v)) for k, v in (m.get("versions") or {}).items()),
    ]
    for p in m.get("policies", []):
        words = f"version {p.get('version')}, {count(p.get('parameters'))} parameters"
        card = "; card: harness/policies/nano_1/MODEL_CARD.md" if p.get("name") == "nano-1" else ""
        rows.append((f"policy: {p.get('name')}", words + card))
    return Table("Run", ("fact", "value"), tuple(rows))


def _value(value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {_value(v)}" for k, v in value.items())[:600]
    if isinstance(value, list):
        return ", ".join(_value(v) for v in value)[:600]
    return str(value)[:600]
