"""A small suite for tests of the engine: short prompts, a judge that a random model can pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import (
    SPLITS,
    Capability,
    Example,
    Json,
    Judgement,
    Log,
    Param,
    Suite,
    SuiteData,
)

CLUSTERS = 12


@dataclass(frozen=True)
class Toy:
    """Answers pass when they hold a wanted letter; five splits, disjoint clusters."""

    name: str = "toy"
    version: str = "1"
    licence: str = "Apache-2.0"
    attribution: str = "made by the tests"
    language: str = "en"
    requires: frozenset[Capability] = frozenset({"sampler"})
    options: tuple[Param, ...] = (
        Param("n", 12, "examples in each split"),
        Param("limit", None, "cap"),
    )
    code: tuple[str, ...] = ("toy_suite",)

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Test splits fixed; train side redrawn per seed."""
        examples = []
        for split in SPLITS:
            fresh = split in ("train", "proxy_label")
            tag = f"s{seed}/" if fresh else ""
            count = options["n"] if options["limit"] is None else options["limit"]
            for i in range(count):
                number = int(stream(seed if fresh else 0, "toy", split, i).integers(10, 99))
                examples.append(
                    Example(
                        example_id=f"{tag}{split}/{i}",
                        split=split,
                        prompt=f"Policy: none.\nRecord: id: {number}\nCustomer: id?\nAgent:",
                        references=(f"It is {number}.",),
                        facts={"letter": "e" if i % 2 else "a"},
                        cluster=f"{split}-{i % CLUSTERS}",
                        stratum="odd" if i % 2 else "even",
                    )
                )
        logs = [
            Log(e.example_id, text, "correct" if "a" in text else "terse")
            for e in examples
            if e.split == "train"
            for text in ("a fine reply", "no", "see the e record")
        ]
        return SuiteData(tuple(examples), tuple(logs), {"ceiling": 1.0})

    def judge(self, example: Example, text: str) -> Judgement:
        """Pass when the wanted letter occurs."""
        hit = example.facts["letter"] in text
        return Judgement(
            float(hit), hit, {"facts": float(hit), "harm_forbidden": float("z" in text)}
        )

    def answer_key(self, example: Example, text: str) -> str:
        """Answers say the same when they hold the same of the letters that may be wanted."""
        assert not example.facts
        return "".join(letter for letter in "ae" if letter in text)


SUITES: Registry[Suite] = Registry("suite", [Toy(), Toy(name="toy_b")])
