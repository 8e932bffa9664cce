"""What the sampling parts share: a model folder, encoded prompts and the length of every answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import rsft_bench.harness.policies as policies
from rsft_bench.harness.policies.language_model import load

NANO = Path(str(policies.__file__)).parent / "nano_1"
SMOLLM2_135M: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100000.0,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
TINY: dict[str, Any] = {
    "hidden_size": 72,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "vocab_size": 2048,
}
QUICK_PROMPTS = ("Customer: Where is order 3471?\nAgent: ", "Customer: Refund, please.\nAgent: ")


def read_prompts(file: Path | None, count: int | None) -> list[str]:
    """The first ``count`` prompts of a JSON-lines file; two short ones where there is no file."""
    if file is None:
        return list(QUICK_PROMPTS)
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in lines if line][:count]


def drawn_lengths(prompts: int, k: int, shortest: int, longest: int) -> list[list[int]]:
    """Answer lengths, stop token included, uniform on both ends included; always the same draw."""
    rng = np.random.Generator(np.random.Philox(key=20))
    drawn: list[list[int]] = rng.integers(shortest, longest + 1, (prompts, k)).tolist()
    return drawn


class Prepare:
    """Write ``folder/model`` (where it is not nano) and ``folder/workload.json``."""

    def __init__(
        self,
        folder: str,
        model: str,
        prompts: Sequence[str],
        k: int,
        lengths: tuple[int, int],
        source: str | None,
        tiny: bool,
    ) -> None:
        self._folder = Path(folder)
        self._model, self._source, self._tiny = model, source, tiny
        self._prompts, self._k, self._lengths = list(prompts), k, lengths

    def prepare(self) -> None:
        """Nothing."""

    def run(self) -> dict[str, Any]:
        """Returns whether the weights are random."""
        ids, random = self._nano() if self._model == "nano" else self._smol()
        lengths = drawn_lengths(len(ids), self._k, *self._lengths)
        workload = {"prompts": ids, "lengths": lengths}
        (self._folder / "workload.json").write_text(json.dumps(workload))
        return {"random": random, "prompt_tokens": sum(map(len, ids))}

    def ceiling(self) -> dict[str, float]:
        """Nothing to measure."""
        return {}

    def _nano(self) -> tuple[list[list[int]], bool]:
        lm = load(NANO)
        return [lm.encode_prompt(prompt) for prompt in self._prompts], False

    def _smol(self) -> tuple[list[list[int]], bool]:
        out = self._folder / "model"
        if self._source is None:
            _random_model(self._tiny).save_pretrained(out)
            # nano's own tokens are in range, and as many as nano reads.
            load(NANO).tokenizer.save_pretrained(out)
            return self._nano()[0], True
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        files = sorted(Path(self._source).glob("*.gguf"))
        options = {"gguf_file": files[0].name} if files else {}
        model: Any = AutoModelForCausalLM.from_pretrained(
            self._source, dtype=torch.float32, local_files_only=True, **options
        )
        tokenizer: Any = AutoTokenizer.from_pretrained(
            self._source, local_files_only=True, **options
        )
        _plain(model).save_pretrained(out)
        tokenizer.save_pretrained(out)
        return [tokenizer.encode(prompt) for prompt in self._prompts], False


def _plain(model: Any) -> Any:
    """A copy without the mark that weights read from GGUF keep, which forbids saving them."""
    config = type(model.config).from_dict(
        {k: v for k, v in model.config.to_dict().items() if k != "quantization_config"}
    )
    copy = type(model)(config)
    copy.load_state_dict(model.state_dict())
    return copy.float()


def _random_model(tiny: bool) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(20)
    return LlamaForCausalLM(LlamaConfig(**(SMOLLM2_135M | (TINY if tiny else {}))))


def read_workload(file: str, part: int, parts: int) -> tuple[list[list[int]], list[list[int]]]:
    """Every ``parts``-th prompt with its answers' lengths."""
    workload = json.loads(Path(file).read_text())
    return workload["prompts"][part::parts], workload["lengths"][part::parts]


def mapped_model(folder: str) -> Any:
    """A causal LM in float32 as transformers reads it: mapped from its file."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    return model.eval()


def load_model(folder: str) -> Any:
    """A causal LM in float32, ready to sample, all of it resident and its libraries started."""
    import torch

    model = mapped_model(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            # Weights mapped from a file would count as memory of whoever reads them first.
            parameter.data = parameter.data.clone()
        model(input_ids=torch.zeros((1, 1), dtype=torch.long))
    return model
