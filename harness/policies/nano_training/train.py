"""The training loop: AdamW, warm-up, constant rate, linear decay; checkpoints on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from rsft_bench.harness.policies.nano_training.batches import Batch, batches
from rsft_bench.harness.policies.nano_training.measure import accuracy
from rsft_bench.harness.policies.nano_training.tokenizer import (
    CONTEXT,
    END,
    PAD,
    token_id,
    train_tokenizer,
    wrap,
)
from rsft_bench.harness.seeding import derive_seed

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the versions of the libraries, decides the weights."""

    seed: int = 1
    steps: int = 3600
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    intermediate: int = 352
    vocabulary: int = 1024
    rows: int = 32
    lr: float = 3e-3
    warmup: int = 100
    decay: float = 0.4
    weight_decay: float = 0.05
    tokenizer_documents: int = 6000
    goods_steps: int = 1600
    goods_lr: float = 2e-3


@dataclass(frozen=True)
class Progress:
    """State of a training after some step, for the log and the card."""

    step: int
    tokens: int
    loss: float
    seconds: float
    skills: dict[str, float]


def build_model(recipe: Recipe, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A model with random weights that depend on the seed only."""
    torch.manual_seed(derive_seed(recipe.seed, "nano init"))
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
        initializer_range=0.05,
    )
    model = LlamaForCausalLM(config)
    generation: Callable[..., GenerationConfig] = GenerationConfig
    model.generation_config = generation(eos_token_id=end, pad_token_id=pad)
    return model


@dataclass(frozen=True)
class Phase:
    """One stretch of training with its own text, optimizer and schedule.

    ``decay`` is the share of the steps over which the rate falls at the end.
    """

    purpose: str
    steps: int
    lr: float
    warmup: int
    decay: float

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, plateau, linear decay to a fiftieth."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.lr * max(0.02, min(1.0, left))


def phases(recipe: Recipe) -> tuple[Phase, Phase]:
    """General text first, then the same with trade in goods, from the weights of the first."""
    first = Phase("train", recipe.steps, recipe.lr, recipe.warmup, recipe.decay)
    return first, Phase("goods", recipe.goods_steps, recipe.goods_lr, recipe.warmup, 0.9)


def loss_of(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Weighted mean of the next-token losses, in nats; padding has weight 0."""
    weights = batch.weights[:, 1:]
    kept = weights > 0
    hidden = model.model(input_ids=batch.ids).last_hidden_state[:, :-1]
    logits = model.lm_head(hidden[kept])
    losses = torch.nn.functional.cross_entropy(logits, batch.ids[:, 1:][kept], reduction="none")
    return (losses * weights[kept]).sum() / weights.sum()


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a weights folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    wrap(tokenizer).save_pretrained(folder)


def train(
    recipe: Recipe,
    checkpoints: Path | None = None,
    minutes: float | None = None,
    every: int = 250,
    probes: int = 60,
) -> tuple[LlamaForCausalLM, Tokenizer, list[Progress]]:
    """Train from random weights.

    Args:
        recipe: What to train.
        checkpoints: Folder for ``<phase>-N`` weights folders, or None.
        minutes: Stop each phase early after this wall time. None: all steps, and the result
            depends on the recipe alone (one machine, one set of versions, one thread count).
        every: Steps between measurements of skill and checkpoints.
        probes: Prompts a skill.

    Returns:
        Model, tokenizer, and the progress at every measurement (the last is the final one).
    """
    tokenizer = train_tokenizer(recipe.seed, recipe.vocabulary, recipe.tokenizer_documents)
    model = build_model(recipe, tokenizer)
    logger.info("%s, %d parameters", asdict(recipe), sum(p.numel() for p in model.parameters()))
    history: list[Progress] = []
    for phase in phases(recipe):
        watch = Watch(checkpoints, minutes, every, probes)
        history += run_phase(model, tokenizer, recipe, phase, watch, history[-1:])
    model.train(False)
    return model, tokenizer, history


@dataclass(frozen=True)
class Watch:
    """How a phase is watched: checkpoint folder, time limit, and how often skill is measured."""

    checkpoints: Path | None = None
    minutes: float | None = None
    every: int = 250
    probes: int = 60


def run_phase(
    model: LlamaForCausalLM,
    tokenizer: Tokenizer,
    recipe: Recipe,
    phase: Phase,
    watch: Watch,
    before: Sequence[Progress] = (),
) -> list[Progress]:
    """Train ``model`` in place for one phase with a fresh optimizer.

    ``before`` holds the last progress of the phase before, to count on from.
    """
    started = time.monotonic()
    step0, tokens, seconds0 = (
        (before[-1].step, before[-1].tokens, before[-1].seconds) if before else (0, 0, 0.0)
    )
    optimizer = _optimizer(model, recipe, phase.lr)
    history: list[Progress] = []
    smooth = float("nan")
    source = batches(tokenizer, recipe.seed, phase.steps, recipe.rows, phase.purpose)
    model.train()
    for step, batch in enumerate(source):
        for group in optimizer.param_groups:
            group["lr"] = phase.rate(step)
        now = _step(model, optimizer, batch)
        tokens += batch.tokens
        smooth = now if step == 0 else 0.98 * smooth + 0.02 * now
        elapsed = time.monotonic() - started
        late = watch.minutes is not None and elapsed > 60 * watch.minutes
        if late or (step + 1) % watch.every == 0 or step + 1 == phase.steps:
            model.train(False)
            skills = accuracy(model, tokenizer, recipe.seed, watch.probes)
            model.train()
            seconds = seconds0 + time.monotonic() - started
            at = Progress(step0 + step + 1, tokens, smooth, seconds, skills)
            logger.info("%s", at)
            history.append(at)
            if watch.checkpoints is not None:
                save(model, tokenizer, watch.checkpoints / f"{phase.purpose}-{step + 1}")
        if late:
            break
    return history


def _optimizer(model: LlamaForCausalLM, recipe: Recipe, lr: float) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), fused=True)


def _step(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    loss = loss_of(model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()
