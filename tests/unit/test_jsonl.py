"""Suite jsonl: a user's own rows by column mapping."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.types import SPLITS, SuiteData
from rsft_bench.tasks.jsonl import JSONL
from rsft_bench.tasks.own_judge import token_f1


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(r) for r in rows) + "\n", encoding="utf-8")
    return path


def load(path: Path, **options: Any) -> SuiteData:
    return JSONL.load({"path": str(path), **options}, 0)


def rows(n: int = 60) -> list[dict[str, Any]]:
    return [
        {"prompt": f"Where is order {i}?", "answers": [f"Order {i} is late."], "facts": [str(i)]}
        for i in range(n)
    ]


def one(tmp_path: Path, row: dict[str, Any], **options: Any) -> Any:
    """The example made from ``row``, beside enough others to fill every split."""
    path = write(tmp_path / "a.jsonl", [{"example_id": "me", **row}, *rows()])
    return next(e for e in load(path, **options).examples if e.example_id == "me")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Where is it?", "Customer: Where is it?\nAgent:"),
        ("Policy: none.\nCustomer: Hi\n", "Policy: none.\nCustomer: Hi\nAgent:"),
        ("Customer: Hi\nAgent: ", "Customer: Hi\nAgent:"),
    ],
)
def test_prompts_end_in_agent(tmp_path: Path, prompt: str, expected: str) -> None:
    assert one(tmp_path, {"prompt": prompt}).prompt == expected


# "the cat sat" -> {cat, sat}; "a cat cat" -> {cat: 2}; one word in common: P = 1/2, R = 1/2.
# "cat cat cat" against "cat": P = 1/3, R = 1, F1 = 2 * 1 / 4.
@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("The cat sat", "a cat cat", 0.5),
        ("cat cat cat", "cat", 0.5),
        ("Cat!", "the cat", 1.0),
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("a", "the", 1.0),
    ],
)
def test_token_f1_by_hand(answer: str, reference: str, expected: float) -> None:
    assert token_f1(answer, reference) == expected


def test_gold_is_share_of_facts(tmp_path: Path) -> None:
    example = one(tmp_path, {"prompt": "?", "facts": ["48213", "late"], "answers": "48213: late"})
    half, full = JSONL.judge(example, "It is late"), JSONL.judge(example, "48213 is late")
    assert (half.gold, half.gold_pass, full.gold, full.gold_pass) == (0.5, False, 1.0, True)
    # "48213 late" against "48213 is late": P = 1, R = 2/3.
    assert full.parts["f1"] == pytest.approx(0.8)
    assert JSONL.judge(example, "").gold == 0.0


def test_gold_is_best_f1_without_facts(tmp_path: Path) -> None:
    row = {"prompt": "?", "answers": ["it is late", "soon"], "label": ["good", "bad"]}
    example = one(tmp_path, row, pass_f1=0.8)
    assert JSONL.judge(example, "soon").gold_pass
    late = JSONL.judge(example, "it is very late")  # P = 3/4, R = 1, F1 = 6/7
    assert late.gold == pytest.approx(6 / 7)
    assert math.isnan(late.parts["facts"])
    assert late.gold_pass
    picky = one(tmp_path, row, reference_labels=["good"])
    assert JSONL.judge(picky, "soon").gold == 0.0


def test_gold_is_nan_without_facts_and_answers(tmp_path: Path) -> None:
    example = one(tmp_path, {"prompt": "?"})
    judged = JSONL.judge(example, "anything")
    assert math.isnan(judged.gold)
    assert not judged.gold_pass
    report = load(tmp_path / "a.jsonl").report
    assert report["unscored"] == 1
    assert "1 examples have neither" in report["warnings"][0]


def test_columns_labels_and_splits(tmp_path: Path) -> None:
    names = ("train", "proxy_label", "calibrate", "dev", "test")
    data = [
        {"q": "Hi", "a": ["x", "y"], "ok": ["good", "rude"], "fam": n, "kind": "late", "part": n,
         "key": n}
        for n in names
    ]  # fmt: skip
    mapping = {"prompt": "q", "answers": "a", "label": "ok", "cluster": "fam", "stratum": "kind",
               "split": "part", "example_id": "key"}  # fmt: skip
    found = load(write(tmp_path / "a.jsonl", data), columns=mapping)
    assert [(e.example_id, e.split) for e in found.examples] == list(
        zip(names, SPLITS, strict=True)
    )
    assert [(log.text, log.quality) for log in found.logs] == [("x", "good"), ("y", "rude")]
    assert {e.stratum for e in found.examples} == {"late"}
    assert {e.cluster for e in found.examples} == set(names)


def test_splits_are_made_by_cluster(tmp_path: Path) -> None:
    data = [{**r, "cluster": f"c{i // 3}"} for i, r in enumerate(rows(90))]
    found = load(write(tmp_path / "a.jsonl", data)).examples
    homes = {e.cluster: e.split for e in found}
    assert len(found) == 90
    assert set(homes.values()) == set(SPLITS)
    assert all(homes[e.cluster] == e.split for e in found)


def test_missing_test_split_is_made_from_the_other(tmp_path: Path) -> None:
    data = [{**r, "split": "train" if i < 40 else "test"} for i, r in enumerate(rows(60))]
    found = load(write(tmp_path / "a.jsonl", data)).examples
    tested = {int(e.facts["checks"]["facts"][0]) for e in found if e.split in ("select", "confirm")}
    assert tested == set(range(40, 60))
    assert {e.split for e in found} == set(SPLITS)


def test_cluster_in_two_splits_stays_in_the_later_one(tmp_path: Path) -> None:
    data = rows(60)
    data[0] |= {"split": "train", "cluster": "c"}
    data[1] |= {"split": "test", "cluster": "c"}
    found = load(write(tmp_path / "a.jsonl", data))
    # Rows 0 and 1 have the line numbers 1 and 2 as ids.
    assert "1" not in {e.example_id for e in found.examples}
    assert found.report["skipped"] == {"cluster also in a later split": 1}


def test_limit(tmp_path: Path) -> None:
    found = load(write(tmp_path / "a.jsonl", rows(90)), limit=2).examples
    assert [e.split for e in found] == [s for s in SPLITS for _ in range(2)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "expected an object, found list"),
        ('{"answers": "x"}', "no text in column 'prompt'"),
        ('{"prompt": ["x"]}', "column 'prompt' must be text, found list"),
        ('{"prompt": "x", "answers": [1]}', "column 'answers' must be a string or a list"),
        ('{"prompt": "x", "answers": ["a", "b"], "label": ["l", "m", "n"]}', "3 labels for 2"),
        ('{"prompt": "x", "split": "tset"}', "split 'tset' is none of train"),
        ('{"prompt": "x", "example_id": "1"}', "'1' occurs twice"),
    ],
)
def test_bad_line_is_named_with_its_number(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"prompt": "fine"}}\n\n{line}\n')
    with pytest.raises(DataError, match=reason) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "\n" not in str(caught.value)


def test_unusable_file_and_options(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read .*none.jsonl"):
        load(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no rows"):
        load(write(tmp_path / "empty.jsonl", []))
    with pytest.raises(DataError, match="leave .* empty"):
        load(write(tmp_path / "few.jsonl", rows(3)))
    for options in ({"pass_f1": 0}, {"limit": 0}, {"columns": {"x": "y"}}, {"path": None}):
        with pytest.raises(ConfigError, match="suite jsonl"):
            JSONL.load({"path": str(tmp_path / "few.jsonl"), **options}, 0)


def test_train_prompts_without_answers_are_extra_prompts(tmp_path: Path) -> None:
    """They are no part of D, so they are left out unless the pool asks for some of them."""
    data = rows(60) + [
        {"example_id": f"bare{i}", "prompt": f"And {i}?", "facts": [str(i)], "split": "train"}
        for i in range(5)
    ]
    data = [{"split": s, **r} for s, r in zip(list(SPLITS) * 13, data, strict=True)]
    path = write(tmp_path / "a.jsonl", data)
    plain, more, most = load(path), load(path, extra_prompts=3), load(path, extra_prompts=9)

    def bare(found: SuiteData) -> list[str]:
        return [e.example_id for e in found.examples if e.example_id.startswith("bare")]

    assert [len(bare(found)) for found in (plain, more, most)] == [0, 3, 5]
    assert set(bare(more)) < set(bare(most))
    assert plain.logs == more.logs == most.logs
    assert plain.report["skipped"] == {"train prompt without answers": 5}
    assert more.report["skipped"] == {"train prompt without answers": 2}
    assert not most.report["skipped"]
    assert not any("extra_prompts" in w for w in more.report["warnings"])
    assert any("asks for 4 more" in w for w in most.report["warnings"])
    # Prompts without answers elsewhere are answered as before.
    assert {e.example_id for e in plain.examples} <= {e.example_id for e in more.examples}


@pytest.mark.parametrize("field", ["cluster", "answers", "facts", "label", "stratum", "split"])
def test_a_mapped_column_that_no_row_has_is_refused(tmp_path: Path, field: str) -> None:
    path = write(tmp_path / "a.jsonl", rows())
    with pytest.raises(ConfigError, match=f"maps {field} to 'topik', which no row") as caught:
        load(path, columns={field: "topik"})
    assert "its columns: answers, facts, prompt" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load(path).examples  # a field left out may be absent
