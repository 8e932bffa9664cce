"""Suite ``intent_routing``: what a customer writes, and which of ten canned answers fits.

Messages are put together from own-worded parts, see the data file. A family (cluster) has an
opening, a closing and for each intent a combination of parts that no other family has; test
families also use parts that training never shows. D comes from agents of three kinds, who give the
right answer, that of the near intent, or any other. A policy that can only choose (``selector``)
and one that writes (a language model) read the same prompt.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import (
    SPLITS,
    Capability,
    Example,
    Json,
    Judgement,
    Log,
    Param,
    Split,
    SuiteData,
)
from rsft_bench.tasks.intent_messages import load_bank, message
from rsft_bench.tasks.options import MOST, counts_and_mixture

#: Gold of the intent's own answer, of the second one of a twofold message, of a near miss.
RIGHT, SECOND, NEAR = 1.0, 0.7, 0.2
PASS = 0.5
#: How often an agent gives the right answer and that of the near intent; else any other one.
AGENTS: Mapping[str, tuple[float, float]] = {
    "careful": (0.85, 0.1),
    "hurried": (0.45, 0.45),
    "careless": (0.25, 0.25),
}
MIXTURE: Mapping[str, float] = {"careful": 0.6, "hurried": 0.25, "careless": 0.15}
#: One message in so many is twofold.
TWOFOLD = 4
SEEDED: frozenset[Split] = frozenset(("train", "proxy_label"))
PARTS = ("right", "second", "near", "listed")
OPTIONS = (
    Param("n_train", 240, "prompts of D and of the pool", least=1, most=MOST),
    Param("logs_per_prompt", 4, "answers in D per prompt: 1 to 2n - 1 each", least=1, most=MOST),
    Param("n_proxy_label", 120, "prompts whose answers are labelled", least=1, most=MOST),
    Param("n_calibrate", 60, "prompts of the calibration split", least=1, most=MOST),
    Param("n_select", 150, "prompts for choosing; 30 families", least=1, most=MOST),
    Param("n_confirm", 150, "prompts for measuring; 30 families", least=1, most=MOST),
    Param("mixture", dict(MIXTURE), f"shares of {', '.join(MIXTURE)} agents in D; sum 1"),
    Param("limit", None, "largest number of examples of any split", least=1, most=MOST),
)


@dataclass(frozen=True)
class IntentRouting:
    """The suite. ``version`` adds the digest of the data file to ``revision``."""

    name: str = "intent_routing"
    revision: str = "1"
    licence: str = "Apache-2.0"
    attribution: str = "written for rsft-bench; no customer data"
    language: str = "en"
    gold_kind: str = "the written intent"
    ceiling: float | None = 1.0
    requires: frozenset[Capability] = frozenset(("sampler",))
    options: tuple[Param, ...] = OPTIONS
    metrics: tuple[str, ...] = PARTS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.intent_routing",
        "rsft_bench.tasks.intent_messages",
        "rsft_bench.tasks.options",
    )

    @property
    def version(self) -> str:
        """Revision and digest of the data file."""
        return f"{self.revision}+{load_bank().digest}"

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples of all splits in canonical order; logs for ``train``, unequally many a prompt.

        Raises:
            ConfigError: an option out of range.
        """
        counts, given = counts_and_mixture(self.name, OPTIONS, options, AGENTS)
        examples = [e for split in SPLITS for e in _split(split, counts[split], seed)]
        logs: list[Log] = []
        for example in examples:
            if example.split == "train":
                logs += _logs(example, given["logs_per_prompt"], given["mixture"], seed)
        report: dict[str, Json] = {
            "kind": "authored",
            "splits": dict(counts),
            "clusters": {s: len({e.cluster for e in examples if e.split == s}) for s in SPLITS},
            "mixture": dict(given["mixture"]),
            "qualities": dict(sorted(Counter(log.quality for log in logs).items())),
            "note": "the authors set the agents' mixture, and with it the room for improvement",
        }
        return SuiteData(tuple(examples), tuple(logs), report)

    def judge(self, example: Example, text: str) -> Judgement:
        """Gold of the choice that the text is, spaces and case aside; 0 for any other text.

        1 for the intent's own answer, .7 for that of a twofold message's second intent, .2 for a
        near miss. Parts say which it was; NaN where the text is no choice, but for ``listed``.
        """
        plain = {_plain(i.answer): name for name, i in load_bank().intents.items()}
        given = plain.get(_plain(text))
        if given is None:
            return Judgement(0.0, False, dict.fromkeys(PARTS, math.nan) | {"listed": 0.0})
        intent, twofold = example.facts["intent"], example.facts["twofold"]
        near = given == load_bank().intents[intent].near
        parts = {
            "right": float(given == intent),
            "second": float(near and twofold),
            "near": float(near and not twofold),
            "listed": 1.0,
        }
        gold = RIGHT * parts["right"] + SECOND * parts["second"] + NEAR * parts["near"]
        return Judgement(gold, gold >= PASS, parts)

    def question_bodies(self) -> Mapping[Split, Mapping[str, tuple[str, ...]]]:
        """Every message of each family by split and cluster, the item's name taken out."""
        bank = load_bank()
        return {
            split: {
                family.name: tuple(
                    message(bank, family, intent, "item", twofold)
                    for intent in bank.intents.values()
                    for twofold in (False, True)
                )
                for family in bank.families[split]
            }
            for split in SPLITS
        }


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _split(split: Split, count: int, seed: int) -> list[Example]:
    """``count`` examples; families take turns, and each goes through all intents in turn."""
    bank = load_bank()
    key = seed if split in SEEDED else 0
    families, names = bank.families[split], list(bank.intents)
    examples = []
    for i in range(count):
        family, turn = families[i % len(families)], i // len(families)
        order = stream(key, "intent-routing/turn", split, family.name).permutation(len(names))
        intent = bank.intents[names[int(order[turn % len(names)])]]
        rng = stream(key, "intent-routing/message", split, family.name, turn)
        item = bank.items[split][int(rng.integers(len(bank.items[split])))]
        twofold = int(rng.integers(TWOFOLD)) == 0
        near = bank.intents[intent.near]
        name = f"{split}/{family.name}/{turn}"
        examples.append(
            Example(
                example_id=f"s{seed}/{name}" if split in SEEDED else name,
                split=split,
                prompt=f"Choices: {' | '.join(bank.choices)}\n"
                f"Customer: {message(bank, family, intent, item, twofold)}\nAgent:",
                references=(intent.answer, near.answer) if twofold else (intent.answer,),
                facts={"intent": intent.name, "twofold": twofold},
                cluster=family.name,
                stratum=intent.stratum,
            )
        )
    return examples


def _logs(example: Example, mean: int, mixture: Mapping[str, float], seed: int) -> Sequence[Log]:
    """1 to 2 mean - 1 answers, each by an agent drawn from the mixture."""
    bank = load_bank()
    rng = stream(seed, "intent-routing/logs", example.example_id)
    intent = bank.intents[example.facts["intent"]]
    others = [name for name in bank.intents if name not in (intent.name, intent.near)]
    found = []
    for _ in range(int(rng.integers(1, 2 * mean))):
        right, near = AGENTS[str(rng.choice(list(mixture), p=list(mixture.values())))]
        chance = rng.random()
        if chance < right:
            given, quality = intent.name, "correct"
        elif chance < right + near:
            given, quality = intent.near, "correct" if example.facts["twofold"] else "near_miss"
        else:
            given, quality = others[int(rng.integers(len(others)))], "wrong"
        found.append(Log(example.example_id, bank.intents[given].answer, quality))
    return found


INTENT_ROUTING = IntentRouting()
