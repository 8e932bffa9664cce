"""How varied the answers of each variant are, from its test draws on ``confirm``. Imports no torch.

Computed on equal numbers of draws and prompts for every variant, so that variants compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isnan
from statistics import fmean

import numpy as np
import pandas as pd

from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.statistics import (
    Effect,
    cluster_interval,
    distinct_at_budget,
    ngram_kernel,
    self_bleu,
    vendi_score,
    words,
)
from rsft_bench.reports.naming import Variant

#: Bigrams that distinct-2 counts among, one answer a prompt.
BUDGET = 1_000
#: Prompts whose first two draws are compared, the same ones for every variant and seed.
PROMPTS = 40


@dataclass(frozen=True)
class Diversity:
    """Diversity of one variant.

    ``distinct_2`` is the share of distinct bigrams among ``BUDGET``, over the first answer to every
    prompt, mean over seeds. ``self_bleu`` (1 equal) and ``vendi`` (1 equal, 2 unlike) compare the
    first two draws of ``PROMPTS`` prompts. None where the variant has too few words or draws.
    """

    variant: str
    distinct_2: float | None
    self_bleu: Effect | None
    vendi: Effect | None


def diversities(
    confirm: Mapping[str, pd.DataFrame], table: Mapping[str, Variant]
) -> list[Diversity]:
    """Diversity of every variant that serves each of its draws, not one of several."""
    return [diversity(v, d) for v, d in confirm.items() if not table[v].served]


def diversity(variant: str, draws: pd.DataFrame) -> Diversity:
    """Diversity of one variant from its ``confirm`` draws."""
    first = draws[draws["draw"] == 0]
    shares = [
        distinct_at_budget([words(text) for text in part["text"]], 2, BUDGET)
        for _, part in first.groupby("seed")
    ]
    known = bool(shares) and not any(isnan(x) for x in shares)
    pairs = _pairs(draws)
    bleu, vendi = None, None
    if len(pairs):
        two = zip(pairs["text"], pairs["other"], strict=True)
        values = np.array([_alike(*sorted(pair)) for pair in two])
        at = list(pairs["cluster"]), list(pairs["seed"])
        bleu, vendi = (cluster_interval(values[:, i], *at) for i in (0, 1))
    return Diversity(variant, fmean(shares) if known else None, bleu, vendi)


def _pairs(draws: pd.DataFrame) -> pd.DataFrame:
    """The first two draws of the chosen prompts, one row a (seed, prompt)."""
    names = sorted(draws["example_id"].unique(), key=lambda e: (keyed_unit("diversity", e), e))
    chosen = draws[draws["example_id"].isin(names[:PROMPTS])]
    one, two = (chosen[chosen["draw"] == d] for d in (0, 1))
    key = ["seed", "example_id"]
    return one.merge(two[[*key, "text"]].rename(columns={"text": "other"}), on=key)


@lru_cache(maxsize=2**16)
def _alike(a: str, b: str) -> tuple[float, float]:
    """(self-BLEU, Vendi score) of two answers; equal answers and pairs recur across variants."""
    two = [words(a), words(b)]
    return self_bleu(two), vendi_score(ngram_kernel(two))
