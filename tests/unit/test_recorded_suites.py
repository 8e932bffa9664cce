"""Suites of recorded answers: what they read, what they leave out, what they refuse."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.policies.pool import POOL
from rsft_bench.harness.types import SuiteData
from rsft_bench.tasks import SUITES
from rsft_bench.tasks.validation import validate


def dstc9(folder: Path, turns: int = 40) -> Path:
    """Turns about ``turns`` hotels; system a is rated 5,4,3 and b 1,2,3; the last turn is half."""
    docs = {
        str(i): {
            "name": f"Inn {i}",
            "city": "Ghent",
            "docs": {"7": {"title": "Pool?", "body": "No."}},
        }
        for i in range(turns)
    }
    asked = [
        {
            "target": True,
            "response": "There is none.",
            "knowledge": [{"domain": "hotel", "entity_id": i, "doc_id": 7}],
        }
        for i in range(turns)
    ]
    unknown = {"domain": "hotel", "entity_id": "x", "doc_id": 7}
    labels = [*asked, {"target": False}, {**asked[0], "knowledge": [unknown]}]
    rates = {
        "a": {"accuracy": [5, 4, 3], "appropriateness": [5, 5, 5]},
        "b": {"accuracy": [1, 2, 3], "appropriateness": [1, 1, 1]},
    }
    for name, rate in rates.items():
        place = folder / "results" / name
        place.mkdir(parents=True)
        texts = [{"target": True, "response": f"{name} says no to {i}."} for i in range(turns)]
        write(place / "entry0.json", [*texts, {"target": False}, texts[0]])
        rated = [rate] * turns
        rated[-1] = rate if name == "a" else None
        write(place / "entry0.human_eval.json", [*rated, None, rate])
    write(folder / "labels.json", labels)
    write(folder / "knowledge.json", {"hotel": docs})
    return folder


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def pair(before: str, chosen: str, rejected: str, other: str | None = None) -> dict[str, str]:
    turn = "\n\nHuman: {}\n\nAssistant: {}"
    return {
        "chosen": turn.format(before, chosen),
        "rejected": turn.format(other or before, rejected),
    }


def hh(folder: Path) -> Path:
    pairs = [
        pair(f"May I return lamp {i}?", f"Yes, within {i} days.", "No idea.") for i in range(30)
    ]
    pairs += [pair("a", "b", "c", other="d"), pair("e", "", "f")]
    lines = "\n".join(json.dumps(p) for p in pairs)
    folder.mkdir(exist_ok=True)
    (folder / "test.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def taskmaster(folder: Path) -> Path:
    def record(i: int, turn: dict[str, Any], reward: Any) -> dict[str, Any]:
        context = [{"role": "user", "text": f"A latte, order {i}"}]
        return {"context": json.dumps(context), "generation": json.dumps(turn), "reward": reward}

    records = [record(i, {"role": "agent", "text": "Sure, a latte."}, 1.0) for i in range(20)]
    records += [record(i, {"role": "agent", "api": {"tea": {}}}, "0.0") for i in range(20)]
    folder.mkdir(exist_ok=True)
    write(folder / "reward_03.json", records)
    return folder


def uss(folder: Path) -> Path:
    session = (
        "USER\tIs it open?\tASK\t3,3,3\nSYSTEM\tYes, until {}.\tINFORM\t\n"
        "USER\tThanks!\tBYE\t{}\nSYSTEM\tBye.\tBYE\t\nUSER\tOVERALL\t\t4,4,4\n"
    )
    folder.mkdir(exist_ok=True)
    texts = [session.format(i, "4,4,5" if i % 2 else "2,3,2") for i in range(20)]
    (folder / "SGD.txt").write_text("\n".join(texts), encoding="utf-8")
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "dstc9_track1": dstc9,
    "hh_rlhf": hh,
    "taskmaster_reward": taskmaster,
    "uss": uss,
}
FILES = {
    "dstc9_track1": "results/a/entry0.human_eval.json",
    "hh_rlhf": "test.jsonl.gz",
    "taskmaster_reward": "reward_03.json",
    "uss": "SGD.txt",
}


def load(name: str, folder: Path, **options: Any) -> SuiteData:
    return SUITES.get(name).load({"path": str(folder), **options}, 0)


def test_dstc9_gold_is_the_mean_of_the_raters_and_splits_share_no_entity(tmp_path: Path) -> None:
    data = load("dstc9_track1", dstc9(tmp_path))
    suite = SUITES.get("dstc9_track1")
    assert data.report["skipped"] == {
        "turn that not every system has rated answers to": 1,
        "turn without a question to the knowledge": 1,
        "turn whose gold document is not in knowledge.json": 1,
    }
    assert len(data.examples) == 39
    first = data.examples[0]
    judged = [suite.judge(first, text) for text in first.facts["texts"]]
    # Means 4 and 2 of 5: (4 - 1)/4 and (2 - 1)/4.
    assert [(j.gold, j.gold_pass, j.parts["appropriateness"]) for j in judged] == [
        (0.75, True, 1.0),
        (0.25, False, 0.0),
    ]
    assert math.isnan(suite.judge(first, "something else").gold)
    homes: dict[str, set[str]] = {}
    for e in data.examples:
        homes.setdefault(e.cluster, set()).add(e.split)
    assert all(len(splits) == 1 for splits in homes.values())
    assert {e.split for e in data.examples} == {"proxy_label", "select", "confirm"}
    assert [a.quality for a in data.pool[:2]] == ["a/entry0", "b/entry0"]


def test_equal_texts_share_their_label(tmp_path: Path) -> None:
    folder = dstc9(tmp_path)
    same = json.loads((folder / "results/a/entry0.json").read_text())
    write(folder / "results/b/entry0.json", same)
    data = load("dstc9_track1", folder)
    assert SUITES.get("dstc9_track1").judge(data.examples[0], data.pool[0].text).gold == 0.5
    assert data.report["equal_texts"] == 39


def test_hh_pairs_are_cut_at_the_last_answer_and_others_counted(tmp_path: Path) -> None:
    data = load("hh_rlhf", hh(tmp_path))
    assert data.report["skipped"] == {
        "pair whose transcripts differ before the last answer": 1,
        "pair with an empty answer": 1,
    }
    e = data.examples[0]
    assert e.prompt == "Customer: May I return lamp 0?\nAgent:"
    suite = SUITES.get("hh_rlhf")
    assert suite.judge(e, "Yes, within 0 days.").gold == 1.0
    assert suite.judge(e, "No idea.").gold == 0.0
    # The better answer stands in either place.
    assert {x.facts["grades"][0] for x in data.examples} == {0.0, 1.0}


def test_taskmaster_groups_answers_by_context(tmp_path: Path) -> None:
    data = load("taskmaster_reward", taskmaster(tmp_path))
    assert len(data.examples) == 20
    e = data.examples[0]
    assert e.facts["texts"] == ["Sure, a latte.", 'call {"tea": {}}']
    assert e.facts["grades"] == [1.0, 0.0]


def test_uss_rates_the_answer_before_the_rated_line(tmp_path: Path) -> None:
    data = load("uss", uss(tmp_path))
    assert data.report["skipped"] == {
        "customer's line without an answer before it": 20,
        "rating of a whole dialogue": 20,
    }
    e = data.examples[1]
    assert e.facts["texts"] == ["Yes, until 1."]
    assert e.prompt == "Customer: Is it open?\nAgent:"
    assert e.facts["grades"] == [pytest.approx((13 / 3 - 1) / 4)]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    "fault", ["cut", "latin", "bom", "shape", "empty", "binary", "utf16", "huge"]
)
def test_a_wrong_file_is_one_line_with_its_name(name: str, fault: str, tmp_path: Path) -> None:
    folder = MAKERS[name](tmp_path)
    file = folder / FILES[name]
    whole = gzip.decompress(file.read_bytes()) if name == "hh_rlhf" else file.read_bytes()
    wrong = {
        "cut": whole[: len(whole) // 2 + 1],
        "latin": whole[:9] + b"\xe9" + whole[9:],
        "bom": b"\xef\xbb\xbf" + whole,
        "shape": b'{"a": 1}\n',
        "empty": b"",
        "binary": bytes(range(256)),
        "utf16": whole.decode().encode("utf-16"),
        "huge": b"x" * 3_000_000,
    }[fault]
    if fault == "cut" and name == "hh_rlhf":
        file.write_bytes(gzip.compress(whole)[:200])
    else:
        file.write_bytes(gzip.compress(wrong) if name == "hh_rlhf" else wrong)
    if name == "uss" and fault == "cut":
        wrong = whole.replace(b"4,4,5", b"4,9,5", 1)
        file.write_bytes(wrong)
    with pytest.raises(DataError) as caught:
        load(name, folder)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 1000
    assert file.name in text or str(folder) in text


@pytest.mark.parametrize("name", MAKERS)
def test_no_path_and_no_files_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs `path`"):
        SUITES.get(name).load({}, 0)
    with pytest.raises(DataError, match=str(tmp_path)):
        load(name, tmp_path)
    with pytest.raises(ConfigError, match="limit is 0"):
        load(name, MAKERS[name](tmp_path), limit=0)


def test_the_pool_policy_replays_in_order(tmp_path: Path) -> None:
    from dataclasses import asdict

    from rsft_bench.harness.recorded_data import POOL_FILE
    from rsft_bench.harness.store import write_rows
    from rsft_bench.harness.types import Sampling

    data = load("dstc9_track1", dstc9(tmp_path / "d"))
    write_rows(tmp_path / POOL_FILE, [asdict(a) for a in data.pool])
    policy = POOL.load({}).over(tmp_path)
    e = data.examples[3]
    drawn = policy.sample([(e.example_id, e.prompt)], range(2), Sampling(), 0, "test")
    assert [c.text for c in drawn] == e.facts["texts"]


def test_validate_says_what_rewards_learn_from_labels(tmp_path: Path) -> None:
    found = validate(SUITES.get("hh_rlhf"), {"path": str(hh(tmp_path))}, 0)
    # Chosen answers share their words, so words alone order every pair.
    assert found.rewards["bradley_terry"]["auc_in_prompt"] == 1.0
    assert found.floors["majority"]["gold_pass"] == 0.5
    assert found.verdict == "warn"


REAL = {
    "dstc9_track1": (1739, 2442),
    "hh_rlhf": (2303, 9),
    "taskmaster_reward": (317, 0),
    "uss": (11833, 2000),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.shared(n)) for n in REAL])
def test_the_real_files_are_read_whole(name: str, shared_data: Path) -> None:
    data = load(name, shared_data / name)
    skipped = sum(data.report["skipped"].values())
    assert (len(data.examples), skipped) == REAL[name]
