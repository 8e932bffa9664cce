"""Suites multiwoz and crosswoz on small hand-written files, and on the real ones where present."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import SPLITS, SuiteData
from rsft_bench.tasks import SUITES, reading
from rsft_bench.tasks.grounded.chinese import CHINESE, truth
from rsft_bench.tasks.grounded.logs import QUALITIES
from rsft_bench.tasks.grounded.matching import locate
from rsft_bench.tasks.grounded.suite import GroundedSuite
from rsft_bench.tasks.grounded.values_zh import forms, numeral, tokens
from rsft_bench.tasks.multiwoz_format import plain
from rsft_bench.tasks.validation import validate

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
NAMES = ("multiwoz", "crosswoz")


def suite(name: str) -> GroundedSuite:
    found = SUITES.get(name)
    assert isinstance(found, GroundedSuite)
    return found


def woz(i: int) -> dict[str, Any]:
    """Two turns: an inn with a price band, then a booking that denies a day."""
    state = {"hotel": {"book": {"booked": [], "people": "2"}, "semi": {"area": "north"}}}
    inn, ref = f"inn number {20 + i}", f"AB{300 + i}"
    booked = {"hotel": {"book": {"booked": [{"name": inn, "reference": ref}]}, "semi": {}}}
    quiet: dict[str, Any] = {"metadata": {}, "span_info": []}
    offer = {
        "Hotel-Inform": [["Name", inn], ["Internet", "none"], ["Choice", "many"]],
        "Hotel-Request": [["Stars", "?"]],
    }
    book = {"Booking-Book": [["Ref", ref]], "Booking-NoBook": [["Day", "monday"]]}
    return {
        "goal": {},
        "log": [
            {"text": "An inn in the north ?", "dialog_act": {}, **quiet},
            {
                "text": f"Many : there 's {inn} . How many stars ?",
                "dialog_act": offer,
                "metadata": state,
                "span_info": [],
            },
            {"text": "Please book it .", "dialog_act": {}, **quiet},
            {
                "text": f"Done , your code is {ref} .",
                "dialog_act": book,
                "metadata": booked,
                "span_info": [],
            },
        ],
    }


def cross(i: int) -> dict[str, Any]:
    """Two turns: a restaurant with its price, then what it has and has not."""
    name = f"第{'一二三四五六七八九'[i % 9]}{'东西南北'[i % 4]}食堂{i}"
    state = {"餐馆": {"名称": "", "selectedResults": [name]}}
    system = {"role": "sys", "sys_state": state, "sys_state_init": state}
    return {
        "messages": [
            {"role": "usr", "content": "找个餐馆。", "dialog_act": []},
            {
                **system,
                "content": f"推荐您去{name}，人均{40 + i}元。",
                "dialog_act": [
                    ["Recommend", "餐馆", "名称", name],
                    ["Inform", "餐馆", "人均消费", f"{40 + i}元"],
                ],
            },
            {"role": "usr", "content": "附近有酒店吗？", "dialog_act": []},
            {
                **system,
                "content": "抱歉，周边没有酒店。",
                "dialog_act": [["Inform", "餐馆", "周边酒店", "无"]],
            },
        ],
        "type": "单领域",
    }


MAKERS: dict[str, Callable[[int], dict[str, Any]]] = {"multiwoz": woz, "crosswoz": cross}
HOTELS = [{"name": f"inn number {20 + i}", "area": "north", "phone": "0122"} for i in range(60)]


def write(name: str, folder: Path, *stems: str, count: int = 60) -> Path:
    """Zipped files of some sides, each with its own dialogues; multiwoz with a database."""
    folder.mkdir(parents=True, exist_ok=True)
    for side in stems:
        body = {f"{side}{i}": MAKERS[name](i) for i in range(count)}
        with zipfile.ZipFile(folder / f"{side}.json.zip", "w") as archive:
            archive.writestr(f"{side}.json", json.dumps(body, ensure_ascii=False))
    if name == "multiwoz":
        (folder / "db").mkdir(exist_ok=True)
        (folder / "db" / "hotel_db.json").write_text(json.dumps(HOTELS))
    return folder


def load(name: str, folder: Path, seed: int = 0, **options: Any) -> SuiteData:
    return suite(name).load({"path": str(folder), **options}, seed)


# ---- values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("75元", "人均７５块钱。"),
        ("380元", "价格是三百八十元"),
        ("4.5分", "评分4.50"),
        ("4小时 - 6小时", "可以玩4-6小时"),
        ("2小时", "两小时左右"),
        ("010-81463366", "电话：010 - 81463366。"),
        ("010-81009999\xa0 010-81008002", "010-81009999、01081008002"),
        ("周一至周日 8:00 – 22:00", "周一至周日08:00-22:00"),
        ("20:00", "晚上8点"),
        ("8:30", "早上8点半"),
        ("姚记炒肝店（鼓楼店）", "有姚记炒肝店(鼓楼店)。"),
        ("2018年2月14日", "2018-02-14"),
    ],
)
def test_chinese_value_in_another_wording(value: str, text: str) -> None:
    assert locate(tokens(text), [forms(value)])[0] == [True]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("75元", "人均175元"),
        ("4.5分", "评分4.6分"),
        ("4小时 - 6小时", "可以玩4-5小时"),
        ("010-81463366", "电话010-81463367"),
        ("20:00", "早上8点"),
        ("姚记炒肝店（鼓楼店）", "有姚记炒肝店(双井店)。"),
    ],
)
def test_chinese_value_that_is_not_stated(value: str, text: str) -> None:
    assert locate(tokens(text), [forms(value)])[0] == [False]


@pytest.mark.parametrize(("text", "value"), [("十五", 15), ("三百零八", 308), ("两千", 2000),
                                             ("二〇", 20), ("一万二千", 12000)])  # fmt: skip
def test_chinese_numerals(text: str, value: int) -> None:
    assert numeral(text) == value


@pytest.mark.parametrize(
    ("text", "topics", "holds"),
    [
        ("酒店有无烟房。", ("无烟房",), True),
        ("抱歉，没有温泉，但有健身房。", ("温泉",), False),
        ("抱歉，没有温泉，但有健身房。", ("健身房",), True),
        ("不好意思，没有。", ("租车",), False),
        ("有的呢。", ("租车",), True),
        ("好。", ("租车",), None),
    ],
)
def test_chinese_yes_and_no(text: str, topics: tuple[str, ...], holds: bool | None) -> None:
    assert truth(text, topics) is holds


def test_a_denied_chinese_value_is_not_stated() -> None:
    read = tokens("不是故宫，是天坛")
    barred = CHINESE.denied("不是故宫，是天坛", read)
    assert locate(read, [forms("故宫"), forms("天坛")], (), barred)[0] == [False, True]


def test_tokenised_english_is_closed_up() -> None:
    assert plain("I do n't know john 's inn , sorry !") == "I don't know john's inn, sorry!"


# ---- suites


def test_multiwoz_prompt_and_judge_by_hand(tmp_path: Path) -> None:
    data = load("multiwoz", write("multiwoz", tmp_path, "test"))
    first = next(e for e in data.examples if e.example_id.endswith("test0-01"))
    assert first.prompt.split("\n") == [
        "Policy: State every value in the acts. Do not make one up.",
        "Record: name: inn number 20; area: north; phone: 0122",
        "Acts: inform(name=inn number 20, internet, choice=many); request(stars)",
        "Customer: An inn in the north?",
        "Agent:",
    ]
    judge = suite("multiwoz").judge
    assert [v["value"] for v in first.facts["values"]] == ["inn number 20"]
    assert judge(first, "There is inn number 20.").gold_pass
    assert not judge(first, "There is inn number 21.").gold_pass
    # One value stated and one made up (a phone number): 1 / (1 + 1).
    assert judge(first, "There is inn number 20, call 555.").gold == 0.5
    assert judge(first, first.prompt).gold == 0.0
    last = next(e for e in data.examples if e.example_id.endswith("-03"))
    # The denied day is shown, known and not required.
    assert "nobook(day=monday)" in last.prompt
    assert len(last.facts["values"]) == 1


def test_crosswoz_prompt_and_judge_by_hand(tmp_path: Path) -> None:
    data = load("crosswoz", write("crosswoz", tmp_path, "test"))
    assert {e.language for e in data.examples} == {"zh"}
    first = next(e for e in data.examples if e.example_id.endswith("test0-01"))
    assert first.prompt.split("\n") == [
        "Policy: 说出动作中的每个值，不要编造。",
        "Record: 餐馆: 第一东食堂0",
        "Acts: recommend(名称=第一东食堂0); inform(人均消费=40元)",
        "Customer: 找个餐馆。",
        "Agent:",
    ]
    judge = suite("crosswoz").judge
    assert judge(first, "您可以去第一东食堂0，人均四十元左右。").gold_pass
    assert judge(first, "您可以去第一东食堂0，人均41元左右。").gold == pytest.approx(1 / 3)
    assert judge(first, "第一东食堂0，40元").gold == 0.5
    absent = next(e for e in data.examples if e.example_id.endswith("-03"))
    assert judge(absent, "附近没有酒店呢。").gold_pass
    assert not judge(absent, "附近有酒店的。").gold_pass


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stems", [("test",), ("train", "val"), ("train", "val", "test")])
def test_any_subset_fills_disjoint_splits(
    name: str, stems: tuple[str, ...], tmp_path: Path
) -> None:
    data = load(name, write(name, tmp_path, *stems))
    homes: dict[str, str] = {}
    for example in data.examples:
        assert homes.setdefault(example.cluster, example.split) == example.split
    assert set(homes.values()) == set(SPLITS)
    assert set(data.report["cluster_unit"].values()) == {"dialogue"}
    assert any("new domains are not covered" in w for w in data.report["warnings"])
    assert data.report["ceiling"]["gold_pass"] == 1.0
    assert {x.example_id for x in data.logs} <= {
        e.example_id for e in data.examples if e.split == "train"
    }


# ---- files


def faults() -> dict[str, bytes]:
    good = json.dumps({"d1": {"log": [{"text": 3}], "messages": [{"role": "bot"}]}}).encode()
    return {
        "truncated": good[: len(good) // 2],
        "re-encoded": '{"d1": "é"}'.encode("latin-1"),
        "utf-16": good.decode().encode("utf-16"),
        "bom": b"\xef\xbb\xbf" + good,
        "wrong keys": good,
        "a list": b"[]",
        "empty": b"",
        "huge line": b'{"d1": "' + b"x" * 3_000_000,
        "binary": bytes(range(256)),
    }


@pytest.mark.parametrize("fault", sorted(faults()))
@pytest.mark.parametrize("name", NAMES)
def test_a_faulty_file_is_one_line_with_file_and_reason(
    name: str, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "test.json").write_bytes(faults()[fault])
    with pytest.raises(DataError, match=r"test\.json(:\d+)?: ") as caught:
        load(name, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert [p.name for p in tmp_path.iterdir()] == ["test.json"]


def test_zips_are_refused_where_they_are_no_single_small_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "test.json.zip"
    file.write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="not JSON|damaged archive"):
        load("multiwoz", tmp_path)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.json", "{}")
        archive.writestr("../b.json", "{}")
    with pytest.raises(DataError, match="2 files in the zip, expected one"):
        load("multiwoz", tmp_path)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../out.json", "[" + " " * 5000)
    monkeypatch.setattr(reading, "MAX_BYTES", 4000)
    with pytest.raises(DataError, match="larger than 4000 bytes unpacked"):
        load("multiwoz", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["test.json.zip"]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_folder_or_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder .*nowhere.* set `path`"):
        load(name, tmp_path / "nowhere")
    with pytest.raises(DataError, match="no train, val, test with .json"):
        load(name, tmp_path)


# ---- real data


@cache
def real(name: str) -> SuiteData:
    return load(name, SHARED / name)


class Loaded:
    """The suite with its data read once."""

    def __init__(self, name: str) -> None:
        self.name, self.version = name, "1"
        self.judge = suite(name).judge

    def load(self, options: Any, seed: int) -> SuiteData:
        return real(self.name)


def check_real(name: str, asked: int, recall: float, passed: float) -> None:
    report = real(name).report
    assert report["ceiling"]["n"] == asked
    assert report["ceiling"]["value_recall"] > recall
    assert report["ceiling"]["gold_pass"] > passed
    assert report["ceiling"]["harm_forbidden"] < 0.04
    found = validate(cast(Any, Loaded(name)), {}, 0)
    assert found.verdict != "cannot support a conclusion", found.reasons
    for floor, scores in found.floors.items():
        assert (scores["gold_pass"] or 0.0) <= 0.05, floor


def check_false_accepts(name: str) -> None:
    """Human answers with a value dropped, swapped or without a sentence around them."""
    examples = {e.example_id: e for e in real(name).examples}
    passed = {q: [0, 0] for q in QUALITIES}
    for log in real(name).logs:
        passed[log.quality][0] += suite(name).judge(examples[log.example_id], log.text).gold_pass
        passed[log.quality][1] += 1
    for quality in ("missing_value", "wrong_value"):
        accepted, total = passed[quality]
        assert total > 150
        assert accepted / total < 0.02, quality


@pytest.mark.shared("multiwoz")
def test_real_multiwoz() -> None:
    check_real("multiwoz", 4493, 0.98, 0.92)
    check_false_accepts("multiwoz")


@pytest.mark.shared("crosswoz")
def test_real_crosswoz() -> None:
    # 3,676 turns with values in Inform or Recommend: SOURCE.md's count.
    check_real("crosswoz", 3676, 0.98, 0.92)
    check_false_accepts("crosswoz")
