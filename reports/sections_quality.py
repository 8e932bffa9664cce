"""Sections about quality: method table, comparisons, temperatures, maps, cost, best-of-n."""

from __future__ import annotations

from rsft_bench.reports.comparisons import Record, find
from rsft_bench.reports.document import Block, Figure, Section, Table, Text
from rsft_bench.reports.economics import BreakEven, Cost, volumes
from rsft_bench.reports.figures import cost_arms, slug
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import (
    NA,
    big,
    count,
    covers,
    evidence,
    gain,
    level,
    p_value,
    rate,
    seconds,
    tested,
)
from rsft_bench.reports.sections_tuning import trials_words
from rsft_bench.reports.verdicts import headroom_words, place


def quality(found: Analysis) -> Section:
    """Figure and method table of every suite."""
    blocks: list[Block] = []
    for s in found.suites:
        blocks.append(
            Figure(
                slug(s, "quality"),
                f"{place(found, s)}: pass rate of every method (left; small points are seeds) and "
                f"gain over {found.label(s.comparator or '')} (right). Bars are 95 % intervals for "
                f"{covers(len(found.manifest.get('seeds', [])))}; read differences on the right, "
                "never from overlap on the left.",
            )
        )
        blocks.append(method_table(found, s))
    return Section("Quality of every method", tuple(blocks))


def method_table(found: Analysis, s: SuiteAnalysis) -> Table:
    """One row a variant: pass rate, graded gold, gain, adjusted p, cost."""
    cost = {c.variant: c for c in s.costs}
    rows, strong = [], []
    for i, item in enumerate(s.levels):
        r = find(found.records, s.key, item.variant, s.comparator) if s.comparator else None
        c = cost.get(item.variant)
        same = item.variant == s.comparator
        if item.variant == s.primary:
            strong.append(i)
        rows.append(
            (
                found.label(item.variant),
                level(item.passed),
                rate(item.gold.estimate if item.gold else None),
                "reference" if same else gain(r),
                _adjusted(r),
                big(c.one_off_flops) if c else NA,
                big(c.serve_flops) if c else NA,
            )
        )
    against = found.label(s.comparator) if s.comparator else "none"
    return Table(
        f"{place(found, s)}: methods on the confirm split",
        (
            *("method", "pass rate [95 %]", "gold score", f"gain over {against} [95 %]"),
            *("adjusted p", "FLOPs once", "FLOPs a request"),
        ),
        tuple(rows),
        note="Adjusted p: H = Holm over this suite's confirmatory comparisons, B = "
        "Benjamini–Hochberg over all exploratory ones. FLOPs once = sampling + scoring + training "
        "on top of SFT. "
        f"Bold: the primary variant. {headroom_words(s)}{origin(s)}{trials_words(found, s)}",
        strong=tuple(strong),
    )


def comparisons_section(found: Analysis) -> Section:
    """Confirmatory family, A/A check, and every exploratory comparison."""
    head = ("suite", "difference", "estimate [95 %]", "adjusted p", "rests on")
    wanted = (
        (
            "confirmatory",
            "Confirmatory comparisons, written down before the run (Holm within each suite and "
            "policy)",
        ),
        ("aa", "Built-in A/A check: two arms with one law, so a true difference of 0"),
        ("exploratory", "Exploratory comparisons (Benjamini–Hochberg over all)"),
    )
    blocks: list[Block] = []
    for family, caption in wanted:
        rows = tuple(_row(found, r) for r in found.records if r["family"] == family)
        if rows:
            blocks.append(Table(caption, head, rows))
        else:
            blocks.append(Text(f"{caption.split(',')[0].split(':')[0]}: none in this run.", "note"))
    return Section("All comparisons", tuple(blocks), folded=True)


def temperatures(found: Analysis) -> Section:
    """RSFT against SFT at each temperature and each at its own best."""
    blocks: list[Block] = [
        Text(
            "The cheapest rival of RSFT is a lower temperature: both sharpen the policy. RSFT "
            "beats SFT only if it is better at equal temperature and with each at its own best one."
        )
    ]
    for s in found.suites:
        if s.ladder is None or not s.ladder.steps:
            blocks.append(Text(f"{place(found, s)}: no temperatures to compare.", "note"))
            continue
        rows = [
            (f"T={t:g}", found.label(a), found.label(b), gain(r), evidence(r))
            for t, a, b, r in s.ladder.steps
        ]
        if s.ladder.best and s.ladder.mine and s.ladder.rival:
            names = (found.label(s.ladder.mine), found.label(s.ladder.rival))
            best = s.ladder.best
            rows.append(("own best, chosen on select", *names, gain(best), evidence(best)))
        head = ("temperature", "RSFT", "SFT", "RSFT − SFT [95 %]", "rests on")
        blocks.append(Table(place(found, s), head, tuple(rows), headroom_words(s).strip()))
    return Section("Against a lower temperature", tuple(blocks))


def maps(found: Analysis) -> Section:
    """K × λ and k × threshold maps, the winner, and what preset draws them."""
    blocks: list[Block] = []
    for s in found.suites:
        if len(s.cells) > 1:
            caption = f"{place(found, s)}: gain in pass rate over {found.label(s.comparator or '')}"
            caption += f" for the RSFT settings of this run. {headroom_words(s)}"
            blocks.append(Figure(slug(s, "map"), caption.strip()))
        if s.winner is not None:
            best, times = s.winner.favourite
            blocks.append(
                Text(
                    f"{place(found, s)}: choosing on the other seeds' select rows picks "
                    f"{found.label(best)} for {times} of {len(s.winner.chosen)} seeds; scored on "
                    f"the seed left out, the choice gains {gain(s.winner.record)} "
                    f"({tested(s.winner.record)})."
                )
            )
    sizes = {c.k for s in found.suites for c in s.cells}
    rates = {x for s in found.suites for c in s.cells for x in (c.target_rate, c.tau)} - {None}
    if len(sizes) < 2 or len(rates) < 2:
        text = "Only the settings above ran. Preset `sweep` draws the full maps: k × λ and k × "
        blocks.append(
            Text(text + "target rate (the share of the pool that a threshold keeps).", "note")
        )
    return Section("Which k, threshold and λ", tuple(blocks))


def economics(found: Analysis) -> Section:
    """Quality against total FLOPs, the best-of-n curve and the break-even."""
    blocks: list[Block] = []
    for s in found.suites:
        name = place(found, s)
        if cost_arms(found, s):
            text = (
                f"{name}: pass rate against total FLOPs after {_volumes(s)} requests: sampling, "
                "scoring and training once, on top of SFT, plus serving every request. Higher and "
                f"further left is better; further settings are in the costs table. {origin(s)}"
            )
            blocks.append(Figure(slug(s, "cost"), text.strip()))
        if s.curve:
            text = (
                f"{name}: best-of-n by the proxy, with its 95 % band, beside the one answer of "
                "other methods (levels without bands: read differences in the table of methods)."
            )
            blocks.append(Figure(slug(s, "best_of_n"), text))
    rows = tuple(_even_row(found, s, s.break_even) for s in found.suites if s.break_even)
    if rows:
        labels = {s.break_even.resampled for s in found.suites if s.break_even}
        head = ("suite", "RSFT lies", "n* [95 %]", "break-even requests [95 %]", "one-off cost")
        note = (
            "n* is the smallest n whose best-of-n is not inferior to RSFT. Requests = one-off "
            "FLOPs / (FLOPs of serving n* − FLOPs of serving one). Intervals: "
            f"{'; '.join(sorted(labels)) or 'none'}."
        )
        blocks.append(Table("Break-even between RSFT and best-of-n", head, rows, note))
    return Section("Quality against cost", tuple(blocks))


def _volumes(s: SuiteAnalysis) -> str:
    shown = [count(v) for v in volumes(s.costs)]
    return ", ".join(shown) if len(shown) > 1 else f"{shown[0]} (serving was not measured)"


def origin(s: SuiteAnalysis) -> str:
    """Where costs start: SFT's own training, said once in words."""
    own = [c.own_flops for c in s.costs if c.own_flops]
    if not own:
        return ""
    return (
        f"SFT is the origin, 0: its own training, {big(own[0], 'FLOP')} a seed, is shared by all "
        "but base. "
    )


def costs(found: Analysis) -> Section:
    """What every method would cost alone."""
    tables = tuple(_cost_table(found, s) for s in found.suites)
    return Section("Costs of every method", tables, folded=True)


def _cost_table(found: Analysis, s: SuiteAnalysis) -> Table:
    rows = tuple(
        (
            *(found.label(c.variant), count(c.sample_tokens), count(c.train_tokens)),
            *(big(c.one_off_flops), seconds(c.one_off_wall_s), count(c.gold_labels)),
            *(big(c.serve_flops), count(c.serve_tokens), _latency(c), rate(c.peak_rss_gib, 2)),
        )
        for c in s.costs
    )
    head = (
        *("method", "tokens sampled", "tokens trained", "FLOPs once", "time once", "gold labels"),
        *("FLOPs a request", "tokens a request", "latency median / 95 %", "peak GiB"),
    )
    note = (
        "Per seed, what the method would cost alone on top of SFT. Energy and money: not measured. "
        f"{origin(s)}{trials_words(found, s)}"
    )
    return Table(f"{place(found, s)}: costs", head, rows, note)


def _latency(cost: Cost) -> str:
    return NA if cost.latency_s is None else " / ".join(seconds(x) for x in cost.latency_s)


def _even_row(found: Analysis, s: SuiteAnalysis, even: BreakEven) -> tuple[str, ...]:
    spread, volume = even.n_interval, even.requests_interval
    n = "none" if even.n_star is None else str(even.n_star)
    lo_hi = f" [{count(spread.lo)}, {count(spread.hi)}]" if spread else " (no interval)"
    requests = "none needed" if even.n_star is None else count(even.requests)
    between = f" [{count(volume.lo)}, {count(volume.hi)}]" if volume else ""
    once = big(even.one_off_flops, "FLOP")
    return (place(found, s), even.words, n + lo_hi, requests + between, once)


def _row(found: Analysis, r: Record) -> tuple[str, ...]:
    names = f"{found.label(r['a'])} − {found.label(r['b'])}"
    return (
        r["suite"],
        names,
        gain(r),
        p_value(r["p_adj"] if r["p_adj"] is not None else r["p"]),
        evidence(r),
    )


def _adjusted(r: Record | None) -> str:
    if r is None or r["p_adj"] is None:
        return NA
    letter = "H" if r["family"] == "confirmatory" else "B"
    return f"{p_value(r['p_adj'])} {letter}"
