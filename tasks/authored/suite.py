"""The suite object over a bank: ``load`` and ``judge``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

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
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.build import build_logs, build_split, delexicalised
from rsft_bench.tasks.authored.grade import PARTS
from rsft_bench.tasks.authored.kit import DEFAULT_KIT, Kit
from rsft_bench.tasks.authored.options import OPTIONS, read_options

_ENGINE = tuple(
    f"rsft_bench.tasks.authored.{module}"
    for module in (
        "answer_key",
        "bank",
        "build",
        "conduct",
        "grade",
        "grammar",
        "judge",
        "kit",
        "options",
        "stated",
        "suite",
        "values",
    )  # fmt: skip
)
_CHECKS = ("rsft_bench.harness.rewards.checks", "rsft_bench.harness.rewards.claims")


@dataclass(frozen=True)
class AuthoredSuite:
    """An authored suite; its texts live in ``tasks/data/<name>.yaml``.

    ``revision`` changes by hand when the engine changes what a suite asks or accepts; ``version``
    adds the digest of the data file, so an edited family cannot keep the old version. ``kit`` holds
    what the suite does its own way; the defaults of ``options`` are the suite's own.
    """

    name: str
    revision: str
    licence: str = "Apache-2.0"
    attribution: str = "written for rsft-bench; no customer data"
    language: str = "en"
    gold_kind: str = "checks by code"
    ceiling: float | None = 1.0
    requires: frozenset[Capability] = frozenset(("sampler",))
    options: tuple[Param, ...] = OPTIONS
    metrics: tuple[str, ...] = PARTS
    extra_prompts: bool = True
    kit: Kit = DEFAULT_KIT

    @property
    def version(self) -> str:
        """Revision and digest of the data file, such as ``1+0f3a9c21``."""
        return f"{self.revision}+{load_bank(self.name).digest}"

    @property
    def code(self) -> tuple[str, ...]:
        """Modules whose source is part of every key made from this suite."""
        own = (f"rsft_bench.tasks.{self.name}", *self.kit.modules)
        return (*own, "rsft_bench.tasks.options", *_ENGINE, *_CHECKS)

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples of all splits in canonical order, and logs for ``train``.

        Raises:
            ConfigError: an option that is unknown or out of range.
        """
        chosen = read_options(self.name, options, self.options)
        bank = load_bank(self.name)
        examples: list[Example] = []
        logs: list[Log] = []
        for split in SPLITS:
            # Extra prompts go on where the prompts of D end, and have no logs.
            n = chosen.counts[split]
            count = n + (chosen.extra_prompts if split == "train" else 0)
            built, values = build_split(bank, split, count, seed, self.kit)
            examples += built
            if split == "train":
                per_prompt, mixture = chosen.logs_per_prompt, chosen.mixture
                logs = build_logs(bank, built[:n], values[:n], per_prompt, mixture, seed, self.kit)
        report: dict[str, Json] = {
            "kind": "authored",
            "splits": dict(chosen.counts),
            "extra_prompts": chosen.extra_prompts,
            "clusters": {s: len({e.cluster for e in examples if e.split == s}) for s in SPLITS},
            "mixture": dict(chosen.mixture),
            "qualities": dict(sorted(Counter(log.quality for log in logs).items())),
            "note": "the authors set the mixture of D, and with it the room for improvement",
        }
        return SuiteData(tuple(examples), tuple(logs), report)

    def judge(self, example: Example, text: str) -> Judgement:
        """Gold of ``text``; see the suite's kit, by default ``tasks.authored.judge``."""
        return self.kit.judge(example, text, load_bank(self.name).places)

    def answer_key(self, example: Example, text: str) -> str:
        """What ``text`` decides, asks for and states; see the suite's kit."""
        return self.kit.key(self.name, example.prompt, text)

    def question_bodies(self) -> Mapping[Split, Mapping[str, tuple[str, ...]]]:
        """Delexicalised question bodies by split and cluster, for the overlap checks."""
        families = load_bank(self.name).families
        return {s: {f.family_id: (delexicalised(f),) for f in families[s]} for s in SPLITS}
