"""Section about choosing among recorded answers that people rated."""

from __future__ import annotations

from rsft_bench.reports.document import Section, Table, Text, Verdict
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.formatting import NA, count, gain, level, percent
from rsft_bench.reports.pools import NAIVE, RANDOM_PICK, SPLIT, PoolStudy


def pools(found: Analysis) -> Section | None:
    """One table a suite of rated answers; None where the run has none."""
    if not found.pools:
        return None
    text = (
        "Several systems answered the same questions and people rated every answer. Nothing was "
        "generated and no model was trained: a reward looks at the answers to a question and "
        "serves the one that it scores highest, and the table says what people thought of the "
        "answers so served. A reward was fitted on ratings of other questions, about other "
        "entities (clusters), than those it is measured on. “Random pick” serves any of the "
        "answers with equal chance: what choosing must beat."
    )
    return Section(
        "Choosing among recorded answers", (Text(text), *(_table(p) for p in found.pools))
    )


def pool_verdicts(found: Analysis) -> list[Verdict]:
    """What the headline says of each suite of rated answers."""
    return [_verdict(study) for study in found.pools]


def _verdict(study: PoolStudy) -> Verdict:
    rewards = [c for c in study.choices if c.variant and c.gain is not None]
    named = {c.name: c for c in study.choices}
    others = ", ".join(f"{n} {level(named[n].mean, 2)}" for n in (RANDOM_PICK, SPLIT, NAIVE))
    if not rewards:
        return Verdict(study.suite, "cannot tell", "no reward chose", others, "")
    best = max(rewards, key=lambda c: c.mean.estimate)
    rival = best.gain if best.over_system is None else best.over_system
    word = "yes" if rival is not None and rival.lo is not None and rival.lo > 0 else "cannot tell"
    whom = "chance" if best.over_system is None else "always taking the best system"
    short = f"does a reward choose better than {whom}? {best.name}: {gain(rival, 2)}"
    return Verdict(study.suite, word, short, f"Mean rating {level(best.mean, 2)}; {others}.", "")


def _table(study: PoolStudy) -> Table:
    lo, hi = study.scale
    rows = [
        (
            choice.name,
            level(choice.mean, 2),
            "reference" if choice.gain is None else gain(choice.gain, 2),
            NA if choice.over_system is None else gain(choice.over_system, 2),
            NA if choice.recovered is None else percent(choice.recovered),
        )
        for choice in study.choices
    ]
    note = (
        f"{count(study.examples)} questions on {study.split}, {study.answers} answers each, "
        f"{study.raters} raters an answer; mean rating from {lo:g} to {hi:g}, with its 95 % "
        "interval "
        "over clusters of questions and, for rewards, over their refits (seeds). “Always X”: the "
        "system rated best on the questions that rewards are fitted on. “People, split "
        f"raters”: chosen by {study.raters - 1} raters and scored by the one left out, in turn: "
        "free of rating noise. “People, naive”: chosen and scored by the same raters, which "
        "counts lucky ratings as skill. A chooser who knew each answer's true mean would lie "
        "between the two. Last column: the gain as a share of that of split raters. "
        f"{count(study.equal)} questions have equal answers of different systems; these share "
        "their ratings, and ties of a reward share the choice."
    )
    head = (
        *("who chooses", f"mean rating ({lo:g} to {hi:g})", "gain over random pick"),
        *("gain over always the best system", "recovered"),
    )
    strong = tuple(i for i, c in enumerate(study.choices) if c.name.endswith("split raters"))
    return Table(
        f"{study.suite}: what people thought of the answer served", head, tuple(rows), note, strong
    )
