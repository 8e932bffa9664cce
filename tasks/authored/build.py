"""Examples and training logs of an authored suite, drawn from its bank by keyed streams.

Test splits use stream seed 0 whatever the run's seed; ``train`` and ``proxy_label`` use the run's
seed, so that a rerun meets new entities, limits and logs from the same families.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import Example, Log, Split
from rsft_bench.tasks.authored.bank import Bank, Family, Outcome
from rsft_bench.tasks.authored.grammar import fill, sentences, slots, turns, write
from rsft_bench.tasks.authored.kit import DEFAULT_KIT, Kit
from rsft_bench.tasks.authored.values import outcome_of, pick, record_slots

SEEDED_SPLITS: frozenset[Split] = frozenset(("train", "proxy_label"))
QUALITIES = ("correct", "terse", "wrong_fact", "wrong_decision", "rude", "over_promising")
DEFAULT_MIXTURE: Mapping[str, float] = {
    "correct": 0.45,
    "terse": 0.12,
    "wrong_fact": 0.14,
    "wrong_decision": 0.12,
    "rude": 0.08,
    "over_promising": 0.09,
}


def build_split(
    bank: Bank, split: Split, count: int, seed: int, kit: Kit = DEFAULT_KIT
) -> tuple[list[Example], list[dict[str, str]]]:
    """``count`` examples of a split and their slot values; families take turns.

    A smaller count is a prefix of a larger one, and counts that are a multiple of the number of
    families give every family the same number.
    """
    key = seed if split in SEEDED_SPLITS else 0
    families = bank.families[split]
    pairs = [
        _example(bank, families[i % len(families)], i // len(families), key, kit)
        for i in range(count)
    ]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def _example(
    bank: Bank, family: Family, index: int, seed: int, kit: Kit
) -> tuple[Example, dict[str, str]]:
    name = f"{family.split}/{family.family_id}/{index}"
    rng = stream(seed, f"{bank.name}/example", name)
    # A redrawn example is another example: its id carries the seed that drew it.
    example_id = f"s{seed}/{name}" if family.split in SEEDED_SPLITS else name
    outcome = outcome_of(bank, family, index)
    values = kit.draw(bank, family, outcome, family.split, rng)
    prompt = _prompt(bank, family, values, rng, kit)
    first, second = (int(i) for i in rng.permutation(len(outcome.correct))[:2])
    references = tuple(write(outcome.correct[i], values, rng) for i in (first, second))
    topic = family.topic or outcome.topic
    facts = {
        "outcome": outcome.name,
        "decision": outcome.decision,
        "need": kit.required(outcome, values),
        "ask": outcome.ask or (values["ask"] if outcome.decision == "ask" else ""),
        "topic": topic,
        "stems": list(bank.topics[topic].stems) if topic else [],
        "apology": outcome.apology,
        "no_record": outcome.no_record,
        **kit.facts(outcome, values),
    }
    example = Example(
        example_id,
        family.split,
        prompt,
        references,
        facts,
        family.family_id,
        family.stratum,
        kit.language,
    )
    return example, values


def _prompt(
    bank: Bank, family: Family, values: Mapping[str, str], rng: np.random.Generator, kit: Kit
) -> str:
    policy = write(family.policy, values, rng)
    stratum = bank.strata[family.stratum]
    shown = list(record_slots(stratum, family))
    number = int(family.family_id[1:])
    fields = []
    for i in rng.permutation(len(shown)):
        labels = stratum.record[shown[int(i)]]
        label = fill(labels[number % len(labels)], values)
        fields.append(f"{label}: {values[shown[int(i)]]}")
    record = "; ".join(fields) if fields else kit.nothing
    asked = kit.conversation(family.body, values, rng, family.stratum not in kit.ungreeted)
    return f"Policy: {policy}\nRecord: {record}\n{asked}\nAgent:"


def build_logs(
    bank: Bank,
    examples: list[Example],
    values: list[dict[str, str]],
    logs_per_prompt: int,
    mixture: Mapping[str, float],
    seed: int,
    kit: Kit = DEFAULT_KIT,
) -> list[Log]:
    """Answers of human-like agents to train examples; qualities drawn independently."""
    shares = np.cumsum([mixture.get(q, 0.0) for q in QUALITIES])
    families = {f.family_id: f for f in bank.families["train"]}
    logs: list[Log] = []
    for example, filled in zip(examples, values, strict=True):
        outcome = bank.outcomes[example.facts["outcome"]]
        for i in range(logs_per_prompt):
            rng = stream(seed, f"{bank.name}/log", example.example_id, i)
            drawn = int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))
            quality = QUALITIES[min(drawn, len(QUALITIES) - 1)]
            family = families[example.cluster]
            text = log_text(bank, family, outcome, filled, quality, rng, kit)
            logs.append(Log(example.example_id, text, quality))
    return logs


def log_text(
    bank: Bank,
    family: Family,
    outcome: Outcome,
    values: Mapping[str, str],
    quality: str,
    rng: np.random.Generator,
    kit: Kit = DEFAULT_KIT,
) -> str:
    """One answer of the given quality; it fails gold for that quality's reason alone or first."""
    if quality == "wrong_fact":
        return _wrong_fact(bank, family, outcome, values, rng, kit)
    if quality in ("terse", "wrong_decision"):
        options = outcome.terse if quality == "terse" else outcome.wrong_decision
        return write(pick(options, rng), values, rng)
    text = write(pick(outcome.correct, rng), values, rng)
    if quality == "rude":
        extra = pick(bank.rude, rng)
        return f"{extra} {text}" if rng.random() < 0.5 else f"{text} {extra}"
    if quality == "over_promising":
        return f"{text} {pick(bank.over_promise, rng)}"
    return text


def _wrong_fact(
    bank: Bank,
    family: Family,
    outcome: Outcome,
    values: Mapping[str, str],
    rng: np.random.Generator,
    kit: Kit,
) -> str:
    if outcome.wrong_fact:
        return write(pick(outcome.wrong_fact, rng), values, rng)
    slot = pick(outcome.need, rng)
    wrong = kit.corrupt(slot, values, bank, family, family.split, rng)
    able = [t for t in outcome.correct if slot in slots(t)]
    return write(pick(able, rng), wrong, rng)


def delexicalised(family: Family) -> str:
    """The question body with slot names in place of entities; noise is no part of it."""
    body = " ".join(turns(family.body))
    return sentences(fill(body, {s: f"<{s}>" for s in slots(body)})).lower()
