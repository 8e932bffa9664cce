"""What the gate says: frozen results, their plain form and their Markdown summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rsft_bench.harness.gate.decision import INCONCLUSIVE, NOT_COMPARABLE, PASS, REGRESSION
from rsft_bench.harness.types import Json

EXIT_CODES = {PASS: 0, REGRESSION: 1, INCONCLUSIVE: 3, NOT_COMPARABLE: 3}
SHOWN = "shown"
HARM_NOTE = "Higher is better; `harm_*` enters as 1 - harm."
HEADLINES = {
    PASS: "Pass: no blocking metric fell by the margin.",
    REGRESSION: "Regression: a blocking metric fell by more than the margin.",
    INCONCLUSIVE: "Inconclusive: neither a pass nor a regression can be stated at this size.",
    NOT_COMPARABLE: "Not comparable: the run and the baseline measure different things.",
}


@dataclass(frozen=True)
class Check:
    """One comparison of the run with the baseline, run minus baseline, higher is better.

    ``lower`` and ``upper`` are one-sided 95 % bounds, None without an interval. ``p`` is one-sided
    for "not worse"; ``p_adj`` is Holm-adjusted over the blocking checks. Checks that are only shown
    have verdict "shown" and no margin.
    """

    suite: str
    policy: str
    variant: str
    metric: str
    scope: str
    estimate: float
    lower: float | None
    upper: float | None
    p: float | None
    p_adj: float | None
    n: int
    clusters: int
    seeds: int
    baseline_seeds: int
    margin: float | None
    verdict: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CostCheck:
    """One counted cost, mean over seeds. ``rule`` is "exact" or "2 %"; costs never block."""

    suite: str
    policy: str
    variant: str
    cost: str
    run: float
    baseline: float
    rule: str
    changed: bool


@dataclass(frozen=True)
class GateResult:
    """Verdict of a gate with everything behind it."""

    verdict: str
    checks: tuple[Check, ...] = ()
    shown: tuple[Check, ...] = ()
    costs: tuple[CostCheck, ...] = ()
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 pass, 1 regression, 3 inconclusive or not comparable."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Json]:
        """Plain JSON form, which the JUnit writer reads."""
        return {**asdict(self), "exit_code": self.exit_code}

    def markdown(self) -> str:
        """Summary for a pull request."""
        lines = [f"## Gate: {self.verdict}", "", HEADLINES[self.verdict]]
        lines += _bullets("Why", self.reasons)
        if self.checks:
            lines += ["", "### Blocking checks", "", *_table(self.checks)]
        lines += _bullets("What would settle it", self.advice)
        if self.shown:
            lines += ["", "### Shown, never blocking", "", HARM_NOTE, "", *_table(self.shown)]
        changed = [c for c in self.costs if c.changed]
        if self.costs:
            lines += ["", "### Tokens and FLOPs, never blocking", "", *_cost_lines(changed)]
        return "\n".join(lines) + "\n"


def _table(checks: Sequence[Check]) -> list[str]:
    head = (
        "suite | policy | variant | metric | scope | run - baseline | one-sided 95 % bounds | "
        "p (Holm) | margin | examples, clusters, seeds | verdict"
    )
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for c in checks:
        bounds = "none" if c.lower is None else f"[{c.lower:+.3f}, {_signed(c.upper)}]"
        size = f"{c.n}, {c.clusters}, {c.seeds} v {c.baseline_seeds}"
        p = "" if c.p_adj is None else f"{c.p_adj:.3f}"
        margin = "" if c.margin is None else f"{c.margin:.3f}"
        words = [c.suite, c.policy, f"`{c.variant}`", c.metric, c.scope, f"{c.estimate:+.3f}"]
        verdict = "; ".join([c.verdict, *c.reasons])
        cells = [*words, bounds, p, margin, size, verdict]
        lines.append("| " + " | ".join(w.replace("|", "\\|") for w in cells) + " |")
    return lines


def _cost_lines(changed: Sequence[CostCheck]) -> list[str]:
    if not changed:
        return ["No count changed."]
    return [
        f"- {c.suite}, {c.policy}, `{c.variant}`: {c.cost} {c.baseline:.6g} -> {c.run:.6g}"
        f" ({_relative(c)}; compared {'exactly' if c.rule == 'exact' else 'at ' + c.rule})"
        for c in changed
    ]


def _relative(c: CostCheck) -> str:
    return f"{c.run / c.baseline - 1:+.1%}" if c.baseline else "was 0"


def _bullets(title: str, items: Sequence[str]) -> list[str]:
    return ["", f"### {title}", "", *(f"- {item}" for item in items)] if items else []


def _signed(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:+.3f}"
