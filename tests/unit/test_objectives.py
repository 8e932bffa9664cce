"""Losses against naive formulas in float64, by hand, and at their exact optima on a free table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rsft_bench.harness.learning import LOSSES
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.training.batches import EncodedRow, Group, make_group
from rsft_bench.harness.training.forwards import ModelForward, Referenced
from rsft_bench.harness.training.objectives import OBJECTIVES, group_loss
from rsft_bench.harness.training.weights import coefficients, row_weights

#: Rows of unequal prompt and answer lengths; as pairs, row 0 is preferred to 1 and 2 to 3.
LENGTHS = ((3, 4), (3, 2), (7, 5), (7, 6))
WEIGHTS = (0.3, 0.3, 1.1, 1.1)
ACCEPTED = (True, False, True, False)
RATES = (1.0, 0.25, 0.5, 0.5)
SETTINGS: dict[str, dict[str, float]] = {
    "likelihood": {},
    "anchored": {"anchor": 0.7},
    "unlikelihood": {"floor": 0.01},
    "nft": {"epsilon": 0.6},
    "preference": {"beta": 0.4},
}


def test_every_registered_loss_is_tested_and_declared() -> None:
    assert set(OBJECTIVES.names()) == set(LOSSES) == set(SETTINGS)
    for name, settings in SETTINGS.items():
        assert set(settings) == set(LOSSES[name])


def rows() -> list[EncodedRow]:
    rng = stream(0, "objective-rows")
    prompts = {n: tuple(int(t) for t in rng.integers(2, 300, n)) for n in (3, 7)}
    return [
        EncodedRow((*prompts[p], *(int(t) for t in rng.integers(2, 300, a))), p) for p, a in LENGTHS
    ]


@pytest.fixture(scope="module")
def models(make_tiny_lm: Callable[..., Any]) -> tuple[Any, Any]:
    """A trained model and its reference, both float64: the second differs a little."""
    model = make_tiny_lm(0).model.double()
    reference = make_tiny_lm(0).model.double()
    noise = torch.Generator().manual_seed(3)
    for p in reference.parameters():
        p.data += 0.02 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model, reference


def answer_logps(model: Any, row: EncodedRow) -> Tensor:
    """Log-laws at the answer positions of one row, alone and unpadded, (answer, vocabulary)."""
    logits = model(input_ids=torch.tensor([row.ids])).logits[0, row.prompt_tokens - 1 : -1]
    return torch.log_softmax(logits, -1)


def naive(name: str, model: Any, reference: Any) -> Tensor:
    """The loss written down row by row, token by token."""
    total = torch.zeros((), dtype=torch.float64)
    settings = SETTINGS[name]
    ratios = []
    for row, weight, accepted, rate in zip(rows(), WEIGHTS, ACCEPTED, RATES, strict=True):
        laws = answer_logps(model, row)
        with torch.no_grad():
            before = answer_logps(reference, row)
        own = torch.zeros((), dtype=torch.float64)
        ratio = torch.zeros((), dtype=torch.float64)
        for law, old, token in zip(laws, before, row.ids[row.prompt_tokens :], strict=True):
            p, q = law[token].exp(), old[token].exp()
            ratio = ratio + torch.log(p / q)
            if name == "likelihood":
                own = own - torch.log(p)
            elif name == "anchored":
                divergence = sum(old[v].exp() * (old[v] - law[v]) for v in range(len(law)))
                own = own - torch.log(p) + settings["anchor"] * divergence
            elif name == "unlikelihood":
                own = own - torch.log(1 - p) if 1 - p > settings["floor"] else own
            elif name == "nft" and accepted:
                own = own - torch.log(p / q)
            elif name == "nft":
                implicit = (1 - rate * p / q) / (1 - rate)
                # The value of the maximum with the gradient of the ratio.
                above = max(implicit.item(), settings["epsilon"])
                own = own - math.log(above) - (implicit - implicit.detach()) / above
        ratios.append(ratio)
        total = total + weight * own
    if name == "preference":
        for chosen, worse, weight in ((0, 1, WEIGHTS[0]), (2, 3, WEIGHTS[2])):
            margin = settings["beta"] * (ratios[chosen] - ratios[worse])
            total = total + weight * torch.log(1 + torch.exp(-margin))
    return total


def group_of(name: str, reference: Any) -> Group:
    """All rows in one padded group with what the loss reads, float64."""
    group = make_group(rows(), WEIGHTS, 1)
    sizes = torch.tensor([a for _, a in LENGTHS])
    # Made anew: float32 weights would differ from the naive formula in the eighth digit.
    weights = torch.repeat_interleave(torch.tensor(WEIGHTS, dtype=torch.float64), sizes)
    group = dataclasses.replace(group, weights=weights)
    columns: dict[str, Tensor] = {}
    if OBJECTIVES.get(name).needs == "tokens":
        with torch.no_grad():
            columns["reference"] = torch.cat(
                [
                    answer_logps(reference, row).gather(
                        1, torch.tensor(row.ids[row.prompt_tokens :])[:, None]
                    )[:, 0]
                    for row in rows()
                ]
            )
        columns["accepted"] = torch.repeat_interleave(torch.tensor(ACCEPTED), sizes)
        columns["rate"] = torch.repeat_interleave(torch.tensor(RATES, dtype=torch.float64), sizes)
    return dataclasses.replace(group, loss=name, settings=SETTINGS[name], columns=columns)


def gradient(model: Any) -> Tensor:
    flat = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    return flat


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_loss_and_gradient_are_those_of_the_naive_formula(name: str, models: Any) -> None:
    model, reference = models
    loss = naive(name, model, reference)
    loss.backward()
    expected = loss.item()
    wanted = gradient(model)
    forward = Referenced(ModelForward(model), reference)
    ours = group_loss(forward, group_of(name, reference))
    ours.backward()
    found = gradient(model)
    assert ours.item() == pytest.approx(expected, rel=1e-10)
    assert float((found - wanted).abs().max()) < 1e-10 * float(wanted.abs().max())


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_gradient_is_that_of_finite_differences(name: str, models: Any) -> None:
    """On logits; NFT with a floor so low that no ratio meets it, where it is smooth."""
    _, reference = models
    group = group_of(name, reference)
    if name == "nft":
        group = dataclasses.replace(group, settings={"epsilon": 1e-12})
    if name == "anchored":
        with torch.no_grad():
            columns = {"reference_logits": ModelForward(reference).logits(group)[:, :6]}
        group = dataclasses.replace(group, columns=columns)
    n = len(group.targets)
    group = dataclasses.replace(group, targets=group.targets % 6)
    if "reference" in group.columns:
        # Ratios near 1, so that 1 - r R stays positive.
        laws = {**group.columns, "reference": torch.full((n,), -math.log(6.0)).double()}
        group = dataclasses.replace(group, columns=laws)
    logits = torch.tensor(stream(1, "logits").normal(0, 0.3, (n, 6)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: OBJECTIVES.get(name).loss(z, group), (logits,))


def one_token(name: str, p: float, **columns: Any) -> tuple[float, float]:
    """(loss, its derivative in log p(target)) of one token of probability p, weight 1, of two."""
    logits = torch.tensor([[math.log(p), math.log1p(-p)]], dtype=torch.float64, requires_grad=True)
    group = dataclasses.replace(
        make_group([EncodedRow((5, 0), 1)], [1.0], 1),
        weights=torch.ones(1, dtype=torch.float64),
        loss=name,
        settings=columns.pop("settings"),
        columns={k: torch.tensor([v]) for k, v in columns.items()},
    )
    loss = OBJECTIVES.get(name).loss(logits, group)
    loss.backward()
    assert logits.grad is not None
    # With two outcomes d log p / d logit = 1 - p.
    return loss.item(), float(logits.grad[0, 0]) / (1 - p)


def test_unlikelihood_by_hand_and_clipped() -> None:
    loss, slope = one_token("unlikelihood", 0.75, settings={"floor": 0.01})
    assert loss == pytest.approx(math.log(4))
    # d/d log p of -log(1 - p) is p / (1 - p).
    assert slope == pytest.approx(3.0)
    capped, none = one_token("unlikelihood", 0.995, settings={"floor": 0.01})
    assert capped == pytest.approx(math.log(100))
    assert none == 0


def test_nft_by_hand() -> None:
    q = math.log(0.5)
    read = {"reference": q, "rate": 0.25}
    loss, slope = one_token("nft", 0.8, settings={"epsilon": 1.0}, accepted=True, **read)
    assert (loss, slope) == (pytest.approx(-math.log(1.6)), pytest.approx(-1.0))
    # R = 1.6, N = (1 - 0.4) / 0.75 = 0.8, below epsilon 1: value log 1, slope -dN/dlogp / 1.
    loss, slope = one_token("nft", 0.8, settings={"epsilon": 1.0}, accepted=False, **read)
    assert loss == pytest.approx(0.0, abs=1e-12)
    assert slope == pytest.approx(0.25 * 1.6 / 0.75)
    loss, slope = one_token("nft", 0.8, settings={"epsilon": 0.1}, accepted=False, **read)
    assert loss == pytest.approx(-math.log(0.8))
    assert slope == pytest.approx(0.25 * 1.6 / 0.75 / 0.8)


def test_nft_without_rejected_answers_has_the_likelihood_s_gradient(models: Any) -> None:
    """RFT: at weight 0 of rejected rows, the very gradient of the weighted likelihood."""
    model, reference = models
    group = group_of("nft", reference)
    kept = torch.where(group.columns["accepted"], group.weights, torch.zeros_like(group.weights))
    forward = ModelForward(model)
    group_loss(forward, dataclasses.replace(group, weights=kept)).backward()
    ours = gradient(model)
    plain = dataclasses.replace(group, weights=kept, loss="likelihood", settings={}, columns={})
    group_loss(forward, plain).backward()
    assert float((ours - gradient(model)).abs().max()) < 1e-12 * float(ours.abs().max())


def test_dpo_by_hand() -> None:
    """Chosen -1.0 and rejected -3.0 nats against -1.5 and -2.0: margin 0.1 * 1.5."""
    logp = torch.tensor([-0.4, -0.6, -3.0], dtype=torch.float64)
    # One other outcome takes the rest of each law.
    logits = torch.stack([logp, torch.log(-torch.expm1(logp))], 1)
    pair = [EncodedRow((7, 0, 0), 1), EncodedRow((7, 0), 1)]
    group = dataclasses.replace(
        make_group(pair, [2.0, 2.0], 1),
        weights=torch.full((3,), 2.0, dtype=torch.float64),
        settings={"beta": 0.1},
        columns={"reference": torch.tensor([-0.7, -0.8, -2.0], dtype=torch.float64)},
    )
    loss = OBJECTIVES.get("preference").loss(logits, group)
    assert float(loss) == pytest.approx(2 * math.log(1 + math.exp(-0.15)))


def test_a_loss_that_reads_the_reference_needs_one(models: Any) -> None:
    model, reference = models
    with pytest.raises(TypeError, match="'anchored' needs a forward with a reference"):
        group_loss(ModelForward(model), group_of("anchored", reference))


# Answers of one to three tokens (token 3 ends) over three prompts; no answer begins another one.
ANSWERS = ((3,), (0, 3), (1, 0, 3), (1, 1, 3))
COUNT_D = np.array([[4, 1, 0, 2], [1, 2, 7, 1], [1, 3, 3, 0]])
COUNT_A = np.array([[0, 5, 1, 0], [2, 0, 0, 3], [0, 0, 0, 0]])
TOKENS = np.array([len(a) for a in ANSWERS])
CONTEXTS = sorted({(x, a[:t]) for x in range(3) for a in ANSWERS for t in range(len(a))})


def tree_group(counts: np.ndarray[Any, Any], c: float, normalise: Any, coefficient: float) -> Group:
    """Every answer of a set once, as a group; its slots stand for rows of the table of logits."""
    ids = [str(x) for x in range(3) for _ in ANSWERS]
    weights = row_weights(ids, counts.flatten(), c, np.tile(TOKENS, 3), normalise)
    made = [EncodedRow((x, *answer), 1) for x in range(3) for answer in ANSWERS]
    sizes = torch.tensor(np.tile(TOKENS, 3))
    exact = torch.repeat_interleave(torch.tensor(coefficient * weights), sizes)
    return dataclasses.replace(make_group(made, [0.0] * len(made), 9), weights=exact)


SLOTS = [CONTEXTS.index((x, a[:t])) for x in range(3) for a in ANSWERS for t in range(len(a))]


def fitted(groups: list[Group]) -> Tensor:
    """Law of every context, (contexts, 4), after fitting free logits by L-BFGS to 1e-12."""
    logits = torch.zeros(len(CONTEXTS), 4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [logits], lr=1, max_iter=4000, tolerance_grad=1e-13, tolerance_change=1e-16,
        history_size=50, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = sum((OBJECTIVES.get(g.loss).loss(logits[SLOTS], g) for g in groups), torch.zeros(()))
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return logits.detach().softmax(-1)


def law(contexts: Tensor, x: int) -> np.ndarray[Any, Any]:
    """Probability of each answer to prompt x, (4,)."""
    return np.array(
        [
            math.prod(float(contexts[CONTEXTS.index((x, a[:t])), a[t]]) for t in range(len(a)))
            for a in ANSWERS
        ]
    )


@pytest.mark.parametrize("normalise", ["prompt", "token"])
@pytest.mark.parametrize("lam", [0.5, 3.0])
def test_lambda_mixture_of_whole_answers_is_the_closed_form(normalise: str, lam: float) -> None:
    """Unequal counts, unequal lengths, prompt 2 without accepted answers."""
    c = float((COUNT_D * TOKENS).sum() / COUNT_D.sum())
    of_d, of_a = coefficients(lam)
    laws = fitted(
        [tree_group(COUNT_D, c, normalise, of_d), tree_group(COUNT_A, c, normalise, of_a)]
    )
    for x in range(3):
        if normalise == "token":
            mass = COUNT_D[x] / (COUNT_D * TOKENS).sum()
            mass = mass + lam * COUNT_A[x] / (COUNT_A * TOKENS).sum()
        else:
            lam_x = lam * 3 / 2 if COUNT_A[x].sum() else 0.0
            mass = COUNT_D[x] / COUNT_D[x].sum()
            mass = mass + lam_x * COUNT_A[x] / max(COUNT_A[x].sum(), 1)
        assert law(laws, x) == pytest.approx(mass / mass.sum(), abs=1e-6)


@pytest.mark.parametrize("lam", [0.5, math.inf])
@pytest.mark.parametrize("anchor", [0.3, 2.0])
def test_anchor_optimum_is_the_mixture_with_the_start(lam: float, anchor: float) -> None:
    """(M + a pi_0) / (1 + a) at every prefix that M reaches, M the mixture without an anchor."""
    of_d, of_a = coefficients(lam)
    start = torch.tensor(stream(2, "start").normal(0, 1, (len(CONTEXTS), 4)))
    sets = [(COUNT_D, of_d), (COUNT_A, of_a)]
    groups = [
        dataclasses.replace(
            tree_group(counts, 2.0, "prompt", coefficient),
            loss="anchored",
            settings={"anchor": anchor},
            columns={"reference_logits": start[SLOTS]},
        )
        for counts, coefficient in sets
        if coefficient > 0
    ]
    laws = fitted(groups).numpy()
    for number, (x, prefix) in enumerate(CONTEXTS):
        mass = np.zeros(4)
        for counts, coefficient in sets:
            if counts[x].sum() and coefficient:
                prompts = (counts.sum(1) > 0).sum()
                for answer, n in zip(ANSWERS, counts[x], strict=True):
                    if answer[: len(prefix)] == prefix:
                        mass[answer[len(prefix)]] += coefficient * n / counts[x].sum() / prompts
        if mass.sum() == 0:
            continue
        mixture = mass / mass.sum()
        expected = (mixture + anchor * start[number].softmax(-1).numpy()) / (1 + anchor)
        assert laws[number] == pytest.approx(expected, abs=1e-6)
