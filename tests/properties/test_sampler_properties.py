"""Order, company and memory change nothing that is drawn, and more draws only add to fewer."""

from __future__ import annotations

import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rsft_bench.harness.sampling import fallback, prepare, sample
from rsft_bench.harness.sampling.answers import Job, Request, streams
from rsft_bench.harness.sampling.loop import run_packed
from rsft_bench.harness.types import Sampling

LAWS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.5, 1.0, 1.7]),
    top_p=st.sampled_from([0.7, 1.0]),
    top_k=st.sampled_from([0, 9]),
)
PROMPTS = st.lists(st.lists(st.integers(2, 299), min_size=1, max_size=40), min_size=1, max_size=6)
BUDGETS = st.sampled_from([1, 40, 100, 300, 10_000])
STOPS = st.integers(0, 299)


@st.composite
def requests(draw):
    """Some prompts, perhaps equal ones, with up to five answers of their own limits each."""
    return [
        Request(tuple(ids), draw(st.integers(1, 20)), f"e{i}", number)
        for i, ids in enumerate(draw(PROMPTS))
        for number in range(draw(st.integers(1, 5)))
    ]


def tokens(run, rows, law, stop):
    job = Job(rows, streams(rows, law, 3, "property"), law, stop)
    with torch.inference_mode():
        return {(r.example_id, r.draw): a.ids for r, a in zip(rows, run(job), strict=True)}


@given(requests(), LAWS, BUDGETS, STOPS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_order_company_and_budget_change_nothing(tiny_lm, rows, law, budget, stop, chance):
    weights = prepare(tiny_lm)
    whole = tokens(lambda job: run_packed(weights, job), rows, law, stop)
    shuffled = random.Random(chance.random()).sample(rows, len(rows))
    some = shuffled[: max(1, len(rows) // 2)]
    for part in (shuffled, some):
        again = tokens(lambda job: run_packed(weights, job, budget), part, law, stop)
        assert again == {key: whole[key] for key in again}
    limits = {(r.example_id, r.draw): r.limit for r in rows}
    for key, ids in whole.items():
        assert 1 <= len(ids) <= limits[key]
        assert stop not in ids[:-1]
        assert len(ids) == limits[key] or ids[-1] == stop


@given(requests(), LAWS, BUDGETS, STOPS)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_both_loops_draw_the_same(tiny_lm, rows, law, budget, stop):
    weights = prepare(tiny_lm)
    fast = tokens(lambda job: run_packed(weights, job), rows, law, stop)
    slow = tokens(lambda job: fallback.run_model(tiny_lm.model, job, budget), rows, law, stop)
    assert fast == slow


@given(st.integers(1, 6), st.integers(0, 6), LAWS, st.lists(st.text(max_size=2), max_size=2))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_more_draws_begin_with_fewer(tiny_lm, few, more, law, stop):
    law = Sampling(law.temperature, law.top_p, law.top_k, 12, tuple(stop))
    prompts = [("a", "Customer: Hi\nAgent:"), ("b", "Record: none\nCustomer: Where?\nAgent:")]
    small = sample(tiny_lm, prompts, range(few), law, 0, "t")
    large = sample(tiny_lm, prompts, range(few + more), law, 0, "t")
    text = {(c.example_id, c.draw): (c.text, c.finish_reason) for c in large}
    assert all(text[c.example_id, c.draw] == (c.text, c.finish_reason) for c in small)
