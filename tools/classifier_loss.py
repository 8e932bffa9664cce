"""What a softmax before the cross-entropy costs the classifier: both losses side by side.

Run as `make classifier-loss`; writes the table of docs/classifier.md. Each loss is fitted from the
same start on the same rows in the same order; nothing differs but what cross-entropy is given.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import rel_entr

from rsft_bench.harness.policies.selector import Selector
from rsft_bench.harness.policies.selector_kind import SELECTOR
from rsft_bench.harness.types import (
    Budget,
    Example,
    FloatArray,
    SuiteData,
    TrainRow,
    WeightedSet,
)
from rsft_bench.tasks.intent_messages import load_bank
from rsft_bench.tasks.intent_routing import AGENTS, INTENT_ROUTING, MIXTURE

PAGE = Path("docs/classifier.md")
BEGIN, END = "<!-- table: make classifier-loss -->", "<!-- end of table -->"
BATCH, WARMUP = 32, 0.1
LOSSES = ("logits", "softmax")
RATES = (0.001, 0.01)
STEPS = (300, 1000)
LABELS = ("agents", "correct only")


class Measured(NamedTuple):
    """Means over the confirm prompts of one fit."""

    passed: float
    greedy: float
    nll: float
    distance: float
    over: float


NAMES = (
    "pass, T=1",
    "pass, greedy",
    "NLL of a correct answer",
    "KL from D's law",
    "overconfidence",
)


def rows(data: SuiteData, labels: str) -> tuple[TrainRow, ...]:
    """D, every prompt of equal weight; ``correct only`` keeps the answers that are."""
    logs = [log for log in data.logs if labels == "agents" or log.quality == "correct"]
    prompts = {e.example_id: e.prompt for e in data.examples}
    count = Counter(log.example_id for log in logs)
    return tuple(
        TrainRow(
            log.example_id,
            prompts[log.example_id],
            log.text,
            1 / len(count) / count[log.example_id],
        )
        for log in logs
    )


def target(example: Example, answers: Sequence[str], labels: str) -> FloatArray:
    """The law (m,) by which the agents answer an example; ``correct only``: given that it is."""
    intents = load_bank().intents
    own = intents[example.facts["intent"]]
    right, near = (sum(MIXTURE[a] * AGENTS[a][i] for a in AGENTS) for i in (0, 1))
    law = np.full(len(answers), (1 - right - near) / (len(answers) - 2))
    law[answers.index(own.answer)] = right
    law[answers.index(intents[own.near].answer)] = near
    if labels == "correct only":
        law *= [INTENT_ROUTING.judge(example, a).gold_pass for a in answers]
    return np.asarray(law / law.sum())


def measure(policy: Any, tested: Sequence[Example], labels: str) -> Measured:
    """Exact means over the law of each prompt; no answer is drawn.

    In nats: ``nll`` -log of the mass on answers that pass, ``distance`` KL(D's law || policy).
    ``over`` is the probability of the likeliest answer minus how often it passes.
    """
    found = []
    for example in tested:
        answers, law = policy.law(example.prompt)
        wanted = target(example, answers, labels)
        right = np.array([INTENT_ROUTING.judge(example, a).gold_pass for a in answers])
        best = int(law.argmax())
        mass = float(law[right].sum())
        distance = float(rel_entr(wanted, law).sum())
        over = float(law[best] - right[best])
        found.append((mass, float(right[best]), -np.log(mass), distance, over))
    return Measured(*np.mean(found, axis=0))


def one(loss: str, labels: str, budget: Budget, seed: int) -> Measured:
    """One seed of one line."""
    data = INTENT_ROUTING.load({}, seed)
    base = SELECTOR.load({"loss": loss, "seed": seed})
    assert isinstance(base, Selector)
    fitted = base.fit([WeightedSet("D", rows(data, labels), 1.0, "train-D")], budget, seed)
    return measure(fitted.policy, [e for e in data.examples if e.split == "confirm"], labels)


def interval(values: Sequence[float]) -> str:
    """Mean and half width of the 95 % t interval over seeds."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {half:.3f}"


def table(seeds: int) -> list[str]:
    """Markdown lines."""
    head = ("D", "learning rate", "steps", "loss", *NAMES)
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for labels in LABELS:
        for rate in RATES:
            for steps in STEPS:
                budget = Budget(steps, BATCH, rate, WARMUP)
                for loss in LOSSES:
                    done = [one(loss, labels, budget, seed) for seed in range(seeds)]
                    cells = [interval(column) for column in zip(*done, strict=True)]
                    parts = (labels, f"{rate:g}", str(steps), loss, *cells)
                    lines.append(f"| {' | '.join(parts)} |")
    return lines


def main(argv: Sequence[str]) -> int:
    """Print the table and put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--print-only", action="store_true")
    given = parser.parse_args(argv)
    lines = table(given.seeds)
    print("\n".join(lines))
    if not given.print_only:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        body = "\n".join([before + BEGIN, *lines, END])
        PAGE.write_text(body + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
