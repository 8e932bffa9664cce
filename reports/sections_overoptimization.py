"""Section on over-optimisation: gold and proxy against √KL, and where gold turns down."""

from __future__ import annotations

from rsft_bench.reports.document import Block, Figure, Section, Table, Text
from rsft_bench.reports.figures import slug
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import interval, rate, signed
from rsft_bench.reports.overoptimization import Band, Pressure, called, root
from rsft_bench.reports.verdicts import place

TITLE = "Over-optimisation"


def overoptimization(found: Analysis) -> Section | None:
    """A figure, sentences and a table a suite; None where the distance was not measured."""
    blocks: list[Block] = []
    for s in found.suites:
        if s.pressures:
            blocks += _suite(found, s)
    if not blocks:
        return None
    text = (
        "How proxy (what is pressed on) and pass rate (gold) change with the distance from SFT: "
        "the square root of KL(policy ‖ SFT) in nats, Gao et al. 2023. Gold that turns down while "
        "the proxy still rises is over-optimisation. KL does not make methods comparable: read "
        "each curve by itself. KL of best-of-n is estimated "
        f"{_estimators(found)}"
    )
    return Section(TITLE, (Text(text), *blocks))


def _estimators(found: Analysis) -> str:
    told = {p.kind: p.estimator for s in found.suites for p in s.pressures}
    words = [told["best_of_n"]] if "best_of_n" in told else ["not at all in this run"]
    if "rounds" in told:
        words.append(f"that of rounds by {told['rounds']}, which chance may take below 0")
    return "; ".join(words) + "."


def _suite(found: Analysis, s: SuiteAnalysis) -> list[Block]:
    caption = (
        f"{place(found, s)}: proxy (dashed) and pass rate (solid) on confirm against √KL to SFT, "
        "with 95 % bands; a line marks where gold is highest, the shade its 95 % interval."
    )
    said = [Text(f"{place(found, s)}, {called(p, found.label)}: {turning(p)}") for p in s.pressures]
    head = ("curve", "step", "KL, nats [95 %]", "√KL", "proxy [95 %]", "pass rate [95 %]", "gap")
    rows = tuple(
        (
            *(called(p, found.label), _step(p, step.size), _told(step.kl)),
            *(rate(root(step.kl.value)), _told(step.proxy), _told(step.gold)),
            signed(step.proxy.value - step.gold.value),
        )
        for p in s.pressures
        for step in p.steps
    )
    note = "Gap: proxy − pass rate."
    return [
        Figure(slug(s, "overoptimization"), caption),
        *said,
        Table(f"{place(found, s)}: by step", head, rows, note),
    ]


def turning(p: Pressure) -> str:
    """The turning point of gold with its uncertainty, or that none was seen."""
    t, last = p.turning, p.steps[-1]
    word = "n" if p.kind == "best_of_n" else "rounds"
    if t is None:
        return "whether gold turns down cannot be told: needs at least 10 clusters in confirm."
    best = next(step for step in p.steps if step.size == t.n)
    where = (
        f"gold is highest at {word}={t.n} ({rate(best.gold.value)}; 95 % interval of the place "
        f"{t.lo} to {t.hi}, for {p.covers})"
    )
    if not t.seen:
        return f"no turning point seen up to {word}={last.size}: {where}."
    return (
        f"gold turns down: {where}, {rate(last.gold.value)} at {word}={last.size}, while the proxy "
        f"goes from {rate(best.proxy.value)} to {rate(last.proxy.value)}."
    )


def _step(p: Pressure, size: int) -> str:
    if p.kind == "best_of_n":
        return f"n={size}"
    return "SFT" if size == 0 else f"{size} round{'s' if size > 1 else ''}"


def _told(band: Band) -> str:
    words = "" if band.lo is None else f" {interval(band.lo, band.hi)}"
    return f"{rate(band.value)}{words}"
