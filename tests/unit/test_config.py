"""Every mistake in a config is one line that helps; every source wins in its order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.baselines import METHODS
from rsft_bench.harness.config import config_schema, first_difference, parse_config
from rsft_bench.harness.config_sources import load_config
from rsft_bench.harness.errors import ConfigError, UnknownNameError
from rsft_bench.harness.presets import names, preset
from rsft_bench.harness.variants import expand
from rsft_bench.tasks import SUITES

EXAMPLES = Path(__file__).parents[2] / "examples"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def load(file: Path | None = None, **more: Any) -> Any:
    return load_config(file, **{"environ": {}, **more}).config


# presets


def test_quick_keeps_its_floors() -> None:
    config = load(preset_name="quick")
    assert len(config.seeds) >= 5
    assert [s.name for s in config.suites] == ["order_status", "returns_refunds"]
    for suite in config.suites:
        sizes = suite.given
        assert sizes["n_train"] >= 256
        assert sizes["n_train"] * sizes["logs_per_prompt"] >= 1000
        assert sizes["n_select"] >= 120
        assert sizes["n_confirm"] >= 150
    assert config.evaluation.best_of_draws >= 16
    assert config.evaluation.primary_draws >= 4
    assert config.evaluation.draws >= 2
    assert config.evaluation.temperatures == (0, 0.5)
    assert config.evaluation.splits == ("select", "confirm")
    assert config.pool.temperature == 1.0
    assert config.primary == "rsft[accept=argmax,k=16,lambda=1]"


def test_quick_has_the_arms_of_the_contract() -> None:
    ids = {v.id for v in expand(load(preset_name="quick"), METHODS)}
    assert ids >= {
        "base",
        "sft",
        "sft_more",
        "sft_filtered",
        "best_of_n[n=2]",
        "best_of_n[n=4]",
        "best_of_n[n=8]",
        "rsft[accept=argmax,k=16,lambda=1]",
        "rsft[accept=argmax,k=16,lambda=inf]",
        "rsft[accept=random,k=16,lambda=1,match=argmax]",
        "sft[temperature=0]",
        "sft[temperature=0.5]",
        "rsft[accept=argmax,k=16,lambda=1,temperature=0]",
        "rsft[accept=argmax,k=16,lambda=1,temperature=0.5]",
    }
    assert len(ids) >= 12


def test_quick_clusters_hold_at_their_floors() -> None:
    for suite in load(preset_name="quick").suites:
        found = SUITES.get(suite.name).load(suite.given, 0).examples
        for split, least in (("select", 120), ("confirm", 150)):
            here = [e for e in found if e.split == split]
            assert len(here) >= least
            assert len({e.cluster for e in here}) >= 30


def test_sweep_maps_k_against_lambda_and_target_rate() -> None:
    config = load(preset_name="sweep")
    ids = {v.id for v in expand(config, METHODS)}
    assert len(config.seeds) == 3
    for k in (2, 4, 8, 16):
        assert {f"rsft[accept=argmax,k={k},lambda={w}]" for w in ("0.25", "1", "4", "inf")} <= ids
        for rate in ("0.1", "0.25", "0.5"):
            assert f"rsft[accept=threshold,k={k},lambda=1,target_rate={rate}]" in ids


def test_gate_holds_blocking_variants_only() -> None:
    config = load(preset_name="gate")
    assert [v.id for v in expand(config, METHODS)] == ["sft", config.primary]
    assert len(config.seeds) == 5


@pytest.mark.parametrize("name", names())
def test_presets_expand_and_survive_json(name: str) -> None:
    config = load(preset_name=name)
    assert expand(config, METHODS)
    plain = json.loads(json.dumps(config.resolved(), allow_nan=False))
    again = parse_config(plain)
    assert again.config_hash() == config.config_hash()
    assert [v.id for v in expand(again, METHODS)] == [v.id for v in expand(config, METHODS)]


def test_a_preset_is_a_fresh_copy() -> None:
    preset("quick")["seeds"].append(99)
    assert 99 not in preset("quick")["seeds"]


# mistakes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "training.stepps=3",
            r"'training.stepps' \(value 3\).*mean 'steps'.*Allowed: accelerate, batch, checkpoints",
        ),
        ("gaet.margin=0.1", "mean 'gate'"),
        ("training.steps=abc", "'training.steps' = 'abc'"),
        ("training.lr=-1", "greater than 0"),
        ("evaluation.splits=[selct]", "mean 'select'"),
        ("seeds=3", "must be a list"),
        ("seeds=[]", "at least 1"),
        ("seeds=[1,1]", "must differ"),
        ("suites=[a,a]", "once"),
        ("variants=[{k: 3}]", "variants.0.method"),
        ("pool=3", "mapping"),
        ("gate.margin=.nan", "finite"),
        ("suites.9.path=x", "no index"),
        ("suites.x.path=x", "no index"),
        ("primary.x=1", "plain value"),
        ("nothing", "key=value"),
        ("=3", "key=value"),
        ("seeds=[1", "broken YAML"),
    ],
)
def test_a_mistake_is_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(sets=[text])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "must be a mapping"),
        ("seeds: [0, 1\nsuites: x\n", "line 2.*broken YAML"),
        ("seeds: [0]\nseeds: [1]\n", "line 2.*'seeds' is given twice"),
        ("preset: 3\n", "name of a preset"),
        ("seeds: [0]\n", "'suites' is required.*begin with `preset: quick`"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_missing_and_undecodable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_unknown_preset_suggests(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="mean 'quick'"):
        load(write(tmp_path, "preset: quik\n"))


# sources and their order


def test_later_sources_win(tmp_path: Path) -> None:
    file = write(tmp_path, "preset: quick\ntraining: {steps: 11}\nseeds: [7]\n")
    assert load(file).training.steps == 11
    assert load(file).training.batch == preset("quick")["training"]["batch"]
    environment = {"RSFT_BENCH_SET": "training.steps=12; training.batch=9"}
    assert load(file, environ=environment).training.steps == 12
    config = load(file, environ=environment, sets=["training.steps=13"])
    assert (config.training.steps, config.training.batch) == (13, 9)
    config = load(file, sets=["seeds=[1]"], overrides={"seeds": [2, 3]})
    assert config.seeds == (2, 3)
    assert load(file, environ={"RSFT_BENCH_SEEDS": "0-2"}).seeds == (0, 1, 2)


def test_preset_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    file = write(tmp_path, "preset: quick\nname: n\n")
    environment = {"RSFT_BENCH_PRESET": "sweep"}
    assert len(load(file).seeds) == 5
    assert len(load(file, environ=environment).seeds) == 3
    assert len(load(file, environ=environment, preset_name="smoke").seeds) == 2
    assert load_config(None, environ={}).stem == "quick"
    assert load_config(file, environ={}).stem == "n"


def test_paths_follow_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "preset: smoke\nsuites: [{name: sgd, path: data}, order_status]\n")
    monkeypatch.chdir(tmp_path.parent)
    assert load(file).suites[0].given["path"] == str((tmp_path / "data").resolve())
    moved = load(file, sets=["suites.0.path=other", "suites.1.limit=3"])
    assert moved.suites[0].given["path"] == str((tmp_path.parent / "other").resolve())
    assert moved.suites[1].given == {"limit": 3}


def test_limit_reaches_every_suite() -> None:
    assert [s.given["limit"] for s in load(limit=7).suites] == [7, 7]


def test_limit_has_its_place_in_the_order() -> None:
    """Environment, then --set, then the flag; each names every suite or the one it sets."""
    environment = {"RSFT_BENCH_LIMIT": "9", "RSFT_BENCH_SET": "suites.1.limit=8"}

    def limits(**more: Any) -> list[Any]:
        return [s.given.get("limit") for s in load(environ=environment, **more).suites]

    assert limits() == [9, 8]
    assert limits(sets=["suites.0.limit=5"]) == [5, 8]
    assert limits(sets=["suites.0.limit=5"], limit=3) == [3, 3]


def test_infinity_is_kept_and_written_as_a_word() -> None:
    config = load(sets=["variants=[sft, {method: rsft, lambda: .inf}]", "primary=null"])
    assert config.variants[1].given["lambda"] == math.inf
    assert config.resolved()["variants"][1]["lambda"] == "inf"


def test_hash_ignores_the_label_and_sees_the_rest() -> None:
    plain = load()
    assert load(sets=["name=x"]).config_hash() == plain.config_hash()
    assert load(sets=["training.steps=51"]).config_hash() != plain.config_hash()
    assert len(plain.config_hash()) == 8


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("training.steps=51", "training.steps"),
        ("seeds=[0,1,2,3,9]", "seeds.4"),
        ("seeds=[0]", "seeds"),
        ("suites.1.n_train=300", "suites.1.n_train"),
        ("suites.1.limit=3", "suites.1.limit"),
    ],
)
def test_first_difference_names_the_key(text: str, key: str) -> None:
    assert first_difference(load().resolved(), load(sets=[text]).resolved()) == key
    assert first_difference(load().resolved(), load().resolved()) is None


def test_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().training.steps = 3


def test_schema_lists_every_key() -> None:
    schema = config_schema()
    assert {"preset", "suites", "policies", "evaluation"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_examples_are_valid(file: Path) -> None:
    config = load(file)
    assert expand(config, METHODS)
    for spec in config.suites:
        assert set(spec.given) <= {p.name for p in SUITES.get(spec.name).options}


# training by policy


def test_a_policy_may_have_training_of_its_own() -> None:
    raw = {"suites": ["order_status"], "variants": ["sft"], "training": {"lr": 0.5, "steps": 7}}
    own = {"name": "seq2seq", "training": {"lr": 0.01}}
    config = parse_config({**raw, "policies": ["nano-1", own]})
    nano, other = (config.training_of(spec) for spec in config.policies)
    assert nano == config.training
    assert (other.lr, other.steps, other.batch) == (0.01, 7, config.training.batch)
    assert parse_config(config.resolved()) == config
    assert config.resolved()["policies"] == [{"name": "nano-1"}, own]
    for wrong, says in (({"lrr": 1}, "unknown key 'lrr'.*lr"), ({"lr": -1}, "lr.*greater than 0")):
        with pytest.raises(ConfigError, match=says) as caught:
            parse_config({**raw, "policies": [{**own, "training": wrong}]})
        assert "\n" not in str(caught.value)
