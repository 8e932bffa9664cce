"""The trainer with every loss: determinism, resuming, counted reference passes, what is refused."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rsft_bench.harness.training import fit as fit_module
from rsft_bench.harness.training import placement
from rsft_bench.harness.training.batches import encode_rows
from rsft_bench.harness.training.fit import FitResult, fit
from rsft_bench.harness.training.forwards import ModelForward
from rsft_bench.harness.training.order import row_order
from rsft_bench.harness.types import Budget, TrainRow, WeightedSet

BUDGET = Budget(steps=5, batch=2, lr=1e-2, schedule="constant", warmup=0.0)
PROMPT = "Record: {}\nCustomer: where is it?\nAgent:"
ROWS = tuple(
    TrainRow(str(i), PROMPT.format(i), text, 0.05 + 0.01 * i, other, accepted, rate)
    for i, (text, other, accepted, rate) in enumerate(
        [
            ("It has shipped.", "No.", True, 0.5),
            ("Yes, within 30 days of delivery.", "Maybe?", False, 0.5),
            ("Please send the number.", "Please wait, it is late.", True, 1.0),
        ]
    )
)
D = WeightedSet("D", tuple(dataclasses.replace(r, other=None) for r in ROWS[1:]), 0.5, "train-D")
SETS: dict[str, list[WeightedSet]] = {
    name: [D, WeightedSet("A", ROWS, 1.0, "train-A", name, settings)]
    for name, settings in {
        "unlikelihood": {"floor": 0.01},
        "nft": {"epsilon": 1.0},
        "preference": {"beta": 0.3},
    }.items()
}
ANCHORED = {"loss": "anchored", "settings": {"anchor": 0.7}}
SETS["anchored"] = [
    dataclasses.replace(D, **ANCHORED),  # type: ignore[arg-type]
    WeightedSet("A", ROWS, 1.0, "train-A", **ANCHORED),  # type: ignore[arg-type]
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def same(a: FitResult, b: FitResult) -> bool:
    pairs = zip(a.lm.model.parameters(), b.lm.model.parameters(), strict=True)
    counts = ("tokens", "tokens_squared", "reference_tokens", "reference_tokens_squared")
    return (
        (a.losses == b.losses).all()
        and all(torch.equal(p, q) for p, q in pairs)
        and all(getattr(a, name) == getattr(b, name) for name in counts)
    )


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_fit_repeats_and_resumes_bit_for_bit(
    tiny_lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The reference of a resumed fit is the start again, not the state it goes on from."""
    whole = fit(tiny_lm, SETS[name], BUDGET, 3)
    budget = dataclasses.replace(BUDGET, save_every=2)
    calls: list[int] = []
    plain = fit_module.step_loss

    def interrupted(forward: Any, groups: Any) -> float:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(forward, groups)

    monkeypatch.setattr(fit_module, "step_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_lm, SETS[name], budget, 3, partial=tmp_path)
    resumed = fit(tiny_lm, SETS[name], budget, 3, partial=tmp_path)
    # Steps 1 to 4 before, 3 to 5 after: a state was written after step 2.
    assert len(calls) == 7
    assert same(resumed, whole)
    assert not same(fit(tiny_lm, SETS[name], BUDGET, 4), whole)


def test_a_state_of_another_setting_is_not_taken_up(tiny_lm: Any, tmp_path: Path) -> None:
    budget = dataclasses.replace(BUDGET, save_every=1)
    first = fit(tiny_lm, SETS["preference"], budget, 3, partial=tmp_path)
    other = dataclasses.replace(SETS["preference"][1], settings={"beta": 2.0})
    again = fit(tiny_lm, [D, other], budget, 3, partial=tmp_path)
    assert not same(first, again)
    assert same(again, fit(tiny_lm, [D, other], BUDGET, 3))


def test_reference_passes_are_counted(tiny_lm: Any) -> None:
    """Once for every row that is drawn, both answers of a pair; with every step for an anchor."""
    assert fit(tiny_lm, SETS["unlikelihood"], BUDGET, 3).reference_tokens == 0
    chosen = [row.inputs for row in encode_rows(tiny_lm, ROWS)[0]]
    others = [dataclasses.replace(row, completion=str(row.other)) for row in ROWS]
    worse = [row.inputs for row in encode_rows(tiny_lm, others)[0]]
    assert set(row_order(3, "train-A", 3, 2, 5).flat) == {0, 1, 2}
    assert fit(tiny_lm, SETS["nft"], BUDGET, 3).reference_tokens == sum(chosen)
    pairs = fit(tiny_lm, SETS["preference"], BUDGET, 3)
    assert pairs.reference_tokens == sum(chosen) + sum(worse)
    assert pairs.reference_tokens_squared == sum(n * n for n in chosen + worse)
    anchored = fit(tiny_lm, SETS["anchored"], BUDGET, 3)
    assert anchored.reference_tokens == anchored.tokens
    assert anchored.reference_tokens_squared == anchored.tokens_squared
    # One step draws two rows of three.
    one = fit(tiny_lm, SETS["nft"], dataclasses.replace(BUDGET, steps=1), 3)
    assert one.reference_tokens == sum(chosen[i] for i in row_order(3, "train-A", 3, 2, 1)[0])


def test_first_losses_are_those_of_a_model_that_is_its_own_reference(tiny_lm: Any) -> None:
    """log 2 a pair, no divergence, ratios of 1: what is left can be worked by hand."""
    alone = [dataclasses.replace(SETS["preference"][1], coefficient=2.0)]
    weights = [ROWS[i].weight for i in row_order(3, "train-A", 3, 2, 1)[0]]
    first = fit(tiny_lm, alone, BUDGET, 3).losses[0]
    assert first == pytest.approx(2.0 * 3 / 2 * sum(weights) * math.log(2), rel=1e-5)
    assert fit(tiny_lm, SETS["nft"][1:], BUDGET, 3).losses[0] == pytest.approx(0, abs=1e-6)
    plain = [dataclasses.replace(s, loss="likelihood", settings={}) for s in SETS["anchored"]]
    start = fit(tiny_lm, plain, BUDGET, 3).losses[0]
    assert fit(tiny_lm, SETS["anchored"], BUDGET, 3).losses[0] == pytest.approx(start, rel=1e-5)


def logprob(lm: Any, prompt: str, answer: str) -> float:
    ids, own = lm.encode_prompt(prompt), lm.encode_answer(answer)
    with torch.no_grad():
        logits = lm.model(input_ids=torch.tensor([ids + own])).logits[0]
    laws = torch.log_softmax(logits[len(ids) - 1 : -1], -1)
    return float(laws[torch.arange(len(own)), torch.tensor(own)].sum())


def test_every_loss_moves_answers_the_way_it_says(tiny_lm: Any) -> None:
    budget = dataclasses.replace(BUDGET, steps=30, batch=3)
    before = [logprob(tiny_lm, row.prompt, row.completion) for row in ROWS]
    pairs = fit(tiny_lm, SETS["preference"][1:], budget, 0).lm
    for row in ROWS:
        ours = logprob(pairs, row.prompt, row.completion) - logprob(
            pairs, row.prompt, str(row.other)
        )
        start = logprob(tiny_lm, row.prompt, row.completion)
        assert ours > start - logprob(tiny_lm, row.prompt, str(row.other)) + 1
    away = fit(tiny_lm, SETS["unlikelihood"][1:], budget, 0).lm
    assert all(
        logprob(away, row.prompt, row.completion) < was
        for row, was in zip(ROWS, before, strict=True)
    )
    both = fit(tiny_lm, SETS["nft"][1:], budget, 0).lm
    moved = [
        logprob(both, row.prompt, row.completion) - was
        for row, was in zip(ROWS, before, strict=True)
    ]
    assert moved[0] > 1
    assert moved[1] < moved[0]
    assert moved[2] > 1


def test_a_strong_anchor_keeps_the_start(tiny_lm: Any) -> None:
    budget = dataclasses.replace(BUDGET, steps=40, lr=3e-3)
    drift = {}
    for a in (0.01, 100.0):
        held = [dataclasses.replace(s, settings={"anchor": a}) for s in SETS["anchored"]]
        lm = fit(tiny_lm, held, budget, 0).lm
        drift[a] = sum(
            abs(logprob(lm, r.prompt, r.completion) - logprob(tiny_lm, r.prompt, r.completion))
            for r in ROWS
        )
    assert drift[100.0] < 0.2 * drift[0.01]


def test_shared_prompts_have_the_anchored_losses_of_rows_apart(tiny_lm: Any) -> None:
    rows = tuple(dataclasses.replace(row, prompt=PROMPT.format("one")) for row in ROWS)
    sets = [dataclasses.replace(SETS["anchored"][1], rows=rows)]
    budget = dataclasses.replace(BUDGET, batch=3, lr=1e-3)
    apart = fit(tiny_lm, sets, budget, 0)
    shared = fit(tiny_lm, sets, dataclasses.replace(budget, share_prefix="auto"), 0)
    assert shared.reference_tokens == shared.tokens < apart.tokens
    assert shared.losses == pytest.approx(apart.losses, rel=1e-4)


@pytest.mark.parametrize("name", sorted(SETS))
def test_accelerate_in_one_process_takes_the_plain_loop_s_steps(
    tiny_lm: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """At an equal forward, the reference's included."""
    pytest.importorskip("accelerate", reason="accelerate is not installed: extra `gpu`")
    placed = fit(tiny_lm, SETS[name], dataclasses.replace(BUDGET, accelerate=True), 0)
    monkeypatch.setattr(placement, "forward_for", ModelForward)
    plain = fit(tiny_lm, SETS[name], BUDGET, 0)
    assert placed.losses == pytest.approx(plain.losses, rel=1e-5, abs=1e-6)
    assert placed.reference_tokens == plain.reference_tokens


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "hinge", "settings": {}},
        {"loss": "preference", "settings": {}},
        {"loss": "likelihood", "settings": {"beta": 0.1}},
        {"loss": "preference", "settings": {"beta": 0.0}},
        {"loss": "preference", "settings": {"beta": math.inf}},
        {"loss": "preference", "settings": {"beta": 0.1}, "rows": D.rows},
        {
            "loss": "nft",
            "settings": {"epsilon": 1.0},
            "rows": (dataclasses.replace(ROWS[1], rate=1.0),),
        },
    ],
)
def test_a_set_that_lacks_what_its_loss_reads_is_refused(
    tiny_lm: Any, change: dict[str, Any]
) -> None:
    broken = dataclasses.replace(SETS["preference"][1], **change)
    with pytest.raises(ValueError, match="training set 'A'"):
        fit(tiny_lm, [broken], BUDGET, 0)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_dpo_is_that_of_trl(tiny_lm: Any, tmp_path: Path) -> None:
    """The loss of the second step, when the model has left its reference, as TRL computes it."""
    trl = pytest.importorskip("trl", reason="trl is not installed: extra `bench`")
    from datasets import Dataset

    rows = tuple(dataclasses.replace(row, weight=1 / len(ROWS)) for row in ROWS)
    pairs = [WeightedSet("A", rows, 1.0, "train-A", "preference", {"beta": 0.3})]
    budget = dataclasses.replace(BUDGET, batch=3, steps=2)
    ours = fit(tiny_lm, pairs, budget, 0).losses[1]
    moved = fit(tiny_lm, pairs, dataclasses.replace(budget, steps=1), 0).lm
    trainer = trl.DPOTrainer(
        model=moved.model,
        ref_model=copy.deepcopy(tiny_lm.model),
        args=trl.DPOConfig(
            output_dir=str(tmp_path),
            beta=0.3,
            per_device_train_batch_size=3,
            max_length=tiny_lm.context,
            bf16=False,
            fp16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(
            [
                {"prompt": r.prompt, "chosen": f" {r.completion}", "rejected": f" {r.other}"}
                for r in rows
            ]
        ),
        processing_class=copy.deepcopy(tiny_lm.tokenizer),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        theirs = float(trainer.compute_loss(trainer.model, batch))
    assert abs(theirs - math.log(2)) > 0.05
    assert ours == pytest.approx(theirs, rel=1e-4)
