"""Train ``nano-1`` from random weights and write its weights folder and model card."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from rsft_bench.harness.policies.nano_training.card import card
from rsft_bench.harness.policies.nano_training.measure import accuracy
from rsft_bench.harness.policies.nano_training.overlap import (
    Overlap,
    overlap,
    pretraining,
    suite_texts,
)
from rsft_bench.harness.policies.nano_training.train import (
    Progress,
    Recipe,
    Watch,
    phases,
    run_phase,
    save,
    train,
)

DEFAULT = Recipe()
PROBES = 400
logger = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The options."""
    p = argparse.ArgumentParser(prog="nano_training", description=__doc__)
    p.add_argument("--out", type=Path, required=True, help="folder of the weights")
    p.add_argument("--steps", type=int, default=DEFAULT.steps)
    p.add_argument("--goods-steps", type=int, default=DEFAULT.goods_steps)
    p.add_argument(
        "--second-phase-from",
        type=Path,
        metavar="DIR",
        help="run the second phase alone, from the first phase's weights folder and its log",
    )
    p.add_argument("--seed", type=int, default=DEFAULT.seed)
    p.add_argument("--minutes", type=float, help="stop early after this wall time (not repeatable)")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--name", default="nano-1", help="name on the card")
    p.add_argument("--checkpoints", type=Path, help="folder for intermediate weights")
    p.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="MODULE:OBJECT",
        help="a suite whose overlap with the text goes on the card",
    )
    p.add_argument(
        "--card-only",
        type=Path,
        metavar="LOG",
        help="train nothing: measure the weights in --out and write their card from this log",
    )
    return p


def _overlaps(suites: Sequence[str], recipe: Recipe) -> dict[str, Overlap]:
    """Overlap of each suite with all documents of both phases."""
    texts = dict(suite_texts(location) for location in suites)
    if not texts:
        return {}
    steps = {phase.purpose: phase.steps for phase in phases(recipe)}
    among = [text for found in texts.values() for text in found]
    corpus = pretraining(recipe.seed, steps, recipe.rows, among)
    found = {name: overlap(corpus, asked) for name, asked in texts.items()}
    for name, shares in found.items():
        logger.info("overlap %s: %s", name, shares)
    return found


def _write_card(
    out: Path, name: str, recipe: Recipe, history: Sequence[Progress], suites: Sequence[str]
) -> None:
    model = LlamaForCausalLM.from_pretrained(out, local_files_only=True)
    model.train(False)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out, local_files_only=True)
    skills = accuracy(model, tokenizer.backend_tokenizer, recipe.seed + 1, PROBES)
    logger.info("final: %s", skills)
    text = card(
        name,
        recipe,
        sum(p.numel() for p in model.parameters()),
        model.config.max_position_embeddings,
        history,
        PROBES,
        skills,
        _overlaps(suites, recipe),
    )
    (out / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def _second_phase(
    recipe: Recipe, args: argparse.Namespace
) -> tuple[LlamaForCausalLM, Tokenizer, list[Progress]]:
    """The second phase from stored weights of the first: what ``train`` does, in two sittings."""
    folder = args.second_phase_from
    model = LlamaForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    wrapped = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    stored = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    history = [Progress(**p) for p in stored["history"]]
    watch = Watch(args.checkpoints, args.minutes)
    tokenizer = wrapped.backend_tokenizer
    history += run_phase(model, tokenizer, recipe, phases(recipe)[1], watch, history[-1:])
    model.train(False)
    return model, tokenizer, history


def main(argv: Sequence[str] | None = None) -> int:
    """Train, save the weights, the log of the training and the model card."""
    args = parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    torch.set_num_threads(args.threads)
    log = cast(Path, args.card_only or args.out / "training.json")
    if args.card_only is None:
        recipe = replace(DEFAULT, steps=args.steps, seed=args.seed, goods_steps=args.goods_steps)
        if args.second_phase_from is None:
            model, tokenizer, history = train(recipe, args.checkpoints, args.minutes)
        else:
            model, tokenizer, history = _second_phase(recipe, args)
        save(model, tokenizer, args.out)
        stored = {"recipe": asdict(recipe), "history": [asdict(p) for p in history]}
        log.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    stored = json.loads(log.read_text(encoding="utf-8"))
    recipe = Recipe(**stored["recipe"])
    history = [Progress(**p) for p in stored["history"]]
    _write_card(args.out, args.name, recipe, history, args.suite)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
