"""Four kinds of model in one run, each with its own training, and the report's table of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from rsft_bench.harness.cli import main
from rsft_bench.harness.runfolder import RunFolder

EXAMPLE = Path(__file__).parents[2] / "examples" / "model_kinds.yaml"
TINY = {
    "synthetic_choices": {"n_train": 24, "n_proxy_label": 12, "n_select": 12, "n_confirm": 12},
    "intent_routing": {"n_train": 64, "n_select": 12, "n_confirm": 12, "n_calibrate": 12},
    "order_status": {
        **{"n_train": 16, "n_proxy_label": 12, "n_calibrate": 8, "n_select": 8, "n_confirm": 12}
    },
}


def test_four_kinds_run_in_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load(EXAMPLE.read_text())
    assert [p if isinstance(p, str) else p["name"] for p in config["policies"]] == [
        *("categorical", "selector", "nano-1", "seq2seq")
    ]
    for suite in config["suites"]:
        suite.update(TINY[suite["name"]])
    config["policies"] = [
        {"name": "categorical", "training": {"sft_steps": 1, "steps": 1}},
        {"name": "selector", "training": {"lr": 0.01, "sft_steps": 30}},
        "nano-1",
        {"name": "seq2seq", "width": 32, "layers": 1, "training": {"lr": 0.01, "sft_steps": 5}},
    ]
    config |= {"seeds": [0], "pool": {"max_new_tokens": 8}}
    config |= {"training": {"sft_steps": 3, "steps": 2, "batch": 8}, "reward": {"n_label": 20}}
    config["evaluation"] |= {"serve_prompts": 1, "temperatures": []}
    file = tmp_path / "kinds.yaml"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    argv = ["run", str(file), "--out", str(tmp_path / "out"), "--workers", "0", "--quiet"]
    assert main(argv) == 0
    run = RunFolder(tmp_path / "out")
    cells = run.cells().set_index(["policy", "variant", "seed"])
    assert set(cells.index.get_level_values("policy")) == {
        *("categorical", "selector", "nano-1", "seq2seq")
    }
    assert (cells["train_flops"].xs("sft", level="variant") > 0).all()
    trained = cells["train_tokens"]
    # 5 SFT steps of its own against 3 of the run's, at equal batch.
    assert trained["seq2seq", "sft", 0] > 0
    assert trained["seq2seq", "sft", 0] / 5 < 2 * trained["nano-1", "sft", 0] / 3
    for name in ("report.md", "report.html"):
        report = (run.path / name).read_text()
        table = report[report.index("Kinds of model, on the confirm split") :]
        for kind in ("categorical", "selector", "nano-1", "seq2seq"):
            assert kind in table
    answer = json.loads((run.path / "results.json").read_text())["answers"][3]
    assert answer["word"] in {"cannot tell", "no"}
    assert len(answer["parts"]) == 4
