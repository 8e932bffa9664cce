"""The generators, the tokenizer, the training loop and the shipped weights of ``nano-1``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from rsft_bench.harness.policies import nano_training
from rsft_bench.harness.policies.nano_training import batches, measure, train
from rsft_bench.harness.policies.nano_training.document import Document
from rsft_bench.harness.policies.nano_training.draw import Draw, identifier, typo
from rsft_bench.harness.policies.nano_training.overlap import Corpus, grams, masked, overlap
from rsft_bench.harness.policies.nano_training.text import WRITERS, document, probe
from rsft_bench.harness.policies.nano_training.tokenizer import END, train_tokenizer, wrap

SHIPPED = Path(nano_training.__file__).resolve().parents[1] / "nano_1"
MIB = 1 << 20


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(seed=3, vocabulary=512, documents=300)


@pytest.fixture(scope="module")
def shipped() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    model = LlamaForCausalLM.from_pretrained(SHIPPED, local_files_only=True)
    return model.eval(), PreTrainedTokenizerFast.from_pretrained(SHIPPED, local_files_only=True)


def test_documents_depend_on_seed_purpose_and_index_only() -> None:
    first = [document(0, "train", i, 0.2).text for i in range(50)]
    assert first == [document(0, "train", i, 0.2).text for i in range(50)]
    assert not set(first) & {document(1, "train", i, 0.2).text for i in range(50)}
    assert not set(first) & {document(0, "held-out", i, 0.2).text for i in range(50)}


def test_documents_are_varied_and_have_the_prompt_form() -> None:
    docs = [document(0, "train", i) for i in range(3000)]
    assert len({d.text for d in docs}) == len(docs)
    assert len({d.answer for d in docs}) > 0.8 * len(docs)
    kinds = Counter(d.kind for d in docs)
    assert set(kinds) == {w.__name__ for w, _ in WRITERS}
    assert all(d.prompt.endswith("Agent:") and d.answer == d.parts[-1][1:] for d in docs)
    assert all("{" not in d.text for d in docs)
    assert 0.03 < sum(d.flawed for d in docs) / len(docs) < 0.15


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
        seed=5, steps=20, hidden=32, layers=1, heads=2, intermediate=64, vocabulary=320, rows=8,
        warmup=5, tokenizer_documents=100,
    )  # fmt: skip
    tokenizer = train_tokenizer(5, 320, 100)
    probe_batch = next(iter(batches.batches(tokenizer, 77, 1, 8)))
    before = train.loss_of(train.build_model(recipe, tokenizer), probe_batch).item()
    model, _, history = train.train(recipe, every=100, probes=1)
    again, _, _ = train.train(recipe, every=100, probes=1)
    assert train.loss_of(model, probe_batch).item() < before - 0.3
    assert history[-1].step == 20
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_rate_warms_up_stays_and_decays() -> None:
    recipe = train.Recipe(steps=1000, lr=1.0, warmup=10, decay=0.5)
    assert train.rate(recipe, 0) == pytest.approx(0.1)
    assert train.rate(recipe, 10) == 1.0
    assert train.rate(recipe, 500) == 1.0
    assert train.rate(recipe, 750) == pytest.approx(0.5)
    assert train.rate(recipe, 999) == pytest.approx(0.02)


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
