"""Satisfaction as columns of ``rows``: predicted from people's ratings, or an index of checks.

``satisfaction_predicted`` needs a file of ratings (``evaluation.satisfaction: FILE``) and is what
annotators of that file would have said, as far as the predictor knows: (expected rating - 1) / 4.
``satisfaction_index`` needs nothing and is no satisfaction: nobody was asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import fmean

from rsft_bench.harness.rewards.lexicons import NEGATIVE, POLITE, RUDE
from rsft_bench.harness.types import Example, Json

PREDICTED, INDEX = "satisfaction_predicted", "satisfaction_index"
SORRY = frozenset("sorry apologise apologize apologies unfortunately afraid regret".split())
SHORT, LONG = 4, 60
"""Words of a whole reply, and beyond which a reply in a chat is long."""
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class SatisfactionIndex:
    """Mean of up to four parts in [0, 1], each as heavy as the other.

    right: gold of the suite's checks, left out where there is none; polite: 1 with a polite word
    and no rude one, .5 with neither, 0 with a rude one; sorry: whether a refusal apologises, left
    out where nothing is refused; length: 1 from 4 to 60 words, falling linearly to 0 at none and at
    120. English word lists: NaN for examples in another language. An empty answer scores 0.
    """

    name: str = INDEX
    doc: str = "mean of right, polite, apologises where it refuses, length; on request: an index"
    bounded: bool = True

    def measure(self, example: Example, row: Mapping[str, Json]) -> float:
        """The index of one answer."""
        if example.language != "en":
            return float("nan")
        words = _WORD.findall(str(row["text"]).lower())
        said = set(words)
        if not words:
            return 0.0
        rude, polite = bool(said & RUDE), bool(said & POLITE)
        parts = [0.0 if rude else 1.0 if polite else 0.5, _length(len(words))]
        if said & NEGATIVE:
            parts.append(float(bool(said & SORRY)))
        gold = float(row["gold"])
        if not isnan(gold):
            parts.append(gold)
        return fmean(parts)


@dataclass(frozen=True, slots=True)
class PredictedSatisfaction:
    """The column that ``add_satisfaction`` writes."""

    name: str = PREDICTED
    doc: str = (
        "(expected rating - 1)/4 by a model of people's ratings; needs evaluation.satisfaction"
    )
    bounded: bool = True

    def measure(self, example: Example, row: Mapping[str, Json]) -> float:
        """The value that is there already."""
        return float(row[self.name])


def _length(words: int) -> float:
    if words < SHORT:
        return words / SHORT
    return max(0.0, min(1.0, 2 - words / LONG))


def add_satisfaction(
    rows: Sequence[dict[str, Json]], prompts: Mapping[tuple[str, str], str], source: str
) -> None:
    """Write ``satisfaction_predicted`` into every row.

    Args:
        rows: rows with suite, example_id and text.
        prompts: prompt by (suite, example_id).
        source: file of ratings.

    Raises:
        DataError: the file is no file of ratings.
    """
    import numpy as np

    from rsft_bench.harness.rewards.satisfaction import fit_satisfaction
    from rsft_bench.harness.rewards.satisfaction_data import read_ratings

    answers = read_ratings(Path(source)).answers
    votes = np.array([a.vote for a in answers], dtype=np.int64)
    model = fit_satisfaction([a.prompt for a in answers], [a.text for a in answers], votes)
    asked = [(prompts[str(r["suite"]), str(r["example_id"])], str(r["text"])) for r in rows]
    unique = list(dict.fromkeys(asked))
    ratings = model.expected([p for p, _ in unique], [t for _, t in unique])
    known = {pair: (float(rating) - 1) / 4 for pair, rating in zip(unique, ratings, strict=True)}
    for row, pair in zip(rows, asked, strict=True):
        row[PREDICTED] = known[pair]


def error_of(source: str) -> dict[str, Json]:
    """Cross-validated error of the predictor on its own ratings, for the manifest."""
    from rsft_bench.harness.rewards.satisfaction_data import read_ratings
    from rsft_bench.harness.rewards.satisfaction_error import cross_validated

    ratings = read_ratings(Path(source))
    told = cross_validated(ratings).to_json()
    return {"file": Path(source).name, "skipped": dict(ratings.skipped), **told}
