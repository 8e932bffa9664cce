"""Fixtures shared by the tests: a tiny random language model and its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rsft_bench.harness.seeding import derive_seed

# Before torch is first imported: its threads spin when tests share the cores with anything else.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``shared(name)`` where that real data set is absent."""
    for mark in item.iter_markers("shared"):
        if not (SHARED / mark.args[0]).is_dir():
            pytest.skip(f"real data {mark.args[0]!r} absent beside the checkout")


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets; mark tests that use one ``shared(name)``."""
    return SHARED


CORPUS = (
    "Policy: Refunds are allowed within 30 days of delivery.\n"
    "Record: order number: 48213; item: wool scarf; status: shipped; carrier: Posten\n"
    "Customer: Where is my order?\n"
    "Agent: Your wool scarf has shipped with Posten and should arrive soon.\n"
)


def tiny_tokenizer(vocabulary: int = 300) -> Any:
    """Byte-level BPE of at most ``vocabulary`` tokens; ``<eos>`` is 0, ``<pad>`` 1."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<eos>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([CORPUS], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", pad_token="<pad>")


def tiny_llama(seed: int = 0, **overrides: Any) -> LanguageModel:
    """A random Llama, hidden 32, 2 layers, 300 tokens; ``overrides`` go to its LlamaConfig.

    Weights are ten times the usual size, so that its next-token laws are far from uniform.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rsft_bench.harness.policies.language_model import LanguageModel

    tokenizer = tiny_tokenizer()
    settings: dict[str, Any] = {
        "vocab_size": 300,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "tiny-model"))
        model = LlamaForCausalLM(LlamaConfig(**{**settings, **overrides})).float().eval()
    return LanguageModel(model=model, tokenizer=tokenizer, context=512)


@pytest.fixture(scope="session")
def make_tiny_lm() -> Callable[..., LanguageModel]:
    """``tiny_llama``, for tests that need other sizes: ``make_tiny_lm(seed, hidden_size=64)``."""
    return tiny_llama


@pytest.fixture(scope="session")
def tiny_lm() -> LanguageModel:
    """The random Llama with default settings; treat it as read-only."""
    return tiny_llama()


@pytest.fixture(scope="session")
def tiny_lm_folder(tiny_lm: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny_lm`` saved as a Hugging Face folder (config, safetensors, tokenizer)."""
    from rsft_bench.harness.policies.language_model import save

    folder = tmp_path_factory.mktemp("tiny-lm")
    save(tiny_lm, folder)
    return folder
