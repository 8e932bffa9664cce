"""The trainer: determinism, unbiased steps, no length weighting, and what it refuses."""

from __future__ import annotations

import dataclasses
import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.training import placement
from rsft_bench.harness.training.batches import encode_rows, grouped
from rsft_bench.harness.training.fit import fit, learning_rate, step_loss
from rsft_bench.harness.training.forwards import ModelForward, forward_for
from rsft_bench.harness.training.order import row_order
from rsft_bench.harness.training.sharing import step_groups
from rsft_bench.harness.types import Budget, TrainRow, WeightedSet

BUDGET = Budget(steps=6, batch=3, lr=1e-2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def row(example_id: str, question: str, answer: str, weight: float = 0.01) -> TrainRow:
    prompt = f"Policy: none\nRecord: none found\nCustomer: {question}\nAgent:"
    return TrainRow(example_id, prompt, answer, weight)


D = WeightedSet(
    "D",
    (
        row("a", "Where is my order?", "It has shipped.", 0.02),
        row("b", "Can I return the scarf, please?", "Yes.", 0.05),
        row("b", "Can I return the scarf, please?", "You can return it within 30 days.", 0.01),
        row("c", "Hi", "Which order is this about? Please send me the number.", 0.03),
        row("d", "Is it late?", "No, it is on its way with Posten.", 0.02),
    ),
    1.0,
    "train-D",
)
A = WeightedSet(
    "A",
    (
        row("a", "Where is my order?", "It has shipped with Posten.", 0.04),
        row("c", "Hi", "What is your order number?", 0.02),
    ),
    1.0,
    "train-A",
)


def scaled(item: WeightedSet, coefficient: float) -> WeightedSet:
    return dataclasses.replace(item, coefficient=coefficient)


def weights_of(lm: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in lm.model.named_parameters()}


def equal(a: Any, b: Any) -> bool:
    theirs = weights_of(b)
    return all(torch.equal(p, theirs[name]) for name, p in weights_of(a).items())


def test_second_call_gives_the_same_bits_and_leaves_the_start_alone(tiny_lm: Any) -> None:
    before = weights_of(tiny_lm)
    first = fit(tiny_lm, [scaled(D, 0.5), scaled(A, 0.5)], BUDGET, seed=3)
    second = fit(tiny_lm, [scaled(D, 0.5), scaled(A, 0.5)], BUDGET, seed=3)
    assert equal(first.lm, second.lm)
    assert (first.losses == second.losses).all()
    assert all(torch.equal(p, before[name]) for name, p in weights_of(tiny_lm).items())
    assert not equal(first.lm, tiny_lm)
    assert not equal(first.lm, fit(tiny_lm, [scaled(D, 0.5), scaled(A, 0.5)], BUDGET, seed=4).lm)


def test_lambda_zero_is_training_on_d_alone(tiny_lm: Any) -> None:
    alone = fit(tiny_lm, [D], BUDGET, seed=3)
    both = fit(tiny_lm, [D, scaled(A, 0.0)], BUDGET, seed=3)
    assert equal(alone.lm, both.lm)
    assert both.rows_seen == {"D": 18}


def test_loss_falls_and_counts_are_right(tiny_lm: Any) -> None:
    result = fit(tiny_lm, [D], Budget(steps=40, batch=5, lr=5e-3), seed=0)
    assert result.losses[-5:].mean() < 0.5 * result.losses[:5].mean()
    lengths = [item.inputs for item in encode_rows(tiny_lm, D.rows)[0]]
    assert result.tokens == 40 * sum(lengths)
    assert result.tokens_squared == 40 * sum(n * n for n in lengths)
    assert result.rows_seen == {"D": 200}
    assert result.rows_cut == 0
    assert result.wall_s > 0
    assert result.cpu_s > 0


def test_no_steps_is_the_start(tiny_lm: Any) -> None:
    result = fit(tiny_lm, [D], Budget(steps=0, batch=3, lr=1e-2), seed=0)
    assert equal(result.lm, tiny_lm)
    assert result.losses.shape == (0,)


def test_first_loss_is_the_weighted_sum_worked_by_hand(tiny_lm: Any) -> None:
    result = fit(tiny_lm, [scaled(D, 0.25), scaled(A, 0.75)], Budget(1, 3, 1e-9), seed=5)
    expected = 0.0
    for item, coefficient in ((D, 0.25), (A, 0.75)):
        for i in row_order(5, item.stream, len(item.rows), 3, 1)[0]:
            nll = nll_of(tiny_lm, item.rows[i])
            expected += coefficient * len(item.rows) / 3 * item.rows[i].weight * nll
    assert result.losses[0] == pytest.approx(expected, rel=1e-5)


def nll_of(lm: Any, item: TrainRow) -> float:
    """Summed NLL of answer and stop by transformers' own model."""
    prompt, answer = lm.encode_prompt(item.prompt), lm.encode_answer(item.completion)
    with torch.no_grad():
        logits = lm.model(input_ids=torch.tensor([prompt + answer])).logits[0]
    law = torch.log_softmax(logits[len(prompt) - 1 : -1], -1)
    return -float(law[torch.arange(len(answer)), torch.tensor(answer)].sum())


def gradient(lm: Any, item: WeightedSet, chosen: list[int], scale: float) -> torch.Tensor:
    """Gradient of scale * sum of w_i NLL_i over the chosen rows, flat."""
    encoded, _ = encode_rows(lm, item.rows)
    weights = [scale * item.rows[i].weight for i in chosen]
    step_loss(forward_for(lm.model), list(grouped([encoded[i] for i in chosen], weights, 1)))
    flat = torch.cat([p.grad.flatten() for p in lm.model.parameters()])
    lm.model.zero_grad()
    return flat


def test_expected_step_gradient_is_the_full_weighted_gradient(tiny_lm: Any) -> None:
    rows = len(D.rows)
    full = gradient(tiny_lm, D, list(range(rows)), 1.0)
    order = row_order(0, "train-D", rows, 3, rows)
    assert sorted(order.flatten()) == sorted(list(range(rows)) * 3)
    steps = [gradient(tiny_lm, D, [int(i) for i in step], rows / 3) for step in order]
    mean = torch.stack(steps).mean(0)
    assert float((mean - full).abs().max()) < 1e-5 * float(full.abs().max())


def test_grouping_by_length_does_not_weight_lengths(tiny_lm: Any) -> None:
    encoded, _ = encode_rows(tiny_lm, D.rows)
    weights = [item.weight for item in D.rows]
    forward = forward_for(tiny_lm.model)
    found = []
    for tokens in (1, 150, 10_000):
        step_loss(forward, list(grouped(encoded, weights, 1, tokens)))
        found.append(torch.cat([p.grad.flatten() for p in tiny_lm.model.parameters()]))
        tiny_lm.model.zero_grad()
    scale = float(found[0].abs().max())
    assert float((found[1] - found[0]).abs().max()) < 1e-5 * scale
    assert float((found[2] - found[0]).abs().max()) < 1e-5 * scale


def test_groups_hold_every_row_once_within_the_token_bound(tiny_lm: Any) -> None:
    encoded, _ = encode_rows(tiny_lm, D.rows)
    groups = list(grouped(encoded, [1.0] * len(encoded), 1, 150))
    assert sum(len(g.lengths) for g in groups) == len(encoded)
    assert sum(len(g.targets) for g in groups) == sum(
        len(tiny_lm.encode_answer(item.completion)) for item in D.rows
    )
    assert all(g.input_ids.numel() <= 150 or len(g.lengths) == 1 for g in groups)


def test_equal_sets_are_read_in_equal_order_whatever_the_steps() -> None:
    short = row_order(7, "train-D", 10, 4, 3)
    long = row_order(7, "train-D", 10, 4, 9)
    assert (long[:3] == short).all()
    assert (row_order(7, "train-D", 10, 8, 3).flatten()[:12] == short.flatten()).all()
    epochs = long.flatten()[:30].reshape(3, 10)
    assert (np.sort(epochs, axis=1) == np.arange(10)).all()
    assert not (epochs[0] == epochs[1]).all()
    assert row_order(7, "train-D", 2, 5, 4).shape == (4, 5)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    budget = Budget(steps=20, batch=1, lr=1.0, warmup=0.1)
    rates = [learning_rate(step, budget) for step in range(20)]
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.0, 17 / 18])
    assert rates[-1] == pytest.approx(1 / 18)
    assert learning_rate(20, budget) == 0.0


def test_schedules_worked_by_hand() -> None:
    budget = Budget(steps=10, batch=1, lr=2.0, warmup=0.2, schedule="cosine")
    assert [learning_rate(step, budget) for step in (0, 1, 2, 4, 6, 8)] == pytest.approx(
        [1.0, 2.0, 2.0, 1 + math.sqrt(0.5), 1.0, 1 - math.sqrt(0.5)]
    )
    assert learning_rate(10, budget) == pytest.approx(0.0)
    constant = dataclasses.replace(budget, schedule="constant")
    assert [learning_rate(step, constant) for step in (0, 1, 2, 9)] == [1.0, 2.0, 2.0, 2.0]


def test_the_schedule_reaches_the_optimizer(tiny_lm: Any) -> None:
    """With every step at the same rate more is learnt than on the way down to 0."""
    budget = Budget(steps=20, batch=5, lr=1e-3)
    fits = [
        fit(tiny_lm, [D], dataclasses.replace(budget, schedule=name), seed=0)
        for name in ("linear", "constant", "cosine")
    ]
    assert fits[1].losses[-1] < min(fits[0].losses[-1], fits[2].losses[-1])
    assert not equal(fits[0].lm, fits[2].lm)


def test_shared_prompts_train_to_the_same_weights_with_fewer_tokens(tiny_lm: Any) -> None:
    """B's rows are drawn together at a batch of the whole set: their prompt is read once."""
    budget = Budget(steps=3, batch=5, lr=1e-3, share_prefix="auto")
    shared = fit(tiny_lm, [D], budget, seed=0)
    apart = fit(tiny_lm, [D], dataclasses.replace(budget, share_prefix="off"), seed=0)
    prompt = len(tiny_lm.encode_prompt(D.rows[1].prompt))
    assert apart.tokens - shared.tokens == 3 * prompt
    assert shared.losses == pytest.approx(apart.losses, rel=1e-4)
    theirs = weights_of(apart.lm)
    for name, p in weights_of(shared.lm).items():
        assert float((p - theirs[name]).abs().max()) < 1e-4, name


def test_prompts_are_shared_only_where_tokens_are_saved(tiny_lm: Any) -> None:
    encoded, _ = encode_rows(tiny_lm, [D.rows[0], D.rows[2], D.rows[3]])
    weights = [1.0] * 3
    assert all(g.tree is None for g in step_groups(encoded, weights, 1, share=True))
    both, _ = encode_rows(tiny_lm, D.rows[1:3])
    assert [g.tree is not None for g in step_groups(both, [1.0] * 2, 1, share=True)] == [True]
    assert all(g.tree is None for g in step_groups(both, [1.0] * 2, 1, share=False))


def test_a_prompt_s_answers_are_split_at_the_token_bound(tiny_lm: Any) -> None:
    encoded, _ = encode_rows(tiny_lm, [D.rows[1]] * 9)
    prompt = encoded[0].prompt_tokens
    bound = prompt + 4 * (encoded[0].inputs - prompt)
    groups = step_groups(encoded, [1.0] * 9, 1, share=True, tokens=bound)
    assert [int(n) for g in groups for n in g.lengths] == [bound, bound, encoded[0].inputs]


def test_a_cuda_device_that_is_not_there_is_one_clear_line(
    tiny_lm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"training\.device = 'cuda'.*'cpu'"):
        fit(tiny_lm, [D], dataclasses.replace(BUDGET, device="cuda"), seed=0)


def test_accelerate_that_is_not_installed_names_the_extra(
    tiny_lm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(UserError, match=r"rsft-bench\[gpu\]"):
        fit(tiny_lm, [D], dataclasses.replace(BUDGET, accelerate=True), seed=0)


def test_accelerate_in_one_process_gives_the_plain_loop_s_weights(
    tiny_lm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At an equal forward; AdamW makes rounding of gradients near 0 visible in the weights."""
    pytest.importorskip("accelerate", reason="accelerate is not installed: extra `gpu`")
    budget = dataclasses.replace(BUDGET, accelerate=True)
    placed = fit(tiny_lm, [D, A], budget, seed=0)
    assert placed.losses == pytest.approx(fit(tiny_lm, [D, A], BUDGET, seed=0).losses, rel=1e-5)
    monkeypatch.setattr(placement, "forward_for", ModelForward)
    plain = fit(tiny_lm, [D, A], BUDGET, seed=0)
    theirs = weights_of(plain.lm)
    for name, p in weights_of(placed.lm).items():
        assert float((p - theirs[name]).abs().max()) < 1e-6, name


TWO = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from conftest import tiny_llama
from safetensors.torch import save_file
from test_training import A, D, BUDGET, dataclasses, fit
lm = tiny_llama()
done = fit(lm, [D, A], dataclasses.replace(BUDGET, accelerate=True), seed=0)
weights = {name: p.detach() for name, p in done.lm.model.named_parameters()}
save_file({**weights, "losses": torch.from_numpy(done.losses)}, sys.argv[2])
"""


def test_accelerate_in_two_processes_takes_the_same_steps(tiny_lm: Any, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed: extra `gpu`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    shared = {
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"},
        **{"ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"},
        "PYTHONPATH": f"{here}{os.pathsep}{here.parent}",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, str(here.parent), str(tmp_path / rank)],
            env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    ours, theirs = (load_file(tmp_path / rank) for rank in ("0", "1"))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    plain = fit(tiny_lm, [D, A], BUDGET, seed=0)
    assert ours["losses"].tolist() == pytest.approx(plain.losses, rel=1e-4)
    assert abs(float(ours["losses"][-1] / ours["losses"][0]) - 1) > 0.02


@pytest.mark.gpu
def test_a_fit_on_a_gpu_comes_back_to_the_cpu(tiny_lm: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device: only one can check this")
    plain = fit(tiny_lm, [D], BUDGET, seed=0)
    placed = fit(tiny_lm, [D], dataclasses.replace(BUDGET, device="cuda"), seed=0)
    assert placed.losses == pytest.approx(plain.losses, rel=1e-3)
    assert {p.device.type for p in placed.lm.model.parameters()} == {"cpu"}


def test_coefficients_move_the_result_between_the_two_sets(tiny_lm: Any) -> None:
    budget = Budget(steps=40, batch=2, lr=5e-3)
    answer = A.rows[0]
    only_a = fit(tiny_lm, [A], budget, seed=0)
    mixed = fit(tiny_lm, [scaled(D, 0.5), scaled(A, 0.5)], budget, seed=0)
    only_d = fit(tiny_lm, [D], budget, seed=0)
    nlls = [nll_of(result.lm, answer) for result in (only_a, mixed, only_d)]
    assert nlls[0] < nlls[1] < nlls[2]


@pytest.mark.parametrize(
    "sets",
    [
        [],
        [scaled(D, 0.0)],
        [WeightedSet("D", (), 1.0, "train-D")],
        [scaled(D, -1.0)],
        [scaled(D, math.inf)],
        [D, D],
        [WeightedSet("D", (row("a", "Hi", "Yes.", math.nan),), 1.0, "train-D")],
        [WeightedSet("D", (row("a", "Hi", "Yes.", -0.1),), 1.0, "train-D")],
    ],
)
def test_unusable_sets_are_refused(tiny_lm: Any, sets: list[WeightedSet]) -> None:
    with pytest.raises(ValueError, match=r"set|coefficient"):
        fit(tiny_lm, sets, BUDGET, seed=0)


@pytest.mark.parametrize(
    "budget",
    [
        Budget(3, 3, 1e-2, save_every=-1),
        Budget(-1, 3, 1e-2),
        Budget(3, 0, 1e-2),
        Budget(3, 3, 0.0),
        Budget(3, 3, 1e-2, 2.0),
    ],
)
def test_unusable_budgets_are_refused(tiny_lm: Any, budget: Budget) -> None:
    with pytest.raises(ValueError, match=r"budget|warmup"):
        fit(tiny_lm, [D], budget, seed=0)


class NoRoom:
    """A language model whose prompts fill the whole context, or leave ``room`` tokens."""

    def __init__(self, lm: Any, room: int) -> None:
        self.context = 40
        self.encode_prompt = lambda prompt: lm.encode_prompt(prompt)[: 40 - room]
        self.encode_answer = lm.encode_answer


def test_answers_cut_to_nothing_are_counted_and_refused(tiny_lm: Any) -> None:
    with pytest.raises(UserError, match=r"5 of 5 training rows have no answer token.*'a'"):
        encode_rows(NoRoom(tiny_lm, 0), D.rows)  # type: ignore[arg-type]


def test_cut_answers_are_counted(tiny_lm: Any) -> None:
    encoded, cut = encode_rows(NoRoom(tiny_lm, 5), D.rows)  # type: ignore[arg-type]
    assert [len(item.ids) - item.prompt_tokens for item in encoded] == [
        min(len(tiny_lm.encode_answer(item.completion)), 5) for item in D.rows
    ]
    assert cut == sum(len(tiny_lm.encode_answer(item.completion)) > 5 for item in D.rows)


def test_divergence_is_one_clear_line(tiny_lm: Any) -> None:
    huge = WeightedSet("D", (row("a", "Hi", "Yes.", 1e38),), 1.0, "train-D")
    with pytest.raises(UserError, match=r"diverged at step 1 of 6"):
        fit(tiny_lm, [huge], BUDGET, seed=0)
