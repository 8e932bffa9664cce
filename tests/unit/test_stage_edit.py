"""An edit of one stage's source reruns its descendants and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from toy_suite import SUITES

from rsft_bench.harness import nodes
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.runner import run
from rsft_bench.harness.stages import select
from rsft_bench.harness.store import Store

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=2,lambda=1]"
SELECT = "rsft_bench.harness.stages.select"


@pytest.fixture
def again(tiny_lm_folder: Path, tmp_path: Path) -> Any:
    """Runs one config into a new folder each time; counts the artifacts made since, by stage."""
    config = parse_config(
        {
            "policies": [{"name": "causal_lm", "path": str(tiny_lm_folder)}],
            "suites": [{"name": "toy", "n": 6}],
            "seeds": [0],
            "variants": ["sft", "sft_more", ARGMAX],
            "primary": ARGMAX,
            "pool": {"max_new_tokens": 4},
            "training": {"lr": 1e-2, "batch": 2, "sft_steps": 2, "steps": 2},
            "reward": {"n_label": 24},
            "evaluation": {
                "draws": 2,
                "best_of_draws": 2,
                "primary_draws": 2,
                "temperatures": [],
                "serve_prompts": 1,
            },
        }
    )
    known: set[str] = set()
    store = Store(tmp_path / "cache")

    def once() -> Counter[str]:
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        run(config, TOY, out, workers=0, cache=store.root)
        made = {key: stage for key, stage, _, _ in store.entries() if key not in known}
        known.update(made)
        return Counter(made.values())

    return once


def edit(patch: pytest.MonkeyPatch, module: str) -> None:
    """The source of one module has another hash."""
    hashed = nodes.source_hash

    def source_hash(name: str) -> str:
        return hashed(name) + " edited" * (name == module)

    patch.setattr(nodes, "source_hash", source_hash)


def test_an_edit_that_changes_select_reruns_exactly_its_descendants(
    again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = again()
    # One pool range, proxy labels, and two test splits of three arms.
    assert first == {
        "data": 1,
        "trainset": 1,
        "base": 1,
        "proxy": 1,
        "select": 1,
        "fit": 3,
        "sample": 1 + 1 + 3 * 2,
        "score": 1 + 1 + 3 * 2,
        "serve": 1,
    }
    assert not again()
    write = select.write_rows

    def write_more(path: Path, rows: list[dict[str, Any]]) -> None:
        write(path, [{**row, "edited": True} for row in rows])

    edit(monkeypatch, SELECT)
    monkeypatch.setattr(select, "write_rows", write_more)
    # The arm's fit holds equal weights, since the field is harmless: what follows is found again.
    assert again() == {"select": 1, "fit": 1}
    assert not again()


def test_descendants_rerun_as_far_as_content_changes(
    again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    again()
    write = select.write_rows

    def write_other(path: Path, rows: list[dict[str, Any]]) -> None:
        write(path, [{**row, "text": row["text"] + " indeed"} for row in rows])

    edit(monkeypatch, SELECT)
    monkeypatch.setattr(select, "write_rows", write_other)
    # Other weights: the arm's two test splits are drawn and judged again, and requests timed.
    assert again() == {"select": 1, "fit": 1, "sample": 2, "score": 2, "serve": 1}


def test_an_edit_without_effect_stops_at_its_own_stage(
    again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    again()
    edit(monkeypatch, SELECT)
    assert again() == {"select": 1}


def test_a_suite_edit_reruns_data_and_scores_only(
    again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge that says the same: no answer is drawn again, nothing is trained again."""
    again()
    edit(monkeypatch, SUITES.get("toy").code[0])
    assert again() == {"data": 1, "score": 8}
