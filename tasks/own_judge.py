"""Gold of a user's own rows: checks by code where there are any, else token F1. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

from rsft_bench.harness.rewards.checks.table import run
from rsft_bench.harness.types import Example, Json, Judgement

_ARTICLES = frozenset({"a", "an", "the"})


def judge_own(example: Example, text: str) -> Judgement:
    """Mean score of the example's checks (pass: all 1), else best token F1 against references.

    ``example.facts`` holds ``checks`` (values by name), ``shown`` (names of all checks of the
    suite) and ``pass_f1``. Checks that do not apply to an answer (NaN) count for nothing. ``gold``
    is NaN and ``gold_pass`` false where the example has neither checks nor references. Parts: the
    score of every shown check, NaN where the example lacks it, and ``f1``.
    """
    wanted: Mapping[str, Json] = example.facts["checks"]
    best = max((token_f1(text, r) for r in example.references), default=math.nan)
    scores = run(wanted, example.prompt, text)
    parts = dict.fromkeys(("facts", *example.facts["shown"]), math.nan) | scores | {"f1": best}
    if not wanted:
        return Judgement(best, best >= example.facts["pass_f1"] and bool(text.strip()), parts)
    counted = [s for s in scores.values() if not math.isnan(s)]
    # An answer to which no check applies, such as a groundless one where only that is asked.
    gold = sum(counted) / len(counted) if counted else 0.0
    return Judgement(gold, bool(counted) and min(counted) == 1.0, parts)


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over word **multisets**; 0 if they share none.

    Words are lower-cased without punctuation and articles; a Chinese character is a word. Two texts
    without words score 1.

    Source: Rajpurkar et al. 2016, SQuAD evaluation script v1.1 ``f1_score``; it drops punctuation
    inside words ("don't" -> "dont"), as here. Chinese by character as in CMRC 2018 (Cui et al.).
    """
    a, b = Counter(_words(answer)), Counter(_words(reference))
    if not a or not b:
        return float(a == b)
    common = (a & b).total()
    return 2 * common / (a.total() + b.total())


def _words(text: str) -> list[str]:
    bare = re.sub(r"[^\w\s]", "", text.lower())
    return [
        w for w in re.findall(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+", bare) if w not in _ARTICLES
    ]
