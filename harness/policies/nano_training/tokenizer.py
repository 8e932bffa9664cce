"""The byte-level BPE tokenizer of ``nano-1``: single digits, end and padding tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rsft_bench.harness.policies.nano_training import words
from rsft_bench.harness.policies.nano_training.text import document

END, PAD = "<|end|>", "<|pad|>"
CONTEXT = 512
_COMMON_REPEATS = 40
_SHOP_REPEATS = 400


def _corpus(seed: int, documents: int) -> Iterator[str]:
    """Documents, and common words often enough to become single tokens."""
    for i in range(documents):
        yield document(seed, "tokenizer", i).text
    common = words.COMMON.split() + [*words.NOUNS, *words.ADJECTIVES, *words.FIRST]
    for _ in range(_COMMON_REPEATS):
        yield "".join(f" {w}" for w in common)
    for _ in range(_SHOP_REPEATS):
        yield "".join(f" {w}" for w in words.SHOP.split())


def train_tokenizer(seed: int, vocabulary: int = 1024, documents: int = 6000) -> Tokenizer:
    """Train the BPE merges. The result depends on the arguments only."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(seed, documents), trainer)
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a token.

    Raises:
        ValueError: The tokenizer lacks it.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"tokenizer has no token {token!r}")
    return int(found)


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The transformers form, which ``save_pretrained`` writes."""
    build: Callable[..., PreTrainedTokenizerFast] = PreTrainedTokenizerFast
    return build(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )
