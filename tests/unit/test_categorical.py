"""Policy categorical: exact fits, exact laws of its draws, and what it says of itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.policies.categorical import CATEGORICAL, Categorical, from_probabilities
from rsft_bench.harness.policies.choices import read_prompt
from rsft_bench.harness.policies.exact import likelihood_optimum, optimum, reshaped
from rsft_bench.harness.policy_kinds import (
    Counted,
    Enumerable,
    OwnPolicy,
    OwnTrainer,
    Scorer,
)
from rsft_bench.harness.seeding import stream, uniforms
from rsft_bench.harness.training.weights import coefficients, mean_answer_tokens, row_weights
from rsft_bench.harness.types import Budget, Sampling, TrainRow, WeightedSet

BUDGET = Budget(steps=10, batch=4, lr=1e-3)
ANSWERS = ("Yes.", "No, it is too late.", "Please send a photo of it, then we can help you.")
LAW = {"Yes.": 0.5, "No, it is too late.": 0.3, "Please send a photo.": 0.2}


def prompt(context: str, answers: tuple[str, ...] = ANSWERS) -> str:
    listed = " | ".join(answers)
    return f"Policy: none.\nContext: {context}\nChoices: {listed}\nCustomer: So?\nAgent:"


def test_it_offers_what_it_claims() -> None:
    assert isinstance(CATEGORICAL, OwnTrainer)
    loaded = CATEGORICAL.load({})
    for kind in (OwnPolicy, Counted, Enumerable, Scorer):
        assert isinstance(loaded, kind)


# -- fitting --------------------------------------------------------------------------------

#: Prompt of an example -> (context, counts of the three answers in D, counts in A). Two prompts
#: share a context; one has no accepted answer; counts and lengths differ.
PROMPTS = {
    "p1": ("c1", (3, 1, 0), (0, 0, 2)),
    "p2": ("c1", (0, 2, 5), (1, 0, 0)),
    "p3": ("c2", (1, 1, 2), (0, 0, 0)),
    "p4": ("c3", (0, 4, 0), (0, 3, 1)),
}


def weighted(name: str, at: int, coefficient: float, normalise: Any, c: float) -> WeightedSet:
    """The rows of D (at 1) or A (at 2) as stage fit weights them."""
    rows = [
        (example, prompt(entry[0]), ANSWERS[i], count)
        for example, entry in PROMPTS.items()
        for i, count in enumerate(entry[at])
        if count
    ]
    counts = np.array([row[3] for row in rows])
    tokens = np.array(CATEGORICAL.load({}).answer_tokens([row[2] for row in rows]))
    weights = row_weights([row[0] for row in rows], counts, c, tokens, normalise)
    return WeightedSet(
        name,
        tuple(TrainRow(r[0], r[1], r[2], float(w)) for r, w in zip(rows, weights, strict=True)),
        coefficient,
        f"train-{name}",
    )


def fitted(lam: float, normalise: str, start: Categorical) -> Categorical:
    tokens = np.array(start.answer_tokens(ANSWERS))
    every = np.array([entry[1] for entry in PROMPTS.values()])
    c = mean_answer_tokens(np.tile(tokens, (4, 1)).ravel(), every.ravel())
    d, a = coefficients(lam)
    sets = [weighted("D", 1, d, normalise, c), weighted("A", 2, a, normalise, c)]
    done = start.fit([s for s in sets if s.coefficient > 0], BUDGET, 0)
    assert isinstance(done.policy, Categorical)
    return done.policy


@pytest.mark.parametrize("lam", [0.0, 0.25, 1.0, 7.0, math.inf])
def test_the_lambda_mixture_by_prompt(lam: float) -> None:
    """(D + lambda_x A) / (1 + lambda_x) where a context is one prompt, by hand where it is two."""
    found = fitted(lam, "prompt", CATEGORICAL.load({}))
    d, a = coefficients(lam)
    for context in ("c1", "c2", "c3"):
        here = [entry for entry in PROMPTS.values() if entry[0] == context]
        # Every prompt counts the same: 4 have answers in D, 3 accepted ones.
        mass_d = sum(np.array(e[1]) / sum(e[1]) for e in here) / 4
        mass_a = sum((np.array(e[2]) / sum(e[2]) for e in here if sum(e[2])), np.zeros(3)) / 3
        wanted = d * mass_d + a * mass_a
        if wanted.sum() == 0:
            # lambda = inf and nothing accepted: the start's table stays.
            wanted = CATEGORICAL.load({}).law(prompt(context))[1]
        np.testing.assert_allclose(
            found.law(prompt(context))[1], wanted / wanted.sum(), rtol=0, atol=1e-12
        )
    if math.isfinite(lam):
        lam_x = lam * 4 / 3
        expected = (np.array([0, 1, 0]) + lam_x * np.array([0, 0.75, 0.25])) / (1 + lam_x)
        np.testing.assert_allclose(found.law(prompt("c3"))[1], expected, atol=1e-12)


@pytest.mark.parametrize("lam", [0.0, 1.0, 3.0])
def test_the_lambda_mixture_by_token(lam: float) -> None:
    """n_D(x, y) / T_D + lambda n_A(x, y) / T_A, normalised over y."""
    found = fitted(lam, "token", CATEGORICAL.load({}))
    tokens = np.array([3, 8, 14])
    assert CATEGORICAL.load({}).answer_tokens(ANSWERS) == list(tokens)
    totals = [sum(int((np.array(e[i]) * tokens).sum()) for e in PROMPTS.values()) for i in (1, 2)]
    for context in ("c1", "c2", "c3"):
        here = [e for e in PROMPTS.values() if e[0] == context]
        mass = sum(np.array(e[1]) / totals[0] + lam * np.array(e[2]) / totals[1] for e in here)
        np.testing.assert_allclose(found.law(prompt(context))[1], mass / mass.sum(), atol=1e-12)


def test_the_fit_minimises_the_objective() -> None:
    """Independent of the closed form: SciPy's optimum of sum of coefficient * w_i NLL_i."""
    import torch

    start = CATEGORICAL.load({"concentration": 5.0})
    sets = [weighted("D", 1, 0.5, "prompt", 4.0), weighted("A", 2, 0.5, "prompt", 4.0)]
    exact = start.fit(sets, BUDGET, 0).policy
    weights = torch.zeros(3, dtype=torch.float64)
    for item in sets:
        for row in item.rows:
            if row.prompt == prompt("c1"):
                weights[ANSWERS.index(row.completion)] += item.coefficient * row.weight
    found = optimum(lambda logs: -(weights * logs).sum(), np.full(3, 1 / 3))
    assert isinstance(exact, Categorical)
    np.testing.assert_allclose(exact.law(prompt("c1"))[1], found, atol=1e-9)


def test_lambda_zero_is_more_of_d_and_no_steps_are_no_change() -> None:
    start = CATEGORICAL.load({})
    sft = fitted(0.0, "prompt", start)
    again = fitted(0.0, "prompt", sft)
    for context in ("c1", "c2", "c3"):
        np.testing.assert_array_equal(sft.law(prompt(context))[1], again.law(prompt(context))[1])
    rows = [weighted("D", 1, 1.0, "prompt", 4.0)]
    untouched = start.fit(rows, Budget(steps=0, batch=4, lr=1.0), 0)
    assert untouched.policy is start
    assert (untouched.losses, untouched.flops) == ((), 0.0)


def test_a_context_without_rows_keeps_its_table() -> None:
    start = CATEGORICAL.load({"seed": 3})
    before = start.law(prompt("elsewhere"))[1]
    np.testing.assert_array_equal(fitted(1.0, "prompt", start).law(prompt("elsewhere"))[1], before)


def test_what_a_fit_says_it_took() -> None:
    start = CATEGORICAL.load({})
    item = weighted("D", 1, 1.0, "prompt", 4.0)
    done = start.fit([item], BUDGET, 0, keep=(2, 5))
    assert done.rows_seen == {"D": len(item.rows)}
    # Two operations a row, and the three answers of three contexts are divided.
    assert done.flops == 2 * len(item.rows) + 9 == start.fit_flops([item], BUDGET)
    assert set(done.kept) == {2, 5}
    expected = -sum(r.weight * start.logprob(r.prompt, r.completion) for r in item.rows)
    assert done.losses == (pytest.approx(expected),)


def test_an_answer_that_is_no_choice_is_named() -> None:
    row = TrainRow("e7", prompt("c1"), "Maybe.", 1.0)
    with pytest.raises(DataError, match="'e7': the answer 'Maybe.' is none of"):
        CATEGORICAL.load({}).fit([WeightedSet("A", (row,), 1.0, "s")], BUDGET, 0)


# -- laws and draws -------------------------------------------------------------------------


def given(law: dict[str, float] = LAW) -> tuple[Categorical, str]:
    return from_probabilities({"c": law}), prompt("c", tuple(law))


def test_the_base_table_is_a_keyed_dirichlet() -> None:
    base = CATEGORICAL.load({"concentration": 2.0, "seed": 5})
    expected = stream(5, "categorical-base", "c9").dirichlet([2.0] * 3)
    answers, law = base.law(prompt("c9"))
    assert answers == ANSWERS
    np.testing.assert_array_equal(law, expected)
    assert not np.allclose(CATEGORICAL.load({"seed": 6}).law(prompt("c9"))[1], expected)
    # Independent of the wording, and of the order in which contexts are asked.
    np.testing.assert_array_equal(base.law(prompt("c9").replace("So?", "Well, what?"))[1], expected)


def test_logprob_is_exact() -> None:
    policy, asked = given()
    assert policy.logprob(asked, "Yes.") == pytest.approx(math.log(0.5), abs=1e-15)
    assert policy.logprob(asked, " Please send a photo. ") == pytest.approx(math.log(0.2))
    assert policy.logprob(asked, "Never.") == -math.inf
    zero, asked = given({"Yes.": 1.0, "No.": 0.0})
    assert zero.logprob(asked, "No.") == -math.inf


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.5, 0.3, 0.2]),
        (Sampling(temperature=0), [1, 0, 0]),
        (Sampling(temperature=0.5), [0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38]),
        (Sampling(top_p=0.5), [1, 0, 0]),
        (Sampling(top_p=0.51), [0.625, 0.375, 0]),
        (Sampling(top_k=2), [0.625, 0.375, 0]),
        (Sampling(top_k=2, top_p=0.6), [1, 0, 0]),
        (Sampling(temperature=0.5, top_k=2), [0.25 / 0.34, 0.09 / 0.34, 0]),
    ],
)
def test_the_law_of_the_draws(sampling: Sampling, expected: list[float]) -> None:
    np.testing.assert_allclose(reshaped(np.array([0.5, 0.3, 0.2]), sampling), expected, atol=1e-12)


def test_the_law_is_that_of_a_language_models_tokens() -> None:
    import torch

    from rsft_bench.harness.sampling.law import probabilities

    rng = stream(0, "test-law")
    for i in range(200):
        law = rng.dirichlet(np.ones(7))
        law[1] = law[2]
        law /= law.sum()
        sampling = Sampling(
            temperature=float(rng.uniform(0.2, 3)),
            top_k=int(rng.integers(0, 8)),
            top_p=float(rng.uniform(0.05, 1)) if i % 2 else 1.0,
        )
        theirs = probabilities(torch.from_numpy(np.log(law))[None], sampling)[0].numpy()
        np.testing.assert_allclose(reshaped(law, sampling), theirs / theirs.sum(), atol=1e-9)


def test_draws_are_the_inverse_cdf_of_keyed_numbers() -> None:
    policy, asked = given()
    rows = policy.sample([("e1", asked), ("e2", asked)], range(3, 40), Sampling(), 4, "pool")
    assert [(r.example_id, r.draw) for r in rows] == [
        (e, d) for e in ("e1", "e2") for d in range(3, 40)
    ]
    for row in rows:
        u = uniforms(4, "pool", row.example_id, row.draw, 1)[0]
        assert row.text == list(LAW)[0 if u < 0.5 else 1 if u < 0.8 else 2]
        assert row.logprob == pytest.approx(math.log(LAW[row.text]))
        assert row.finish_reason == "stop"
    assert {r.tokens_out for r in rows if r.text == "Yes."} == {3}
    part = policy.sample([("e2", asked)], range(5, 7), Sampling(), 4, "pool")
    assert part == [r for r in rows if r.example_id == "e2" and r.draw in (5, 6)]
    greedy = policy.sample([("e1", asked)], range(9), Sampling(temperature=0), 4, "pool")
    assert {r.text for r in greedy} == {"Yes."}


def test_frequencies_follow_the_law() -> None:
    """Chi-square as a normal deviate, 20,000 draws at a temperature."""
    policy, asked = given()
    sampling = Sampling(temperature=1.5)
    rows = policy.sample([("e", asked)], range(20_000), sampling, 0, "test")
    expected = 20_000 * reshaped(np.array(list(LAW.values())), sampling)
    count = np.array([sum(r.text == text for r in rows) for text in LAW])
    statistic = float(((count - expected) ** 2 / expected).sum())
    assert abs(statistic - 2) / 2 < 4


def test_an_answer_of_probability_zero_is_never_drawn() -> None:
    policy, asked = given({"A.": 0.0, "B.": 1.0, "C.": 0.0})
    rows = policy.sample([("e", asked)], range(2000), Sampling(), 0, "test")
    assert {r.text for r in rows} == {"B."}


def test_draws_cost_two_operations_a_choice() -> None:
    policy, asked = given()
    rows = policy.sample([("e", asked)], range(4), Sampling(), 0, "test")
    counted = policy.draw_flops([("e", asked)], rows, Sampling())
    assert counted == ((0.0,), (6.0,) * 4)
    assert counted.total == 24.0


# -- files and mistakes ---------------------------------------------------------------------


def test_saved_tables_come_back_to_the_bit(tmp_path: Path) -> None:
    options = {"concentration": 0.5, "seed": 2}
    policy = fitted(1.0, "prompt", CATEGORICAL.load(options))
    policy.save(tmp_path / "a")
    again = CATEGORICAL.restore(options, tmp_path / "a")
    for context in ("c1", "c2", "c3", "never-seen"):
        answers, law = policy.law(prompt(context))
        assert again.law(prompt(context))[0] == answers
        np.testing.assert_array_equal(again.law(prompt(context))[1], law)
    again.save(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    (tmp_path / "a" / "answers.json").write_text("{")
    with pytest.raises(DataError, match="not a categorical policy"):
        CATEGORICAL.restore(options, tmp_path / "a")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concentration": 0}, "concentration: 0 is outside"),
        ({"concentration": "much"}, "must be a number"),
        ({"seed": -1}, "seed: -1 is outside"),
        ({"seed": 1.5}, "must be a whole number"),
    ],
)
def test_options_out_of_range(options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CATEGORICAL.fingerprint(options)


def test_the_fingerprint_follows_the_options() -> None:
    assert CATEGORICAL.fingerprint({}) == CATEGORICAL.fingerprint({"seed": 0, "concentration": 1})
    assert CATEGORICAL.fingerprint({"seed": 1}) != CATEGORICAL.fingerprint({})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Customer: Hi\nAgent:", "needs the lines 'Context: NAME' and 'Choices"),
        ("Context: a\nCustomer: Hi\nAgent:", "needs the lines"),
        ("Context: a\nChoices: Yes\nAgent:", "two or more distinct"),
        ("Context: a\nChoices: Yes | Yes\nAgent:", "two or more distinct"),
        ("Context: a\nChoices: Yes | \nAgent:", "two or more distinct"),
    ],
)
def test_prompts_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_prompt(text)
    with pytest.raises(DataError, match=words):
        CATEGORICAL.check({}, [text])


def test_one_context_has_one_set_of_choices() -> None:
    other = prompt("c1", ("Yes.", "No."))
    with pytest.raises(DataError, match="two sets of choices"):
        CATEGORICAL.check({}, [prompt("c1"), other])
    CATEGORICAL.check({}, [prompt("c1"), prompt("c1", ANSWERS[::-1]), prompt("c2", ("A", "B"))])
    policy = fitted(1.0, "prompt", CATEGORICAL.load({}))
    with pytest.raises(DataError, match="other choices"):
        policy.law(other)
    # The order of the choices is the prompt's own affair.
    assert policy.logprob(prompt("c1", ANSWERS[::-1]), "Yes.") == policy.logprob(
        prompt("c1"), "Yes."
    )


def test_given_laws_must_be_laws() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        from_probabilities({"c": {"a": 0.5, "b": 0.4}})


# -- other objectives -----------------------------------------------------------------------


def test_the_anchor_has_a_closed_form_and_newton_finds_it() -> None:
    """-sum m log p + lambda KL(p0 || p) has its optimum at (m + lambda p0) / (1 + lambda)."""
    import torch

    mass, start = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.2, 0.6])
    for weight in (0.1, 1.0, 20.0):
        closed = likelihood_optimum(mass, start, weight)
        np.testing.assert_allclose(closed, (mass + weight * start) / (1 + weight), atol=1e-15)
        m, p0 = torch.from_numpy(mass), torch.from_numpy(start)

        def loss(logs: Any, m: Any = m, p0: Any = p0, weight: float = weight) -> Any:
            return -(m * logs).sum() + weight * (p0 * (p0.log() - logs)).sum()

        np.testing.assert_allclose(optimum(loss, start), closed, atol=1e-10)
    np.testing.assert_array_equal(likelihood_optimum(np.zeros(3), start), start)


def test_the_reward_tilt() -> None:
    """-E r + beta KL(p || p0) has its optimum at p0 e^{r/beta}: no likelihood in it."""
    import torch

    start, reward, beta = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.0, 1.0, 2.0, -1.0]), 0.7
    p0, r = torch.from_numpy(start), torch.from_numpy(reward)
    found = optimum(
        lambda logs: -(logs.exp() * r).sum() + beta * (logs.exp() * (logs - p0.log())).sum(), start
    )
    tilted = start * np.exp(reward / beta)
    np.testing.assert_allclose(found, tilted / tilted.sum(), atol=1e-10)


def test_preference_pairs_have_the_bradley_terry_optimum() -> None:
    """DPO with soft labels q on one pair: log ratio = log prior ratio + logit(q) / beta."""
    import torch

    start, share, beta = np.array([0.7, 0.3]), 0.8, 0.5
    prior = math.log(start[0] / start[1])

    def loss(logs: Any) -> Any:
        margin = beta * (logs[0] - logs[1] - prior)
        win, lose = (torch.nn.functional.logsigmoid(s * margin) for s in (1, -1))
        return -(share * win + (1 - share) * lose)

    found = optimum(loss, start)
    expected = prior + math.log(share / (1 - share)) / beta
    assert math.log(found[0] / found[1]) == pytest.approx(expected, abs=1e-9)


def test_an_optimum_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="no minimum found"):
        optimum(lambda logs: logs[1] - logs[0], np.array([0.3, 0.3, 0.4]))
    # On the boundary: all mass on two answers.
    found = optimum(lambda logs: -logs[0] - 3 * logs[1], np.array([0.3, 0.3, 0.4]))
    np.testing.assert_allclose(found, [0.25, 0.75, 0], atol=1e-9)
    with pytest.raises(ValueError, match="must be positive"):
        optimum(lambda logs: -logs.sum(), np.array([1.0, 0.0]))
