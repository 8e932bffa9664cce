"""Policy recorded: replays answers, names what it lacks, needs no torch."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.harness.errors import DataError, UserError
from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.policies.recorded import RECORDED, RecordedPolicy


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    return path


def load(tmp_path: Path, rows: list[Any]) -> RecordedPolicy:
    return RECORDED.load({"path": str(write(tmp_path / "a.jsonl", rows))})


def test_draws_are_replayed_in_order_by_id_or_prompt(tmp_path: Path) -> None:
    policy = load(
        tmp_path,
        [
            {"example_id": "a", "answers": ["a0", "a1", "a2"]},
            {"prompt": "Q:", "answers": ["q0", "q1"]},
        ],
    )
    found = policy.sample([("b", "Q:\n"), ("a", "Q:")], range(2))
    assert [(c.example_id, c.draw, c.text) for c in found] == [
        ("b", 0, "q0"), ("b", 1, "q1"), ("a", 0, "a0"), ("a", 1, "a1"),
    ]  # fmt: skip
    later = policy.sample([("a", "")], range(1, 3))
    assert [(c.draw, c.text) for c in later] == [(1, "a1"), (2, "a2")]
    assert policy.sample([("a", "")], range(0)) == []


def test_counts_and_unknown_logprob(tmp_path: Path) -> None:
    policy = load(tmp_path, [{"example_id": "a", "answers": ["It costs $5."]}])
    (only,) = policy.sample([("a", "Hi there")], range(1))
    # It, costs, $, 5, . and the stop token.
    assert (only.tokens_in, only.tokens_out, only.finish_reason) == (2, 6, "stop")
    assert math.isnan(only.logprob)
    assert count_tokens("") == 0
    assert policy.capabilities == {"sampler"}


def test_missing_examples_are_named_up_to_five(tmp_path: Path) -> None:
    policy = load(tmp_path, [{"example_id": "e0", "answers": ["x"]}])
    with pytest.raises(DataError, match=r"for 7 of 8 examples: e1, e2, e3, e4, e5, \.\.\.;"):
        policy.sample([(f"e{i}", "") for i in range(8)], range(1))
    with pytest.raises(DataError, match="fewer than 2 recorded answers for 1 of 1 examples: e0;"):
        policy.sample([("e0", "")], range(2))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([], "expected an object"),
        ({"answers": ["x"]}, "needs 'example_id' or 'prompt'"),
        ({"example_id": "a", "answers": "x"}, "'answers' must be a list of strings"),
        ({"example_id": "ok", "answers": ["x"]}, "example_id 'ok' occurs twice"),
    ],
)
def test_bad_lines(tmp_path: Path, row: Any, reason: str) -> None:
    with pytest.raises(DataError, match=f":2: {reason}"):
        load(tmp_path, [{"example_id": "ok", "answers": []}, row])


def test_unusable_path(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs 'path'"):
        RECORDED.load({})
    with pytest.raises(DataError, match="cannot read"):
        RECORDED.load({"path": str(tmp_path / "none")})
    (tmp_path / "bad").write_bytes(b"\n{")
    with pytest.raises(DataError, match=r"bad:2: not JSON"):
        RECORDED.load({"path": str(tmp_path / "bad")})


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [1])
    first = RECORDED.fingerprint({"path": str(path)})
    assert first == RECORDED.fingerprint({"path": str(path)})
    write(path, [2])
    assert first != RECORDED.fingerprint({"path": str(path)})


def test_no_torch_is_imported() -> None:
    code = (
        "import sys, rsft_bench.harness.policies.recorded, rsft_bench.tasks.sgd, "
        "rsft_bench.tasks.jsonl; sys.exit(bool({'torch', 'pandas', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
