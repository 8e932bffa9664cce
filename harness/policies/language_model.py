"""A causal language model with its tokenizer, read from and written to a Hugging Face folder.

Owns how prompts and answers become tokens, so that sampling, scoring and training agree on it.
Importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rsft_bench.harness.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

DEFAULT_CONTEXT = 512
MAX_ANSWER_ROOM = 128
CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
TURN_START = re.compile(r"^(?=(?:Customer|Agent):)", re.MULTILINE)
LABEL_START = re.compile(r"^(?=[A-Z][A-Za-z]*:)", re.MULTILINE)


class EncodedPrompt(NamedTuple):
    """Tokens of a prompt; ``truncated`` says that turns or tokens were left out to fit."""

    ids: list[int]
    truncated: bool


@dataclass(frozen=True)
class LanguageModel:
    """Weights and tokenizer of a causal LM. Treated as immutable: training returns a new one.

    ``context`` is the largest number of tokens of prompt and answer together.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    context: int

    @property
    def eos_id(self) -> int:
        """Token that ends an answer."""
        eos: int = self.tokenizer.eos_token_id
        return eos

    @property
    def pad_id(self) -> int:
        """Filler for batches; the stop token where the tokenizer defines no padding."""
        pad: int | None = self.tokenizer.pad_token_id
        return self.eos_id if pad is None else pad

    @property
    def answer_room(self) -> int:
        """Tokens of the context that no prompt may take, so that any prompt can be answered."""
        return min(MAX_ANSWER_ROOM, self.context // 4)

    def encode(self, prompt: str) -> EncodedPrompt:
        """Tokens of ``prompt``, at most ``context - answer_room`` of them.

        A longer prompt loses its oldest dialogue turns first; policy, record and the last question
        stay. If that is not enough it loses tokens from the left, so record and question go last.
        """
        room = self.context - self.answer_room
        ids = self._ids(prompt)
        if len(ids) <= room:
            return EncodedPrompt(ids, False)
        kept = split_turns(prompt)
        oldest = next_turn(kept)
        while len(ids) > room and oldest is not None:
            del kept[oldest]
            ids = self._ids("".join(kept))
            oldest = next_turn(kept)
        return EncodedPrompt(ids[-room:], True)

    def encode_prompt(self, prompt: str) -> list[int]:
        """The tokens of ``encode``."""
        return self.encode(prompt).ids

    def encode_answer(self, text: str) -> list[int]:
        """Tokens of a space, the answer, and the stop token."""
        return [*self._plain(" " + text), self.eos_id]

    def encode_pair(self, prompt: str, text: str) -> tuple[list[int], list[int]]:
        """Tokens of prompt and answer; an answer that overruns the context loses its end."""
        prompt_ids = self.encode_prompt(prompt)
        return prompt_ids, self.encode_answer(text)[: self.context - len(prompt_ids)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of answer tokens without special tokens, stripped."""
        text = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text).strip()

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _ids(self, prompt: str) -> list[int]:
        """Prompt tokens, after the start token where the tokenizer itself would put one."""
        with_special: list[int] = self.tokenizer.encode(prompt)
        ids = self._plain(prompt)
        bos = self.tokenizer.bos_token_id
        starts = bos is not None and with_special[:1] == [bos] and ids[:1] != [bos]
        ids = [bos, *ids] if starts else ids
        return ids or [self.eos_id]


def split_turns(prompt: str) -> list[str]:
    """Cut a prompt before every labelled line; the pieces join to the prompt again."""
    return [piece for piece in LABEL_START.split(prompt) if piece]


def next_turn(pieces: Sequence[str]) -> int | None:
    """Index of the oldest dialogue turn that may be dropped, None if only the question is left.

    The last ``Customer:`` turn and everything after it stay.
    """
    turns = [i for i, piece in enumerate(pieces) if TURN_START.match(piece)]
    customers = [i for i in turns if pieces[i].startswith("Customer:")]
    last = customers[-1] if customers else len(pieces) - 1
    return next((i for i in turns if i < last), None)


def load(folder: Path) -> LanguageModel:
    """Read a Hugging Face folder: safetensors only, no network, no remote code, float32, eval.

    Raises:
        UserError: the folder is missing or incomplete, has no safetensors, or is no causal LM.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as hf_logging

    check_folder(folder)
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = _config(folder, options)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, config=config, use_safetensors=True, output_loading_info=True, **options
        )
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot load a causal LM from {folder}: {first_line(error)}") from error
    model, report = loaded
    if report["missing_keys"]:
        first = sorted(report["missing_keys"])[0]
        raise UserError(f"{folder}: the safetensors lack {first!r}, which config.json asks for")
    if tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: the tokenizer has no eos_token, so answers could not end")
    context = int(getattr(config, "max_position_embeddings", None) or DEFAULT_CONTEXT)
    return LanguageModel(model=model.float().eval(), tokenizer=tokenizer, context=context)


def _config(folder: Path, options: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, **options)
    architectures = list(getattr(config, "architectures", None) or ["(none stated)"])
    if not any(str(name).endswith(CAUSAL_ENDINGS) for name in architectures):
        raise UserError(f"{folder} is not a causal LM: its config.json names {architectures[0]}")
    return config


def first_line(error: BaseException) -> str:
    """First non-empty line of a message, or the exception's class name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def check_folder(folder: Path) -> None:
    """Raise UserError unless ``folder`` holds config.json, safetensors and a tokenizer."""
    if not folder.is_dir():
        raise UserError(f"no such model folder: {folder}; give a Hugging Face folder as 'path'")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} has no config.json: not a Hugging Face model folder")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(p.name for p in folder.glob("*.bin"))
        found = f", only {pickled[0]}, which is never loaded" if pickled else ""
        raise UserError(f"{folder} has no .safetensors weights{found}; save it as safetensors")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise UserError(f"{folder} has no tokenizer.json")


def save(lm: LanguageModel, folder: Path) -> None:
    """Write config, safetensors and tokenizer to ``folder``, created if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)


def fingerprint(folder: Path) -> str:
    """SHA-256 (hex) of names and contents of the files that decide what the model says.

    Raises:
        UserError: as ``check_folder``.
    """
    check_folder(folder)
    names = {"config.json", *TOKENIZER_FILES} | {p.name for p in folder.glob("*.safetensors")}
    h = hashlib.sha256()
    for name in sorted(names):
        path = folder / name
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            h.update(f"{name}\n{content}\n".encode())
    return h.hexdigest()
