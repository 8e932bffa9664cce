"""What a reader must know of the task: how hard it is set, D, pretraining, the proxy, strata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from rsft_bench.harness.statistics import Effect
from rsft_bench.harness.types import Json
from rsft_bench.reports.document import Table, Text
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import gain, percent, signed
from rsft_bench.reports.verdicts import headroom_words, place

LEVEL_NOTE = (
    "The authors of the suites set the share of good answers in D; where D is better, RSFT has "
    "less to gain. Read every effect beside the headroom."
)
FROZEN = (
    "Difficulty is set on a calibration split before any RSFT run and frozen with the suite "
    "version (authored suites)."
)
CARD = "policies/nano_1/MODEL_CARD.md"
CARD_ROW = re.compile(r"^\| (\w+) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)


def difficulty(found: Analysis) -> list[Text]:
    """The authors' choices, D's mixture beside them, and what pretraining has seen of the tests."""
    mixed = [f"{i.get('name')}: {m}" for i in _suites(found) if (m := _mixture(i))]
    mixture = f" Mixture of D: {'; '.join(mixed)}." if mixed else ""
    texts = [Text(LEVEL_NOTE + mixture), Text(FROZEN)]
    seen = _overlap(found)
    return [*texts, Text(seen)] if seen else texts


def proxy_notes(found: Analysis) -> list[Text]:
    """What fitting the proxy noted, seeds of one note together; nothing where it noted nothing."""
    seeds: dict[tuple[str, str], list[str]] = {}
    several = len({p.get("policy") for p in found.manifest.get("proxies", [])}) > 1
    for p in found.manifest.get("proxies", []):
        where = f"{p['suite']} ({p['policy']})" if several else str(p["suite"])
        for note in p.get("notes") or ():
            seeds.setdefault((where, str(note)), []).append(str(p["seed"]))
    return [
        Text(f"Proxy of {where}, seed {', '.join(at)}: {note}.", "warn")
        for (where, note), at in seeds.items()
    ]


def strata(found: Analysis) -> list[Table]:
    """Gain of every trained arm by stratum, one table a suite."""
    return [_strata(found, s) for s in found.suites if s.strata]


def _strata(found: Analysis, s: SuiteAnalysis) -> Table:
    names = list(dict.fromkeys(n for effects in s.strata.values() for n in effects))
    first = next(iter(s.strata.values()))
    head = [
        f"{n} ({first[n].n} in {first[n].clusters} clusters)" if n in first else n for n in names
    ]
    rows = [
        (found.label(v), *(_gain(effects.get(n)) for n in names)) for v, effects in s.strata.items()
    ]
    strong = tuple(i for i, v in enumerate(s.strata) if v == s.primary)
    caption = f"{place(found, s)}: gain over {found.label(s.comparator or '')} by stratum [95 %]"
    note = "Every trained arm at T=1; in brackets the examples. Under 10 clusters no interval. "
    note = f"{note}{headroom_words(s)}".strip()
    return Table(caption, ("method", *head), tuple(rows), note, strong)


def _gain(e: Effect | None) -> str:
    """A gain, its interval only where it has one: the note says why a stratum may have none."""
    if e is None or e.lo is not None or e.scope == "identical":
        return gain(e)
    return signed(e.estimate)


def _suites(found: Analysis) -> list[Mapping[str, Json]]:
    return list(found.manifest.get("suites", []))


def _mixture(info: Mapping[str, Json]) -> str:
    mixture = (info.get("report") or {}).get("mixture") or {}
    return ", ".join(f"{k.replace('_', ' ')} {percent(float(v))}" for k, v in mixture.items())


def _overlap(found: Analysis) -> str:
    """The shares that the shipped policy's card states for the suites of the run."""
    if "nano-1" not in {p.get("name") for p in found.manifest.get("policies", [])}:
        return ""
    card = files("rsft_bench.harness").joinpath(CARD).read_text(encoding="utf-8")
    here = {str(i.get("suite", i.get("name"))) for i in _suites(found)}
    words = [
        f"{suite}: of {texts}, {float(grams) * 100:.2f} % share a masked 8-gram and "
        f"{float(near) * 100:.2f} % are near-duplicates"
        for suite, texts, grams, near in CARD_ROW.findall(card)
        if suite in here
    ]
    if not words:
        return ""
    return (
        "Overlap of test prompts and reference answers with nano-1's pretraining text, from its "
        f"card (at most 1 % each). {'; '.join(words)}."
    )
