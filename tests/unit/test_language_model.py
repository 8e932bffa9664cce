"""Folders, fingerprints and the fitting of prompts into the context."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest
import torch

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.policies.causal_lm import CAUSAL_LM, NANO_1
from rsft_bench.harness.policies.language_model import fingerprint, load, save

HEAD = "Policy: be kind.\nRecord: order number: 4\n"
TURNS = ["Customer: first\n", "Agent: second\nand more\n", "Customer: third\n"]


@pytest.fixture
def folder(tiny_lm_folder, tmp_path):
    return shutil.copytree(tiny_lm_folder, tmp_path / "model")


def test_save_and_load_round_trip(tiny_lm, tiny_lm_folder):
    lm = load(tiny_lm_folder)
    ids = torch.tensor([lm.encode_prompt("Customer: hi\nAgent:")])
    with torch.inference_mode():
        assert torch.equal(lm.model(ids).logits, tiny_lm.model(ids).logits)
    assert (lm.context, lm.eos_id, lm.pad_id) == (512, 0, 1)
    assert not lm.model.training
    assert {p.dtype for p in lm.model.parameters()} == {torch.float32}
    assert lm.decode(lm.encode_answer("It has shipped.")[:-1]) == "It has shipped."
    assert lm.encode_answer("Yes")[-1] == lm.eos_id


def test_half_precision_weights_are_widened(tiny_lm_folder, tmp_path):
    from transformers import AutoModelForCausalLM

    shutil.copytree(tiny_lm_folder, tmp_path / "half")
    AutoModelForCausalLM.from_pretrained(tiny_lm_folder).bfloat16().save_pretrained(
        tmp_path / "half"
    )
    assert load(tmp_path / "half").model.dtype == torch.float32


def test_fingerprint_follows_contents_only(tiny_lm, folder, tmp_path):
    before = fingerprint(folder)
    assert len(before) == 64
    (folder / "README.md").write_text("notes")
    assert fingerprint(folder) == before
    assert fingerprint(shutil.copytree(folder, tmp_path / "copy")) == before
    save(tiny_lm, tmp_path / "again")
    assert fingerprint(tmp_path / "again") == before
    (folder / "tokenizer.json").write_text("{}")
    assert fingerprint(folder) != before


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"no such model folder: .*nowhere"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", r"has no \.safetensors weights; save it"),
        ("tokenizer.json", "has no tokenizer.json"),
    ],
)
def test_incomplete_folder(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises(UserError, match=message) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_pickled_weights_are_never_loaded(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"only pytorch_model\.bin, which is never loaded"):
        load(folder)


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "names BertForMaskedLM"),
        ({"model_type": "no_such_model"}, "cannot load a causal LM from"),
        ({"num_hidden_layers": 3}, r"lack 'model\.layers\.2"),
    ],
)
def test_not_a_causal_lm(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(UserError, match=message) as raised:
        load(folder)
    assert "\n" not in str(raised.value)


def test_damaged_weights_file(folder):
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="cannot load a causal LM from"):
        load(folder)


def test_remote_code_is_not_run(folder):
    edit_config(
        folder,
        model_type="custom",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    )
    (folder / "evil.py").write_text("raise SystemExit('remote code ran')\n")
    with pytest.raises(UserError):
        load(folder)


def test_short_prompts_are_whole(tiny_lm):
    prompt = HEAD + "".join(TURNS) + "Agent:"
    ids, truncated = tiny_lm.encode(prompt)
    assert tiny_lm.tokenizer.decode(ids) == prompt
    assert not truncated


@pytest.mark.parametrize("dropped", [1, 2])
def test_long_prompts_lose_their_oldest_turns_first(tiny_lm, dropped):
    """The room is three quarters of a context set to hold exactly what should stay."""
    prompt = HEAD + "".join(TURNS) + "Agent:"
    expected = HEAD + "".join(TURNS[dropped:]) + "Agent:"
    room = len(tiny_lm.encode_prompt(expected))
    lm = dataclasses.replace(tiny_lm, context=-(-room * 4 // 3))
    ids, truncated = lm.encode(prompt)
    assert lm.tokenizer.decode(ids) == expected
    assert truncated


def test_then_they_lose_their_left_end(tiny_lm):
    prompt = "Policy: " + "long " * 200 + "\nRecord: order 4\n" + "".join(TURNS) + "Agent:"
    lm = dataclasses.replace(tiny_lm, context=80)
    ids, truncated = lm.encode(prompt)
    assert len(ids) == 60
    assert lm.tokenizer.decode(ids).endswith("\nRecord: order 4\nCustomer: third\nAgent:")
    assert truncated


def test_record_between_turns_and_question_stays(tiny_lm):
    """An adapter may put record and acts after the history."""
    tail = "Record: table for 2\nActs: confirm\nCustomer: third\nAgent:"
    prompt = "".join(TURNS[:2]) + tail
    lm = dataclasses.replace(tiny_lm, context=-(-len(tiny_lm.encode_prompt(tail)) * 4 // 3))
    assert lm.tokenizer.decode(lm.encode_prompt(prompt)) == tail


def test_pairs_fit_the_context(tiny_lm):
    lm = dataclasses.replace(tiny_lm, context=64)
    prompt, answer = lm.encode_pair("x" * 300, "y" * 300)
    assert (len(prompt), len(answer)) == (48, 16)


def test_start_token_is_put_where_the_tokenizer_puts_it(tiny_lm_folder):
    from tokenizers import processors

    lm = load(tiny_lm_folder)
    lm.tokenizer.bos_token = "<pad>"
    lm.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<pad> $A <eos>", special_tokens=[("<pad>", 1), ("<eos>", 0)]
    )
    plain = lm.tokenizer.encode("Agent:", add_special_tokens=False)
    assert lm.encode_prompt("Agent:") == [1, *plain]
    assert lm.encode_answer("x")[0] != 1


def test_policies_resolve_their_folders(tiny_lm_folder, tmp_path):
    assert CAUSAL_LM.folder({"path": str(tiny_lm_folder)}) == tiny_lm_folder
    assert CAUSAL_LM.fingerprint({"path": str(tiny_lm_folder)}) == fingerprint(tiny_lm_folder)
    assert CAUSAL_LM.load({"path": str(tiny_lm_folder)}).context == 512
    with pytest.raises(UserError, match="policy 'causal_lm' needs 'path'"):
        CAUSAL_LM.folder({})
    assert NANO_1.packaged is not None
    assert NANO_1.packaged.name == "nano_1"
    assert NANO_1.capabilities == {"sampler", "scorer", "trainable"}


def test_naming_policies_imports_no_torch():
    code = (
        "import sys, rsft_bench.harness.policies.causal_lm;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
