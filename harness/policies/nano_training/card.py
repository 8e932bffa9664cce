"""The model card of a trained policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rsft_bench.harness.policies.nano_training.domains import DOMAINS
from rsft_bench.harness.policies.nano_training.overlap import Overlap
from rsft_bench.harness.policies.nano_training.shop import SHOP
from rsft_bench.harness.policies.nano_training.train import Phase, Progress, Recipe, phases

_CARD = """\
# {name}

A Llama-architecture language model of {parameters:,} parameters ({hidden} wide, {layers} layers,
{heads} heads, tied embeddings, float32, context {context}), trained from random weights on
generated customer-service text. It is the shipped policy of rsft-bench: small enough that a
whole benchmark runs on a laptop, and able to copy facts from its prompt, so that it is a fair
start for fine-tuning.

- Licence: Apache-2.0, weights and generated data alike.
- Tokenizer: byte-level BPE, {vocabulary} tokens, every digit a token of its own.
- Data: {documents:,} documents by the generators in `harness/policies/nano_training/`, seed {seed}:
  dialogues in the suites' prompt form, with made-up names, ids, dates, amounts and a share of
  made-up nouns and keys; drills of copying, of comparing two numbers and of common words. No text
  was taken from elsewhere. About a tenth of the answers are terse, wrong or rude on purpose.
  - Phase one has {general} domains: hotel, gym, library, telephone and internet, bank card, event
    ticket, energy, insurance, medical appointment, car rental, course, device repair, train
    journey. Words of shops occur in word-list drills only.
  - Phase two goes on with these and adds trade in goods ({shop} more domains, orders and purchases,
    with answers that hold several facts or name what is given in place of a refused wish), so that
    the words of a shop mean something. Its wordings and names are its own, see the overlap below.
- Training: {steps:,} steps of {rows} documents, {tokens:,} tokens, AdamW with linear warm-up and
  decay, started afresh in each phase: {schedule[0]},
  then {schedule[1]}{early}.
  {minutes:.0f} minutes on two threads of a busy two-core machine.
- Final training loss (answers weighted 1, contexts 0.15): {loss:.3f} nats a token.
- Command:
  `{command}`.
  The text depends on the seed alone; the arithmetic also on machine, versions and thread count, so
  that another machine ends with other weights of like quality.

## What it can do

Greedy answers to {probes} single-turn prompts a row, domains of phase one, entities unseen in
training.

| Skill | Accuracy |
| --- | --- |
| copying (a field, a policy number, a team, the missing id's name) | {copy:.3f} |
| copying, fields of the record only | {record:.3f} |
| decisions (number against limit, status or condition against rule; chance 0.5) | {decision:.3f} |

## During training

Phase two begins after step {first:,}.

| Step | Tokens | Loss | Copying | Record | Decisions |
| --- | --- | --- | --- | --- | --- |
{history}

## Overlap with the suites

Test prompts and reference answers against all {documents:,} documents; numbers, ids and names
masked. Near-duplicates: a line of eight or more words with Jaccard >= 0.5 over masked
word trigrams. Both shares are to be at most 1 %.

| Suite | Texts | With a shared masked 8-gram | Near-duplicates |
| --- | --- | --- | --- |
{overlap}

## Limits

English only. It knows nothing about the world; answers outside the shape of its prompts are noise.
It copies the numbers of a rule and of a record more surely than it compares them: read the row of
decisions above against chance. It imitates rude and wrong answers at the rate of its data. Runs on
different versions of these weights are not comparable; later models stand beside this one under new
names. Not for talking to real customers.
"""

_COMMAND = (
    "python -m rsft_bench.harness.policies.nano_training --out DIR --steps {steps} "
    "--goods-steps {goods_steps} --seed {seed}"
)


def _stretch(phase: Phase) -> str:
    return (
        f"{phase.steps:,} steps at a peak rate of {phase.lr:g}, falling over the last "
        f"{phase.decay:.0%}"
    )


def _early(recipe: Recipe, last: Progress) -> str:
    planned = sum(phase.steps for phase in phases(recipe))
    return "" if last.step == planned else f"; stopped early at step {last.step:,}"


def card(
    name: str,
    recipe: Recipe,
    parameters: int,
    context: int,
    history: Sequence[Progress],
    probes: int,
    skills: Mapping[str, float],
    overlaps: Mapping[str, Overlap] | None = None,
) -> str:
    """Markdown of a model card.

    Args:
        name: Name and version of the policy.
        recipe: What was trained.
        parameters: Number of weights.
        context: Most tokens of a prompt and its answer.
        history: Progress of the training, the last entry being the end.
        probes: Prompts behind each entry of ``skills``.
        skills: Final accuracies, see ``measure.accuracy``.
        overlaps: By suite; None or empty: not measured.
    """
    last = history[-1]
    first, second = phases(recipe)
    rows = "\n".join(
        f"| {p.step} | {p.tokens:,} | {p.loss:.3f} | {p.skills['copy']:.2f} | "
        f"{p.skills['record']:.2f} | {p.skills['decision']:.2f} |"
        for p in history
    )
    shares = "\n".join(
        f"| {suite} | {o.texts:,} | {o.shared:.4f} | {o.near_duplicates:.4f} |"
        for suite, o in (overlaps or {}).items()
    )
    return _CARD.format(
        name=name, parameters=parameters, hidden=recipe.hidden, layers=recipe.layers,
        heads=recipe.heads, context=context, vocabulary=recipe.vocabulary,
        documents=last.step * recipe.rows, seed=recipe.seed, steps=last.step, rows=recipe.rows,
        tokens=last.tokens, minutes=last.seconds / 60, first=first.steps,
        general=len(DOMAINS), shop=len(SHOP),
        schedule=(_stretch(first), _stretch(second)), early=_early(recipe, last),
        command=_COMMAND.format(**asdict(recipe)),
        loss=last.loss, probes=probes, copy=skills["copy"], record=skills["record"],
        decision=skills["decision"], history=rows,
        overlap=shares or "| not measured | | | |",
    )  # fmt: skip
