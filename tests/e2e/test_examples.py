"""What is handed out to start from runs: example configs, presets, SGD from its real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SHARED
from unit.test_sgd import many, write

from rsft_bench.harness.cli import main
from rsft_bench.harness.presets import names
from rsft_bench.harness.runfolder import RunFolder

EXAMPLES = Path(__file__).parents[2] / "examples"
REAL = {
    "real_data": ("sgd", "multiwoz", "crosswoz"),
    "intent_routing": ("banking77", "clinc_oos"),
}
SMALL = (
    *("seeds=[0]", "pool.max_new_tokens=8", "reward.n_label=20", "evaluation.serve_prompts=1"),
    *("training.sft_steps=3", "training.steps=2", "suites.0.n_train=16"),
    *("suites.0.n_proxy_label=12", "suites.0.n_calibrate=8"),
    *("suites.0.n_select=8", "suites.0.n_confirm=12"),
)


def sets(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Path]:
    """Small files in the layouts that two examples ask for."""
    sides = {"train": many("Train", 40, 1), "dev": many("Dev", 12, 1), "test": many("Test", 12, 1)}
    lines = [
        {"conversation": f"Customer: Question {i}?\nAgent:", "replies": [f"Answer {i}."]}
        | {"topic": f"topic {i % 60}", "must_say": [f"{i}"]}
        for i in range(180)
    ]
    logs = tmp_path / "my_logs.jsonl"
    logs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {"sgd": write(tmp_path / "sgd", sides), "own_data": logs}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_example_can_be_planned(
    file: Path, data: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = sets(f"suites.0.path={data[file.stem]}") if file.stem in data else []
    if file.stem in REAL:
        if not SHARED.is_dir():
            pytest.skip("real data absent beside the checkout")
        names = REAL[file.stem]
        paths = sets(*(f"suites.{i}.path={SHARED / name}" for i, name in enumerate(names)))
    code = main(["plan", str(file), "--limit", "10", "--json", *paths])
    found = capsys.readouterr()
    assert code == 0, found.err
    assert json.loads(found.out)["cells"] > 0


@pytest.mark.parametrize("preset", names())
def test_every_preset_can_be_planned(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plan", "--preset", preset, "--limit", "10", "--json"])
    found = capsys.readouterr()
    assert code == 0, found.err
    assert json.loads(found.out)["cells"] > 0


def test_own_data_takes_twelve_lines() -> None:
    """And the README shows them: ``test_snippets`` compares its blocks with the files."""
    assert len((EXAMPLES / "own_data.yaml").read_text().splitlines()) <= 12
    readme = (EXAMPLES.parent / "README.md").read_text()
    assert "<!-- snippet: examples/own_data.yaml -->" in readme


@pytest.mark.slow
def test_the_own_data_example_runs(
    data: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    argv = ["run", str(EXAMPLES / "own_data.yaml"), "--out", str(tmp_path / "out"), "--quiet"]
    small = sets(
        *SMALL[:6], "variants=[sft,sft_more]", "primary=null", "evaluation.temperatures=[]"
    )
    named = sets(f"suites.0.path={data['own_data']}", "gate.metrics=[gold_pass,chrf,rouge_l]")
    code = main([*argv, "--workers", "0", "--limit", "12", *small, *named])
    assert code == 0, capsys.readouterr().err
    rows = RunFolder(tmp_path / "out").rows()
    assert set(rows["suite"]) == {"jsonl"}
    # The facts of the rows and both checks of the config are columns; so are the similarities.
    for column in ("facts", "not_rude", "max_words", "chrf", "rouge_l"):
        assert rows[column].between(0, 1).all(), column


@pytest.mark.slow
@pytest.mark.shared("sgd")
def test_the_sgd_example_runs_on_real_dialogues(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    argv = ["run", str(EXAMPLES / "sgd.yaml"), "--out", str(tmp_path / "out"), "--workers", "0"]
    code = main([*argv, "--quiet", *sets(f"suites.0.path={shared_data / 'sgd'}", *SMALL)])
    assert code == 0, capsys.readouterr().err
    folder = RunFolder(tmp_path / "out")
    rows, examples = folder.rows(), folder.examples()
    assert folder.manifest()["status"] == "complete"
    assert set(rows["suite"]) == {"sgd"}
    # base, sft, sft_more, sft_filtered, best_of_n, rsft, random; sft and the primary at T=0 too
    assert rows["variant"].nunique() == 9
    tested = rows[rows["variant"] == "sft"].groupby("split")["example_id"].nunique()
    assert tested.to_dict() == {"select": 8, "confirm": 12}
    assert not rows["gold"].isna().any()
    assert rows["proxy"].between(0, 1).all()
    prompts = examples.set_index("example_id")["prompt"]
    assert prompts[rows["example_id"]].str.contains("Customer:").all()
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
