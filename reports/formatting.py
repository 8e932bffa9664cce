"""Numbers as words, one way everywhere. Unknown is ``n/a``, never 0. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isinf, isnan, nan
from typing import Any

from rsft_bench.harness.statistics import Effect

NA = "n/a"
UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def rate(value: float | None, digits: int = 3) -> str:
    """A rate or mean, ``0.575``."""
    return NA if value is None or isnan(value) else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign, ``+0.101``; never ``-0.000``."""
    if value is None or isnan(value):
        return NA
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def count(value: float | None) -> str:
    """A count with thousands separated, ``12,800``."""
    if value is None or isnan(value):
        return NA
    return "∞" if isinf(value) else f"{value:,.0f}"


def big(value: float | None, unit: str = "") -> str:
    """A large number with an SI prefix, ``3.1 T``."""
    if value is None or isnan(value):
        return NA
    for size, prefix in UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".strip()


def seconds(value: float | None) -> str:
    """A duration, ``12 ms``, ``3.2 s`` or ``20 min``."""
    if value is None or isnan(value):
        return NA
    if value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.0f} min"


def total(parts: Iterable[float | None]) -> float:
    """Sum of numbers of a manifest; NaN where one is unknown, which JSON says as null."""
    return sum(nan if part is None else float(part) for part in parts)


def percent(value: float | None) -> str:
    """A share, ``6.2 %``."""
    return NA if value is None or isnan(value) else f"{value * 100:.1f} %"


def p_value(value: float | None) -> str:
    """A p-value, ``0.003`` or ``<0.001``."""
    if value is None:
        return NA
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def interval(lo: float | None, hi: float | None, digits: int = 3, sign: bool = False) -> str:
    """``[0.062, 0.140]`` or ``(no interval)``."""
    if lo is None or hi is None:
        return "(no interval)"
    show = signed if sign else rate
    return f"[{show(lo, digits)}, {show(hi, digits)}]"


def level(effect: Effect | None, digits: int = 3) -> str:
    """A level with its interval, ``0.575 [0.531, 0.619]``."""
    if effect is None:
        return NA
    return f"{rate(effect.estimate, digits)} {interval(effect.lo, effect.hi, digits)}"


def gain(effect: Mapping[str, Any] | Effect | None, digits: int = 3) -> str:
    """A difference with its interval, ``+0.101 [+0.062, +0.140]``, or ``identical``."""
    if effect is None:
        return NA
    e = effect._asdict() if isinstance(effect, Effect) else effect
    if e["scope"] == "identical":
        return "0 (identical rows)"
    if e["estimate"] is None or isnan(e["estimate"]):
        return NA
    return f"{signed(e['estimate'], digits)} {interval(e['lo'], e['hi'], digits, sign=True)}"


def evidence(record: Mapping[str, Any]) -> str:
    """What a difference rests on: n, clusters, seeds, corrected p, minimum detectable effect."""
    words = (
        f"n={record['n']} examples in {record['clusters']} clusters, "
        f"{plural(record['seeds'], 'seed')}, {tested(record)}"
    )
    if record.get("mde") is not None:
        words += f", detects {rate(record['mde'])}"
    if record["scope"] not in {"seeds and prompts", "identical"}:
        words += f"; {record['scope']}"
    return words


def tested(record: Mapping[str, Any]) -> str:
    """The p-value with its correction, or that there is none."""
    name = {"confirmatory": "Holm p", "exploratory": "BH p"}.get(str(record.get("family")), "")
    if name and record.get("p_adj") is not None:
        return f"{name}={p_value(record['p_adj'])}".replace("=<", "<")
    if record.get("p") is None:
        return "no p"
    return f"p={p_value(record['p'])} uncorrected".replace("=<", "<")


def claim(record: Mapping[str, Any]) -> str:
    """Difference, interval and evidence in one phrase."""
    return f"{gain(record)} ({evidence(record)})"


def plural(number: int, word: str) -> str:
    """``1 seed``, ``5 seeds``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def covers(seeds: int) -> str:
    """What an interval generalises to with so many seeds."""
    if seeds > 1:
        return "new seeds and new prompts of the same suite"
    return "new prompts of the same suite, for this checkpoint (one seed)"
