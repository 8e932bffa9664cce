"""Suite ``ecommerce_faq``: a question, a few articles of a shop's FAQ, an answer or "I don't know".

The data is read from a folder that the user names and is never shipped; no licence is stated.
Upstream has question-answer pairs only. A prompt lists the question's article among others of the
same split, or only others: then, and for upstream's own unanswerable questions, the right answer
says that it is not known. Weak gold: content words of the article, invented numbers, a refusal by
lexicon; see ``word_overlap``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import Example, Json, Judgement
from rsft_bench.tasks import real_suite
from rsft_bench.tasks.near_duplicates import groups, words
from rsft_bench.tasks.reading import need, read_json
from rsft_bench.tasks.real_placing import Corpus, Item, place
from rsft_bench.tasks.word_overlap import content, f1, numbers, repeats_form, unknown

WHO = "suite ecommerce_faq"
REFUSAL = "I am sorry, I do not know the answer to that."
#: Articles beside the right one; prompts an article; which of these prompts withhold it.
OTHERS, VARIANTS, WITHHELD = 4, 8, (0,)
PASS = 0.6
#: Questions that share this much of their words may have the same answer.
AKIN = 0.5


def read(settings: Mapping[str, Json], files: Sequence[Path]) -> Corpus:
    """Pairs of all files, each question once.

    Raises:
        DataError: a file is not what it claims.
    """
    skipped: Counter[str] = Counter()
    pairs: dict[str, str] = {}
    records = 0
    for file in files:
        for number, pair in enumerate(need(read_json(file, WHO), "questions", list, str(file))):
            where = f"{file}: question {number}"
            question, answer = (
                " ".join(need(pair, key, str, where).split()) for key in ("question", "answer")
            )
            records += 1
            if not question or not answer:
                skipped["no question or no answer"] += 1
            elif question in pairs:
                skipped["same question again"] += 1
            else:
                pairs[question] = answer
    if not pairs:
        raise DataError(f"{files[0]}: no question with an answer")
    items = _items(pairs, skipped)
    refused = sum(unknown(a) for a in pairs.values())
    return Corpus(items, len(files), records, skipped, {"unanswerable_questions": refused})


def _items(pairs: Mapping[str, str], skipped: Counter[str]) -> tuple[Item, ...]:
    """``VARIANTS`` prompts an answerable question, one for each of the others."""
    questions = list(pairs)
    first = groups([f"{q} {a}" if not unknown(a) else q for q, a in pairs.items()])
    stubs = [
        Item(q, "train", f"q/{questions[at]}", "", "", (pairs[q],), {})
        for q, at in zip(questions, first, strict=True)
    ]
    placed, _ = place(WHO, stubs)
    refusal = next((a for a in pairs.values() if unknown(a)), REFUSAL)
    found = []
    for stub in (s for found_here in placed.values() for s in found_here):
        beside = next(here for here in placed.values() if stub in here)
        known = not unknown(stub.references[0])
        apart = [s for s in beside if not unknown(s.references[0]) and not _akin(s.name, stub.name)]
        if len(apart) < 2:
            skipped["no other articles in its split"] += 1
            continue
        for variant in range(VARIANTS if known else 1):
            found.append(_prompt(stub, apart, variant, known, refusal))
    return tuple(found)


def _akin(one: str, other: str) -> bool:
    a, b = set(words(one)), set(words(other))
    return len(a & b) >= AKIN * len(a | b)


def _prompt(stub: Item, apart: Sequence[Item], variant: int, known: bool, refusal: str) -> Item:
    rng = stream(0, "faq-articles", stub.name, variant)
    shown = [apart[int(i)].references[0] for i in rng.permutation(len(apart))[:OTHERS]]
    answerable = known and variant not in WITHHELD
    if answerable:
        shown.insert(int(rng.integers(len(shown) + 1)), stub.references[0])
    answer = stub.references[0] if answerable else refusal
    stratum = "answerable" if answerable else "withheld" if known else "unknown"
    return replace(
        stub,
        name=f"{stub.name}/{variant}",
        stratum=stratum,
        prompt=f"Policy: {' '.join(shown)}\nCustomer: {stub.name}\nAgent:",
        references=(answer,),
        facts={"article": answer if answerable else None, "shown": shown},
        wrong=() if answerable else (shown[0],),
    )


def judge(example: Example, text: str) -> Judgement:
    """Gold: F1 of content words with the article, halved where a number is made up.

    0 for a refusal where the article is there, for a copy of the prompt's form and for empty text;
    it passes at ``PASS`` without a made-up number. Without the article: 1 for a refusal that
    repeats no article (F1 below .3 with each), else 0. Parts: ``similarity``, ``refused``,
    ``harm_invented`` (a number that no article shown has).
    """
    article, shown = example.facts["article"], example.facts["shown"]
    said, refused = content(text), unknown(text)
    form = repeats_form(text) or not said
    if article is None:
        close = max(f1(said, content(s)) for s in shown)
        right = float(refused and not form and close < 0.3)
        return Judgement(right, right == 1.0, _parts(float("nan"), refused, 0.0))
    similar = f1(said, content(article))
    invented = float(bool(numbers(text) - numbers(" ".join((*shown, example.prompt)))))
    gold = 0.0 if form or refused else similar * (1 - 0.5 * invented)
    return Judgement(gold, gold >= PASS and not invented, _parts(similar, refused, invented))


def _parts(similar: float, refused: bool, invented: float) -> dict[str, float]:
    return {"similarity": similar, "refused": float(refused), "harm_invented": invented}


ECOMMERCE_FAQ = real_suite.RealSuite(
    name="ecommerce_faq",
    version="1",
    licence="LicenseRef-none-stated",
    attribution=(
        "E-commerce FAQ, deepshamenghani/finetuned_chatbot; no licence is stated: for tests and "
        "measurements only"
    ),
    gold_kind="weak: content words of the article, refusal by lexicon",
    patterns=("*FAQ*.json", "*faq*.json"),
    options=real_suite.options("folder with *FAQ*.json", real_suite.QUALITIES),
    metrics=("similarity", "refused", "harm_invented"),
    code=(
        *real_suite.CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("ecommerce_faq", "near_duplicates", "word_overlap")),
    ),
    read=read,
    judged=judge,
)
