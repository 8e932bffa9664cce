"""The generators, the tokenizer, the training loop and the shipped weights of ``nano-1``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from rsft_bench.harness.policies import nano_training
from rsft_bench.harness.policies.nano_training import batches, measure, shop, train
from rsft_bench.harness.policies.nano_training.card import card
from rsft_bench.harness.policies.nano_training.document import Document
from rsft_bench.harness.policies.nano_training.draw import Draw, identifier, typo
from rsft_bench.harness.policies.nano_training.overlap import (
    Corpus,
    Overlap,
    grams,
    lines,
    masked,
    overlap,
    pretraining,
    shingles,
)
from rsft_bench.harness.policies.nano_training.text import (
    DRILL_SHARE,
    GOODS,
    WRITERS,
    document,
    group,
    probe,
    trained_on,
)
from rsft_bench.harness.policies.nano_training.tokenizer import END, train_tokenizer, wrap

SHIPPED = Path(nano_training.__file__).resolve().parents[1] / "nano_1"
MIB = 1 << 20
# Of the first 3,000 documents of phase two at seed 1. Other text calls for other weights.
GOODS_DIGEST = "32518ee5a456137ca18a997d9c026f7df0078faa34b0ef3560902ebaf88c97f2"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(seed=3, vocabulary=512, documents=300)


@pytest.fixture(scope="module")
def shipped() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    model = LlamaForCausalLM.from_pretrained(SHIPPED, local_files_only=True)
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(SHIPPED, local_files_only=True)


@pytest.mark.parametrize("purpose", ["train", "goods"])
def test_documents_depend_on_seed_purpose_and_index_only(purpose: str) -> None:
    first = [document(0, purpose, i, 0.2).text for i in range(50)]
    assert first == [document(0, purpose, i, 0.2).text for i in range(50)]
    assert not set(first) & {document(1, purpose, i, 0.2).text for i in range(50)}
    assert not set(first) & {document(0, "held-out", i, 0.2).text for i in range(50)}


def test_goods_documents_stay_what_the_shipped_weights_saw() -> None:
    texts = "\0".join(document(1, "goods", i, DRILL_SHARE["goods"]).text for i in range(3000))
    assert hashlib.sha256(texts.encode()).hexdigest() == GOODS_DIGEST


@pytest.mark.parametrize(("purpose", "writers"), [("train", WRITERS), ("goods", GOODS)])
def test_documents_are_varied_and_have_the_prompt_form(
    purpose: str, writers: Sequence[tuple[measure.Writer, float]]
) -> None:
    docs = [document(0, purpose, i) for i in range(3000)]
    assert len({d.text for d in docs}) == len(docs)
    assert len({d.answer for d in docs}) > 0.8 * len(docs)
    kinds = Counter(d.kind for d in docs)
    assert set(kinds) == {w.__name__ for w, _ in writers}
    assert all(d.prompt.endswith("Agent:") and d.answer == d.parts[-1][1:] for d in docs)
    assert all("{" not in d.text for d in docs)
    assert 0.03 < sum(d.flawed for d in docs) / len(docs) < 0.15


def test_trade_in_goods_belongs_to_phase_two() -> None:
    keys = tuple(f"Record: {d.key}:" for d in shop.SHOP)
    counts = {
        phase: sum(
            any(line.startswith(keys) for line in document(0, phase, i).text.splitlines())
            for i in range(1000)
        )
        for phase in ("train", "goods")
    }
    assert counts["train"] == 0
    # 60 % of the cases are goods, but not every document is a case with its id in front.
    assert 150 < counts["goods"] < 500


def test_answers_on_goods_hold_several_facts_of_the_record() -> None:
    docs = [probe(2, "goods", i, shop.gather) for i in range(300)]
    held = []
    for doc in docs:
        line = next(x for x in doc.prompt.splitlines() if x.startswith("Record: "))
        values = [entry.partition(": ")[2] for entry in line[len("Record: ") :].split("; ")]
        held.append(sum(measure.holds(doc.answer, v) for v in values))
    assert sum(n >= 2 for n in held) > 0.6 * len(held)
    assert sum(d.expected is not None for d in docs) > 0.5 * len(docs)
    assert all(measure.holds(d.answer, d.expected) for d in docs if d.expected is not None)


def test_a_refused_wish_gets_what_the_policy_names_instead() -> None:
    docs = [probe(2, "goods", i, shop.instead) for i in range(300)]
    named = [d.expected is not None and measure.holds(d.answer, d.expected) for d in docs]
    assert all(d.expected is not None and d.expected in d.prompt.lower() for d in docs)
    # The rest is spoilt on purpose.
    assert 1 - 1.5 * shop.FLAWED < sum(named) / len(named) < 1


@pytest.mark.parametrize("writer", measure.COPIED)
def test_a_sound_answer_holds_what_it_must_copy(writer: measure.Writer) -> None:
    docs = [probe(2, "test", i, writer) for i in range(200)]
    sound = [d for d in docs if not d.flawed]
    assert all(measure.holds(d.answer, d.expected or "?") for d in sound)
    if writer.__name__ != "missing":
        needed = [(set((d.expected or "?").lower().split()), d.prompt.lower()) for d in sound]
        assert all(word in prompt for words, prompt in needed for word in words)


@pytest.mark.parametrize("writer", measure.DECIDED)
def test_decision_words_agree_with_the_decision(writer: measure.Writer) -> None:
    docs = [d for d in (probe(2, "test", i, writer) for i in range(400)) if not d.flawed]
    assert {d.allowed for d in docs} == {True, False}
    assert [d.answer for d in docs if measure.decided(d.answer) != d.allowed] == []


def test_holds_wants_the_whole_value() -> None:
    assert measure.holds("It is 4821.", "4821")
    assert not measure.holds("It is 48213.", "4821")
    assert not measure.holds("It costs $34.50.", "$34")
    assert measure.holds("Your card: AB-12!", "ab-12")


def test_typos_leave_words_with_digits_alone() -> None:
    d = Draw(0, "test", 0)
    assert typo(d, "A4821B 77 id", 1.0) == "A4821B 77 id"
    assert typo(d, "booking", 1.0) != "booking"
    assert len({identifier(d) for _ in range(500)}) > 490


def test_tokenizer_round_trip_and_single_digits(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == 512
    texts = [document(9, "train", i, 0.2).text for i in range(100)] + ["Größe 12,50 € \t ok\n漢字"]
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    tokens = tokenizer.encode("order 48213 AB-907").tokens
    assert [t for t in tokens if any(c.isdigit() for c in t)] == list("48213907")
    assert wrap(tokenizer).eos_token_id == tokenizer.token_to_id(END)


def test_rows_are_prompt_answer_stop_with_their_weights(tokenizer: Tokenizer) -> None:
    doc = Document(("Customer: a?\nAgent:", " yes", "\nCustomer: b?\nAgent:", " no"), "test")
    (row,) = batches.encode(tokenizer, [doc])
    ids = tokenizer.encode(doc.text).ids
    assert list(row.ids) == [*ids, tokenizer.token_to_id(END)]
    last = len(tokenizer.encode(" no").ids)
    assert row.weights[-last - 1 :] == (1.0,) * (last + 1)
    after_first = len(tokenizer.encode(doc.parts[0] + doc.parts[1]).ids)
    assert row.weights[after_first] == 0.0
    assert row.weights[0] == batches.CONTEXT_WEIGHT
    padded = batches.pad([row, batches.Row((5,), (1.0,))], pad_id=1)
    assert padded.tokens == len(row.ids) + 1
    assert float(padded.weights[1, 1:].sum()) == 0.0


def test_twenty_steps_lower_the_loss_and_repeat_exactly() -> None:
    recipe = train.Recipe(
        seed=5, steps=16, hidden=32, layers=1, heads=2, intermediate=64, vocabulary=320, rows=8,
        warmup=3, tokenizer_documents=100, goods_steps=4,
    )  # fmt: skip
    tokenizer = train_tokenizer(5, 320, 100)
    probe_batch = next(iter(batches.batches(tokenizer, 77, 1, 8)))
    before = train.loss_of(train.build_model(recipe, tokenizer), probe_batch).item()
    model, _, history = train.train(recipe, every=100, probes=1)
    again, _, _ = train.train(recipe, every=100, probes=1)
    assert train.loss_of(model, probe_batch).item() < before - 0.3
    assert [p.step for p in history] == [16, 20]
    assert 0 < history[0].tokens < history[1].tokens
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_two_sittings_end_like_one(tmp_path: Path) -> None:
    recipe = train.Recipe(
        seed=6, steps=3, hidden=32, layers=1, heads=2, intermediate=64, vocabulary=320, rows=4,
        warmup=2, tokenizer_documents=100, goods_steps=3,
    )  # fmt: skip
    watch = train.Watch(every=100, probes=1)
    whole, tokenizer, history = train.train(recipe, every=100, probes=1)
    first = train.build_model(recipe, tokenizer)
    before = train.run_phase(first, tokenizer, recipe, train.phases(recipe)[0], watch)
    train.save(first, tokenizer, tmp_path)
    again = LlamaForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    after = train.run_phase(again, tokenizer, recipe, train.phases(recipe)[1], watch, before)
    assert [(p.step, p.tokens, p.loss) for p in before + after] == [
        (p.step, p.tokens, p.loss) for p in history
    ]
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_rate_warms_up_stays_and_decays() -> None:
    recipe = train.Recipe(steps=1000, lr=1.0, warmup=10, decay=0.5, goods_steps=100, goods_lr=0.5)
    first, second = train.phases(recipe)
    assert (first.purpose, first.steps, second.purpose, second.steps) == (
        "train", 1000, "goods", 100,
    )  # fmt: skip
    assert first.rate(0) == pytest.approx(0.1)
    assert first.rate(10) == 1.0
    assert first.rate(500) == 1.0
    assert first.rate(750) == pytest.approx(0.5)
    assert first.rate(999) == pytest.approx(0.02)
    # Falls over the last 90 of 100 steps.
    assert second.rate(0) == pytest.approx(0.05)
    assert second.rate(10) == 0.5
    assert second.rate(55) == pytest.approx(0.25)
    assert second.rate(99) == pytest.approx(0.01)


def test_batches_of_the_phases_differ_and_repeat(tokenizer: Tokenizer) -> None:
    def ids(purpose: str) -> list[list[list[int]]]:
        return [b.ids.tolist() for b in batches.batches(tokenizer, 4, 2, 4, purpose)]

    assert ids("goods") == ids("goods")
    assert ids("goods") != ids("train")


def test_card_tells_both_phases() -> None:
    recipe = train.Recipe(seed=7, steps=300, goods_steps=200, rows=8)
    skills = {"copy": 0.5, "record": 0.25, "decision": 0.75}
    history = [
        train.Progress(300, 1000, 2.0, 60.0, skills), train.Progress(500, 2000, 1.0, 90.0, skills),
    ]  # fmt: skip
    found = {"some_suite": Overlap(10, 0.01, 0.0, ())}
    text = card("nano-x", recipe, 935_040, 512, history, 4, skills, found)
    assert "--steps 300 --goods-steps 200 --seed 7" in text
    assert "500 steps of 8 documents, 2,000 tokens" in text
    assert "4,000 documents" in text
    assert "300 steps at a peak rate of 0.003, falling over the last 40%,\n  then 200 steps" in text
    assert "Phase two begins after step 300." in text
    assert "| some_suite | 10 | 0.0100 | 0.0000 |" in text
    assert "stopped early" not in text
    early = card("nano-x", recipe, 935_040, 512, history[:1], 4, skills)
    assert "stopped early at step 300" in early


def test_overlap_looks_at_every_document_of_both_phases() -> None:
    """What the training read, fading drills included; texts given in advance change nothing."""
    steps = {"train": 20, "goods": 18}
    for phase, count in steps.items():
        docs = [d.text for d in trained_on(8, phase, count, 2)]
        assert len(docs) == 64  # two groups of 16 batches of 2
        read = group(8, phase, 0, count, 2) + group(8, phase, 16, count, 2)
        assert docs == [d.text for d in read]
        long = [text for text in docs if any(shingles(line) for line in lines(text))]
        assert len(long) > 20
        for known in (None, long):
            assert overlap(pretraining(8, steps, 2, known), long).near_duplicates == 1
        unheard = ["Customer: what is the fee for a lost zebra permit in the tundra region?"]
        assert overlap(pretraining(8, steps, 2, unheard), unheard).near_duplicates == 0


def test_masking_hides_numbers_ids_and_names() -> None:
    line = "Your booking AB-12 at Velmora House costs $34.50, Mara. Thanks"
    assert masked(line) == ["your", "booking", "#", "at", "#", "costs", "#", "thanks"]
    assert len(grams(line, 8)) == 1
    assert grams("one two three", 8) == set()


def test_overlap_finds_shared_grams_and_near_duplicates() -> None:
    corpus = Corpus(["Policy: You can move the stay up to 12 days after the booking."])
    same = "Policy: You can move the stay up to 90 days after the booking."
    near = "You can move the stay up to several days after the booking."
    other = "Record: booking: 12\nCustomer: where is the room that I booked for my old aunt?"
    found = overlap(corpus, [same, near, other])
    assert (found.texts, found.shared, found.near_duplicates) == (3, 1 / 3, 2 / 3)
    assert "you can move the stay up to #" in found.examples


def test_shipped_weights_are_small(
    shipped: tuple[LlamaForCausalLM, PreTrainedTokenizerFast],
) -> None:
    model, tokenizer = shipped
    assert sum(p.numel() for p in model.parameters()) <= 2_600_000
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.config.tie_word_embeddings
    assert model.config.max_position_embeddings == 512
    assert sum(f.stat().st_size for f in SHIPPED.iterdir()) <= 10 * MIB
    assert len(tokenizer) == model.config.vocab_size <= 1024
    assert (SHIPPED / "MODEL_CARD.md").is_file()


def test_shipped_weights_copy_from_unseen_prompts(
    shipped: tuple[LlamaForCausalLM, PreTrainedTokenizerFast],
) -> None:
    model, tokenizer = shipped
    skills = measure.accuracy(model, tokenizer.backend_tokenizer, seed=20, n=40)
    assert skills["copy"] >= 0.8
    assert skills["record"] >= 0.75
