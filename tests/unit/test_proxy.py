"""The proxy reward: what it reads, that it ranks, that it is deterministic, saved and honest."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.rewards.calibration import platt
from rsft_bench.harness.rewards.features import (
    KnownValues,
    agreement,
    feature_names,
    rewrite,
    symbol_ngrams,
)
from rsft_bench.harness.rewards.labelled import held_out
from rsft_bench.harness.rewards.prompt_view import PromptView, view
from rsft_bench.harness.rewards.proxy import ProxyReward, fit_proxy
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.reliability import reliability
from rsft_bench.harness.statistics.selection import within_prompt_auc

PROMPT = (
    "Policy: Returns are free within 30 days of delivery. Gift cards cannot be returned.\n"
    "Record: order number: 48213; item: wool scarf; status: shipped; delivered: 41 days ago\n"
    "Customer: Hi\nAgent: Hello!\nCustomer: Can I send it back?\nAgent:"
)
NONE = "Policy: Ask for the number.\nRecord: none found\nCustomer: Where is my parcel?\nAgent:"
KNOWN = KnownValues.of([(("delivered",), "status"), (("shipped",), "status")])


def features(prompt: str, text: str) -> dict[str, float]:
    seen = view(prompt)
    return agreement(seen, rewrite(seen, KNOWN, text))


def cases(
    count: int, seed: int, clusters: int = 12
) -> tuple[list[str], list[str], NDArray[np.bool_], list[str]]:
    """Answers that state the record's status or another one, in several wordings."""
    rng = stream(seed, "proxy-cases")
    states, carriers = ["shipped", "delivered", "packed"], ["Posten", "Velox", "Quikmule"]
    prompts, texts, labels, groups = [], [], [], []
    for i in range(count):
        state, carrier = states[rng.integers(3)], carriers[rng.integers(3)]
        number = int(rng.integers(10_000, 99_999))
        record = f"order number: {number}; status: {state}; carrier: {carrier}"
        prompt = f"Policy: Give the status.\nRecord: {record}\nCustomer: Where is it?\nAgent:"
        for _ in range(2):
            good = bool(rng.random() < 0.5)
            wrong = [s for s in states if s != state][rng.integers(2)]
            said = state if good else wrong
            wording = [f"Your order was {said}.", f"It is {said} with {carrier}."][rng.integers(2)]
            prompts.append(prompt)
            texts.append(wording)
            labels.append(good)
            groups.append(f"family-{i % clusters}")
    return prompts, texts, np.array(labels), groups


@pytest.fixture(scope="module")
def fitted() -> ProxyReward:
    return fit_proxy(*cases(200, 0), seed=0)[0]


def test_prompt_is_parsed() -> None:
    seen = view(PROMPT)
    assert dict(seen.fields)["item"] == ("wool", "scarf")
    assert seen.parts == {"wool": "item", "scarf": "item", "days": "delivered"}
    assert seen.question == ("can", "i", "send", "it", "back", "?")
    assert seen.kind == "can"
    assert seen.missing == 0.0
    assert seen.verdict == -1.0
    assert view(PROMPT.replace("41 days", "12 days")).verdict == 1.0
    assert view(PROMPT.replace("41 days", "3 weeks")).verdict == 1.0
    assert seen.barred == {"gift", "card"}


def test_empty_record_and_text_without_labels() -> None:
    assert view(NONE).missing == 1.0
    bare = view("How much does it cost?")
    assert bare.fields == ()
    assert bare.kind == "much"


def test_answer_is_rewritten_against_the_record() -> None:
    seen = view(PROMPT)
    answer = rewrite(seen, KNOWN, "Your wool scarf, order 48213, was delivered 41 days ago in Oslo")
    assert answer.stated == {"item", "order number", "delivered"}
    assert answer.contradicted == {"status"}
    assert answer.symbols[1:4] == ["<item>", "order", "<order number>"]
    assert "<not status>" in answer.symbols
    assert answer.found == {("name", "new"): 1}
    grams = set(symbol_ngrams(answer, seen))
    assert {"<item> order", "can|<not status>", "question|send"} <= grams


def test_numbers_are_traced_to_their_source() -> None:
    found = features(PROMPT, "Returns take 30 days, yours is 41 days old, and 48214 is 12.")
    assert found["number policy"] == 1.0
    assert found["number record"] == 1.0
    assert found["number new"] == 1.0
    assert found["code new"] == 1.0


def test_decisions_meet_the_comparison_of_policy_and_record() -> None:
    yes = features(PROMPT, "Yes, you can return it.")
    no = features(PROMPT, "No, it cannot be returned.")
    assert yes["decision verdict"] == -1.0
    assert no["decision verdict"] == 1.0
    assert (yes["decision against verdict"], no["decision against verdict"]) == (1.0, 0.0)


def test_asking_counts_where_the_record_is_empty() -> None:
    asks = features(NONE, "Could you send me your order number, please?")
    states = features(NONE, "It arrives on 4 May.")
    assert (asks["asks of empty"], asks["asks of full"]) == (1.0, 0.0)
    assert (states["asks of empty"], states["states of empty"]) == (0.0, 1.0)


def test_every_feature_is_named_and_finite() -> None:
    for text in ("", "?", "yes " * 200, "Ünïcödé \N{SNOWMAN} 12.5.6 --"):
        for prompt in (PROMPT, NONE, "", "Policy:\nRecord:\nCustomer:\nAgent:"):
            found = features(prompt, text)
            assert tuple(sorted(found)) == feature_names()
            assert np.isfinite(list(found.values())).all()


def test_ranks_new_answers_and_does_not_depend_on_the_batch(fitted: ProxyReward) -> None:
    prompts, texts, labels, _ = cases(150, 1)
    scores = fitted.score(prompts, texts)
    within = within_prompt_auc(scores, labels, prompts)
    assert within is not None
    assert within > 0.95
    assert ((scores > 0) & (scores < 1)).all()
    one_by_one = [fitted.score([p], [t])[0] for p, t in zip(prompts[:20], texts[:20], strict=True)]
    assert (scores[:20] == one_by_one).all()
    assert fitted.score([], []).shape == (0,)


def test_second_fit_is_identical(fitted: ProxyReward) -> None:
    again, _ = fit_proxy(*cases(200, 0), seed=0)
    prompts, texts, *_ = cases(30, 2)
    assert (again.score(prompts, texts) == fitted.score(prompts, texts)).all()


def test_saved_and_loaded_scores_are_identical(fitted: ProxyReward, tmp_path: Path) -> None:
    fitted.save(tmp_path / "proxy")
    assert {f.suffix for f in (tmp_path / "proxy").iterdir()} == {".safetensors", ".json"}
    loaded = ProxyReward.load(tmp_path / "proxy")
    prompts, texts, *_ = cases(60, 3)
    assert (loaded.score(prompts, texts) == fitted.score(prompts, texts)).all()
    assert loaded.n_features == fitted.n_features > 0


@pytest.mark.parametrize("damage", ["missing", "json", "weights", "features"])
def test_damaged_files_are_one_clear_error(
    fitted: ProxyReward, tmp_path: Path, damage: str
) -> None:
    fitted.save(tmp_path)
    if damage == "missing":
        (tmp_path / "proxy.json").unlink()
    elif damage == "json":
        (tmp_path / "proxy.json").write_text("{")
    elif damage == "weights":
        (tmp_path / "proxy.safetensors").write_bytes(b"short")
    else:
        config = json.loads((tmp_path / "proxy.json").read_text())
        (tmp_path / "proxy.json").write_text(json.dumps({**config, "features": ["x"]}))
    with pytest.raises(DataError, match="proxy"):
        ProxyReward.load(tmp_path)


def test_report_is_about_whole_clusters_held_out() -> None:
    prompts, texts, labels, groups = cases(200, 0)
    _, report = fit_proxy(prompts, texts, labels, groups, seed=0)
    sizes = [groups.count(g) for g in sorted(set(groups))]
    assert report.n_label == 400
    assert report.positive_share == pytest.approx(labels.mean())
    assert 80 <= report.n_held_out <= 80 + max(sizes)
    assert report.auc is not None
    assert report.auc > 0.9
    assert 0 < report.iterations < 1000
    assert report.brier is not None
    assert report.brier < 0.15
    assert report.precision is not None
    assert report.precision > 0.8
    assert sum(b.n for b in report.reliability) == report.n_held_out
    assert report.notes == ()


def test_labels_of_one_class_give_a_constant() -> None:
    prompts, texts, labels, groups = cases(20, 0)
    proxy, report = fit_proxy(prompts, texts, np.ones_like(labels), groups, seed=0)
    scores = proxy.score(prompts, texts)
    assert report.iterations == 0
    assert scores == pytest.approx(np.full(40, 41 / 42))
    assert len(set(scores)) == 1
    assert report.auc is None
    assert "one class" in report.notes[0]


def test_single_cluster_and_single_answer_do_not_crash() -> None:
    prompts, texts, labels, _ = cases(20, 0)
    _, report = fit_proxy(prompts, texts, labels, ["one"] * 40, seed=0)
    assert 0 < report.n_held_out < 40
    assert report.notes[0] == "one cluster: held out by prompt"
    proxy, alone = fit_proxy([PROMPT], ["Yes."], np.array([True]), ["one"], seed=0)
    assert alone.n_held_out == 0
    assert alone.brier is None
    assert proxy.score([PROMPT], ["No."])[0] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="at least one"):
        fit_proxy([], [], np.array([], dtype=bool), [], seed=0)


def test_platt_finds_the_sigmoid_and_keeps_a_fixed_slope() -> None:
    rng = stream(0, "platt")
    linear = rng.normal(size=20_000) * 2
    truth = rng.random(20_000) < 1 / (1 + np.exp(-(0.7 * linear - 0.4)))
    assert platt(linear, truth) == pytest.approx((0.7, -0.4), abs=0.06)
    slope, shift = platt(linear, truth, fixed_slope=0.05)
    assert slope == 0.05
    mean = (1 / (1 + np.exp(-(0.05 * linear + shift)))).mean()
    assert mean == pytest.approx(truth.mean(), abs=1e-3)
    separated = platt(np.array([-1.0, 1.0]), np.array([False, True]))
    assert 0 < separated[0] < 10


def test_reliability_by_hand() -> None:
    bins = reliability(np.array([0.05, 0.07, 0.55, 1.0]), np.array([False, True, True, True]))
    found = [(b.lo, b.n, b.share_positive) for b in bins]
    assert found == [(0.0, 2, 0.5), (0.5, 1, 1.0), (0.9, 1, 1.0)]
    assert bins[0].mean_score == pytest.approx(0.06)


def test_scores_thousands_of_answers_a_second(fitted: ProxyReward) -> None:
    prompts, texts, *_ = cases(500, 5)
    texts = [f"{t} Order {i}." for i, t in enumerate(texts)]
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        fitted.score(prompts, texts)
        best = max(best, len(texts) / (time.process_time() - start))
    # About 5,000 to 8,000 on the reference machine; the bound leaves room for a slow one.
    assert best > 1000


def test_views_hold_no_answer() -> None:
    assert isinstance(view(PROMPT), PromptView)
    assert "hello" not in view(PROMPT).question_tokens


@pytest.mark.parametrize("seed", range(12))
def test_both_sides_of_the_calibration_split_hold_both_classes(seed: int) -> None:
    """Passing answers in 2 of 12 clusters: one of the two goes to each side."""
    units = [f"c{i % 12}" for i in range(120)]
    truth = np.array([u in ("c3", "c7") and i < 60 for i, u in enumerate(units)])
    held = held_out(units, truth, seed)
    assert set(truth[held]) == set(truth[~held]) == {True, False}
    assert 24 <= held.sum() < 120
    assert all(len({h for u, h in zip(units, held, strict=True) if u == c}) == 1 for c in units)


def test_one_cluster_with_all_positives_falls_back_to_a_fifth_by_size() -> None:
    units = [f"c{i % 10}" for i in range(100)]
    held = held_out(units, np.array([u == "c0" for u in units]), 0)
    assert held.sum() == 20
