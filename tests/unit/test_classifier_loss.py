"""tools/classifier_loss.py: D's law against drawn logs, and one line of the table."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tool import tool

from rsft_bench.harness.policies.selector_kind import SELECTOR
from rsft_bench.harness.types import Budget
from rsft_bench.tasks.intent_messages import load_bank
from rsft_bench.tasks.intent_routing import INTENT_ROUTING

TOOL = tool("classifier_loss")
DATA = INTENT_ROUTING.load({"logs_per_prompt": 20}, 0)


@pytest.mark.parametrize("labels", ["agents", "correct only"])
def test_the_law_of_the_logs(labels: str) -> None:
    """Counts by role of the answer, over all prompts: every |z| below 4."""
    choices = tuple(sorted(load_bank().choices))
    examples = {e.example_id: e for e in DATA.examples}
    rows = TOOL.rows(DATA, labels)
    expected, variance, seen = np.zeros(10), np.zeros(10), Counter()
    for row in rows:
        law = TOOL.target(examples[row.example_id], choices, labels)
        assert law.sum() == pytest.approx(1)
        expected += law
        variance += law * (1 - law)
        seen[row.completion] += 1
    counts = np.array([seen[c] for c in choices])
    assert len(rows) > 3000
    assert np.abs((counts - expected) / np.sqrt(variance)).max() < 4
    # Every prompt has the same weight, its answers share it.
    assert sum(row.weight for row in rows) == pytest.approx(1)


def test_measures_of_the_untrained_policy() -> None:
    """Against what a uniform law would have: the biases alone are near uniform."""
    tested = [e for e in DATA.examples if e.split == "confirm"]
    found = TOOL.measure(SELECTOR.load({}), tested, "agents")
    twofold = np.mean([e.facts["twofold"] for e in tested])
    assert found.passed == pytest.approx(0.1 * (1 + twofold), abs=0.02)
    laws = [TOOL.target(e, tuple(sorted(load_bank().choices)), "agents") for e in tested]
    entropy = np.mean([-(q * np.log(q)).sum() for q in laws])
    assert found.distance == pytest.approx(np.log(10) - entropy, abs=0.1)


def test_the_mistake_sharpens() -> None:
    """What docs/classifier.md says, on one seed: further from D's law, and surer."""
    budget = Budget(300, 32, 0.01)
    right, wrong = (TOOL.one(loss, "agents", budget, 0) for loss in ("logits", "softmax"))
    assert wrong.distance > right.distance + 0.5
    assert wrong.over > right.over + 0.1
    assert wrong.passed > right.passed
