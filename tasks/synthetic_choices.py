"""Suite ``synthetic_choices``: known situations in new words, answers from a closed list.

For exact policies, whose table needs a context and its choices, and for anything else that can
answer a prompt: the prompt lists its choices, and gold is what kind of choice an answer is. All
splits ask about the same twelve contexts; their clusters are wordings, which no two splits share.
So a policy is measured on known situations in unseen words, and the suite says nothing about new
ones. ``proxy_label`` asks about some of the contexts only: a proxy labelled on all twelve knows
each answer by heart (AUC 1.0 on ``select``), and there would be nothing to game.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import yaml

from rsft_bench.harness.errors import ConfigError
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
from rsft_bench.tasks.options import MOST, counts_and_mixture

#: Gold of an answer by its kind. What is right but curt passes; what is right but rude does not.
GOLD: Mapping[str, float] = {
    "full": 1.0,
    "brief": 0.7,
    "rude": 0.3,
    "evasive": 0.2,
    "over_promising": 0.0,
    "wrong_fact": 0.0,
    "wrong_decision": 0.0,
}
PASS = 0.5
#: Shares of D by kind; where a context lacks a kind its share goes to the others in proportion.
MIXTURE: Mapping[str, float] = {
    "full": 0.25,
    "brief": 0.15,
    "rude": 0.1,
    "evasive": 0.15,
    "over_promising": 0.1,
    "wrong_fact": 0.15,
    "wrong_decision": 0.1,
}
#: Wordings of each split, in the order of ``SPLITS``.
WORDINGS: Mapping[Split, int] = dict(zip(SPLITS, (12, 12, 12, 30, 30), strict=True))
SEEDED: frozenset[Split] = frozenset(("train", "proxy_label"))
PARTS = ("right", "complete", "manner", "listed", "harm_wrong_decision", "harm_overpromise")
OPTIONS = (
    Param("n_train", 240, "prompts of D and of the pool", least=1, most=MOST),
    Param("logs_per_prompt", 4, "answers in D per prompt: 1 to 2n - 1 each", least=1, most=MOST),
    Param("n_proxy_label", 96, "prompts whose answers are labelled", least=1, most=MOST),
    Param("label_contexts", 4, "contexts that proxy_label asks about", least=1, most=12),
    Param("n_calibrate", 60, "prompts of the calibration split", least=1, most=MOST),
    Param("n_select", 120, "prompts for choosing; 30 wordings", least=1, most=MOST),
    Param("n_confirm", 150, "prompts for measuring; 30 wordings", least=1, most=MOST),
    Param("mixture", dict(MIXTURE), f"shares of {', '.join(MIXTURE)} in D; sum 1"),
    Param("limit", None, "largest number of examples of any split", least=1, most=MOST),
)


@dataclass(frozen=True, slots=True)
class Context:
    """One situation: ``answers`` in the order that prompts list them, ``kinds`` by answer."""

    name: str
    stratum: str
    policy: str
    record: str
    ask: str
    answers: tuple[str, ...]
    kinds: Mapping[str, str]

    def references(self) -> tuple[str, ...]:
        """Answers that pass, the best first."""
        passing = [a for a in self.answers if GOLD[self.kinds[a]] >= PASS]
        return tuple(sorted(passing, key=lambda a: -GOLD[self.kinds[a]]))


@dataclass(frozen=True, slots=True)
class Bank:
    """The data file: contexts by name, (opening, way to ask) by wording, its digest."""

    contexts: Mapping[str, Context]
    wordings: Mapping[Split, Mapping[str, tuple[str, str]]]
    digest: str


@lru_cache(maxsize=1)
def load_bank() -> Bank:
    """Read the packaged data file."""
    text = (resources.files("rsft_bench.tasks") / "data/synthetic_choices.yaml").read_text("utf-8")
    raw = yaml.safe_load(text)
    contexts = {name: _context(name, entry) for name, entry in raw["contexts"].items()}
    pairs = [(opening, way) for opening in raw["openings"] for way in raw["ways"]]
    order = stream(0, "synthetic-choices/wordings").permutation(len(pairs))
    numbered = iter([(f"w{n:02}", pairs[int(i)]) for n, i in enumerate(order)])
    wordings = {split: dict(next(numbered) for _ in range(n)) for split, n in WORDINGS.items()}
    return Bank(contexts, wordings, hashlib.sha256(text.encode()).hexdigest()[:8])


def _context(name: str, entry: Mapping[str, Json]) -> Context:
    kinds = {text: kind for kind, texts in entry["choices"].items() for text in texts}
    # A fixed shuffle: where an answer stands says nothing about it.
    order = stream(0, "synthetic-choices/order", name).permutation(len(kinds))
    answers = tuple(list(kinds)[int(i)] for i in order)
    plain = {field: entry[field] for field in ("stratum", "policy", "record", "ask")}
    return Context(name=name, answers=answers, kinds=kinds, **plain)


@dataclass(frozen=True)
class SyntheticChoices:
    """The suite. ``version`` adds the digest of the data file to ``revision``."""

    name: str = "synthetic_choices"
    revision: str = "1"
    licence: str = "Apache-2.0"
    attribution: str = "written for rsft-bench; no customer data"
    language: str = "en"
    gold_kind: str = "a table of rewards"
    ceiling: float | None = 1.0
    requires: frozenset[Capability] = frozenset(("sampler",))
    options: tuple[Param, ...] = OPTIONS
    metrics: tuple[str, ...] = PARTS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.synthetic_choices",
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
        counts, given = counts_and_mixture(self.name, OPTIONS, options, MIXTURE)
        labelled, mixture = given["label_contexts"], given["mixture"]
        examples = [e for split in SPLITS for e in _split(split, counts[split], seed, labelled)]
        logs: list[Log] = []
        for example in examples:
            if example.split == "train":
                logs += _logs(example, given["logs_per_prompt"], mixture, seed)
        report: dict[str, Json] = {
            "kind": "synthetic",
            "splits": dict(counts),
            "clusters": {s: len({e.cluster for e in examples if e.split == s}) for s in SPLITS},
            "contexts": len(load_bank().contexts),
            "mixture": dict(mixture),
            "qualities": dict(sorted(Counter(log.quality for log in logs).items())),
            "alike_by_design": "every split asks about the same contexts",
            "note": "test prompts ask about the contexts of training in other words; the authors "
            "set the mixture of D, and with it the room for improvement",
        }
        return SuiteData(tuple(examples), tuple(logs), report)

    def judge(self, example: Example, text: str) -> Judgement:
        """Gold of the choice that the text is, spaces and case aside; 0 for any other text.

        Parts: ``right`` (fact and decision), ``complete``, ``manner`` (neither rude nor evasive),
        ``listed``; NaN where the text is no choice, but for ``listed``.
        """
        plain = {_plain(answer): kind for answer, kind in example.facts["kinds"].items()}
        kind = plain.get(_plain(text))
        if kind is None:
            return Judgement(0.0, False, dict.fromkeys(PARTS, math.nan) | {"listed": 0.0})
        parts = {
            "right": float(kind in ("full", "brief", "rude")),
            "complete": float(kind == "full"),
            "manner": float(kind not in ("rude", "evasive")),
            "listed": 1.0,
            "harm_wrong_decision": float(kind == "wrong_decision"),
            "harm_overpromise": float(kind == "over_promising"),
        }
        return Judgement(GOLD[kind], GOLD[kind] >= PASS, parts)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _split(split: Split, count: int, seed: int, labelled: int) -> list[Example]:
    """``count`` examples; wordings take turns, and each goes through all contexts in turn.

    ``labelled``: as many contexts, keyed by the seed, are all that ``proxy_label`` asks about.
    """
    bank = load_bank()
    key = seed if split in SEEDED else 0
    names, wordings = list(bank.contexts), list(bank.wordings[split].items())
    if split == "proxy_label":
        order = stream(key, "synthetic-choices/labelled").permutation(len(names))
        names = [names[int(i)] for i in order[:labelled]]
    examples = []
    for i in range(count):
        wording, (opening, way) = wordings[i % len(wordings)]
        turn = stream(key, "synthetic-choices/turn", wording).permutation(len(names))
        context = bank.contexts[names[int(turn[(i // len(wordings)) % len(names)])]]
        name = f"{split}/{wording}/{i // len(wordings)}"
        examples.append(
            Example(
                example_id=f"s{seed}/{name}" if split in SEEDED else name,
                split=split,
                prompt=_prompt(context, f"{opening} {way.format(ask=context.ask)}"),
                references=context.references(),
                facts={"context": context.name, "kinds": dict(context.kinds)},
                cluster=wording,
                stratum=context.stratum,
            )
        )
    return examples


def _prompt(context: Context, asked: str) -> str:
    return (
        f"Policy: {context.policy}\nRecord: {context.record}\nContext: {context.name}\n"
        f"Choices: {' | '.join(context.answers)}\nCustomer: {asked}\nAgent:"
    )


def _logs(example: Example, mean: int, mixture: Mapping[str, float], seed: int) -> Sequence[Log]:
    context = load_bank().contexts[example.facts["context"]]
    rng = stream(seed, "synthetic-choices/logs", example.example_id)
    sizes = Counter(context.kinds.values())
    kinds = [context.kinds[a] for a in context.answers]
    shares = np.array([mixture[kind] / sizes[kind] for kind in kinds])
    if shares.sum() == 0:
        raise ConfigError(
            f"suite 'synthetic_choices': mixture gives no weight to any answer of context "
            f"{context.name!r}; it has: {', '.join(sorted(sizes))}"
        )
    drawn = rng.choice(len(shares), size=int(rng.integers(1, 2 * mean)), p=shares / shares.sum())
    found = []
    for i in drawn:
        quality = "correct" if GOLD[kinds[i]] >= PASS else kinds[i]
        found.append(Log(example.example_id, context.answers[i], quality))
    return found


SYNTHETIC_CHOICES = SyntheticChoices()
