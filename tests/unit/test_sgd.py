"""Suite sgd on small synthetic files in upstream's layout, and on the real ones where present."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.types import SPLITS, SuiteData
from rsft_bench.tasks.grounded.logs import QUALITIES, mixture
from rsft_bench.tasks.grounded.matching import locate
from rsft_bench.tasks.grounded.values_en import form, forms, tokens
from rsft_bench.tasks.sgd import SGD
from rsft_bench.tasks.splitting import SHARES, allocate, served, spread
from rsft_bench.tasks.validation import validate

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "sgd"


def user(text: str, service: str) -> dict[str, Any]:
    return {"speaker": "USER", "utterance": text, "frames": [{"service": service, "actions": []}]}


def action(act: str, slot: str = "", *pairs: tuple[str, str]) -> dict[str, Any]:
    return {
        "act": act,
        "slot": slot,
        "values": [v for v, _ in pairs],
        "canonical_values": [c for _, c in pairs],
    }


def dialogue(name: str, service: str, fare: int = 123, hour: int = 7) -> dict[str, Any]:
    """Two SYSTEM turns: one that only asks, one that offers a fare and a time."""
    system: dict[str, Any] = {
        "speaker": "SYSTEM",
        "utterance": f"Delta leaves at {hour} am for ${fare}. In which class?",
        "frames": [
            {
                "service": service,
                "slots": [],
                "actions": [
                    action("OFFER", "fare", (f"${fare}", str(fare))),
                    action("OFFER", "leaving_time", (f"{hour} am", f"{hour:02d}:00")),
                    action("INFORM", "has_wifi", ("True", "True")),
                    action("REQUEST", "class"),
                ],
                "service_call": {"method": "Find", "parameters": {"date": "2019-03-04"}},
                "service_results": [
                    {"fare": "999", "leaving_time": "23:00"},
                    {"seats": "4", "fare": str(fare), "leaving_time": f"{hour:02d}:00"},
                ],
            }
        ],
    }
    asks = {
        "speaker": "SYSTEM",
        "utterance": "Which day?",
        "frames": [{"service": service, "slots": [], "actions": [action("REQUEST", "date")]}],
    }
    turns = [user("A flight.", service), asks, user("On 4 March.", service), system]
    return {"dialogue_id": name, "services": [service], "turns": turns}


def write(folder: Path, sides: dict[str, list[dict[str, Any]]]) -> Path:
    for side, records in sides.items():
        (folder / side).mkdir(parents=True, exist_ok=True)
        (folder / side / "dialogues_001.json").write_text(json.dumps(records), encoding="utf-8")
    return folder


def many(side: str, services: int, per_service: int = 3) -> list[dict[str, Any]]:
    return [
        dialogue(f"{side}{i}_{j:05d}", f"{side}_{i}", fare=100 + 7 * i + j, hour=1 + (i + j) % 11)
        for i in range(services)
        for j in range(per_service)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sides = {"train": many("Train", 150, 2), "dev": many("Dev", 12), "test": many("Test", 12)}
    return write(tmp_path, sides)


def load(path: Path, seed: int = 0, **options: Any) -> SuiteData:
    return SGD.load({"path": str(path), **options}, seed)


# ---- values


@pytest.mark.parametrize(
    ("value", "canonical", "text"),
    [
        ("$1,320", "1320", "That is 1320 dollars."),
        ("$9.50", "9.50", "The fare is $9.5"),
        ("7:30 pm", "19:30", "It starts at 19:30."),
        ("7:30 pm", "19:30", "Seats at 7:30 P.M. are free"),
        ("7 pm", "19:00", "Come at 7 in the evening"),
        ("12 pm", "12:00", "at noon"),
        ("12 am", "00:00", "at midnight"),
        ("next Wednesday", "2019-03-06", "on March 6th"),
        ("March 9th", "2019-03-09", "Saturday next week"),
        ("March 9th", "2019-03-09", "on the 9th of March"),
        ("March 9th", "2019-03-09", "leaving the 9th"),
        ("tomorrow", "2019-03-02", "this Saturday"),
        ("day after tomorrow", "2019-03-03", "on 3/3"),
        ("today", "2019-03-01", "on Mar. 1"),
        ("O'Hare Airport", "O'Hare Airport", "from o’hare  airport"),
        ("Café Zoë", "Café Zoë", "the cafe zoe"),
        ("2", "2", "a table for two"),
        ("Amelia", "Amelia", "to Amelia's account"),
    ],
)  # fmt: skip
def test_value_is_stated_in_another_wording(value: str, canonical: str, text: str) -> None:
    assert locate(tokens(text), [forms(value, canonical)])[0] == [True]


@pytest.mark.parametrize(
    ("value", "canonical", "text"),
    [
        ("$1,320", "1320", "That is $1,230."),
        ("1", "1", "I found 10 of them at 1:30 pm for $1.50"),
        ("7:30 pm", "19:30", "It starts at 7:30 am."),
        ("7 am", "07:00", "for 7 people"),
        ("next Wednesday", "2019-03-06", "next week, on March 7th"),
        ("March 9th", "2019-03-09", "on April 9th"),
        ("March 9th", "2019-03-09", "this Saturday"),
        ("New York", "New York", "York is new"),
        ("checking", "checking", "check in"),
    ],
)
def test_value_is_not_stated(value: str, canonical: str, text: str) -> None:
    assert locate(tokens(text), [forms(value, canonical)])[0] == [False]


def test_one_mention_states_one_value_and_longer_values_are_placed_first() -> None:
    hotel, rooms = forms("1 Hotel Central Park", "1 Hotel Central Park"), forms("1", "1")
    assert locate(tokens("The 1 Hotel Central Park?"), [rooms, hotel])[0] == [False, True]
    assert locate(tokens("1 room in the 1 Hotel Central Park?"), [rooms, hotel])[0] == [True, True]
    both = [forms("checking", "checking")] * 2
    assert locate(tokens("from checking to savings"), both)[0] == [True, False]


def test_rival_values_do_not_state_the_value_they_contain() -> None:
    economy, premium = forms("Economy", "Economy"), form("Premium Economy")
    assert locate(tokens("Premium Economy it is"), [economy], [[premium]])[0] == [False]
    assert locate(tokens("Premium economy or economy"), [economy], [[premium]])[0] == [True]


@given(st.text(alphabet="0123456789/:.,$-apm thndsjur'", max_size=60) | st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    assert all(t.readings for t in tokens(text))
    assert form(text) == tuple(t.readings[0] for t in tokens(text))


def test_truth_values_have_no_form() -> None:
    assert forms("True", "True") == forms("None", "None") == forms("!", "!") == ()


# ---- prompt and judge


def test_prompt_has_history_record_acts_and_question_in_this_order(folder: Path) -> None:
    example = load(folder, n_select=100).examples[-1]
    lines = example.prompt.split("\n")
    assert [line.split(":")[0] for line in lines] == [
        "Policy", "Customer", "Agent", "Record", "Acts", "Customer", "Agent",
    ]  # fmt: skip
    values = example.facts["values"]
    fare, hour = (v["value"] for v in values)
    # The second result is the one that the acts speak of; its slots named in acts come first.
    assert lines[3].startswith(f"Record: fare: {fare[1:]}; leaving time: ")
    assert lines[3].endswith("; seats: 4")
    assert lines[4] == (
        f"Acts: offer(fare={fare}, leaving_time={hour}); inform(has_wifi=True); request(class)"
    )
    assert lines[5] == "Customer: On 4 March."
    assert example.prompt.endswith("\nAgent:")
    assert example.stratum == "inform+offer"


def test_no_history_and_long_history(tmp_path: Path) -> None:
    records = many("A", 20)
    for record in records:
        record["turns"][0]["utterance"] = "gosh " * 200
    data = load(write(tmp_path, {"train": records}), history_turns=0)
    assert all(e.prompt.count("Customer:") == 1 for e in data.examples)
    data = load(tmp_path, history_turns=5)
    assert all("gosh" not in e.prompt and "Which day?" in e.prompt for e in data.examples)
    assert all(len(e.prompt) <= 600 for e in data.examples)


def test_judge_by_hand(folder: Path) -> None:
    data = load(folder)
    example = next(e for e in data.examples if e.facts["values"][0]["value"] == "$100")
    hour = example.facts["values"][1]["value"]
    # Required: $100 and the time. has_wifi=True is unchecked. Known: March 4th and the 4 seats.
    assert example.facts["unchecked"] == 1
    good = SGD.judge(example, f"It is 100 dollars at {hour}. Which class?")
    assert (good.gold, good.gold_pass, good.parts["requests_asked"]) == (1.0, True, 1.0)
    context = SGD.judge(example, f"On March 4th {hour} is $100, 4 seats.")
    assert context.gold_pass
    assert context.parts["requests_asked"] == 0.0
    half = SGD.judge(example, "It is $100.")
    assert (half.gold, half.gold_pass, half.parts["missing"]) == (0.5, False, 0.5)
    # One of two values stated and one number made up: 1 / (2 + 1); one of two claims is invented.
    wrong = SGD.judge(example, "It is $100, or $55.")
    assert wrong.gold == pytest.approx(1 / 3)
    assert (wrong.parts["invented"], wrong.parts["harm_forbidden"]) == (0.5, 1.0)
    # Everything stated, but a time made up: no pass.
    assert not SGD.judge(example, f"$100 at {hour}, back at 11:59 pm").gold_pass


@pytest.mark.parametrize("text", ["", "   ", "???", "\x00", "None", "é" * 3000])
def test_judge_never_raises_and_gives_zero_without_values(folder: Path, text: str) -> None:
    judged = SGD.judge(load(folder).examples[0], text)
    assert (judged.gold, judged.gold_pass) == (0.0, False)


def test_requests_asked_is_nan_without_a_request(folder: Path) -> None:
    example = load(folder).examples[0]
    changed = replace(example, facts={**example.facts, "asks": False})
    assert math.isnan(SGD.judge(changed, "?").parts["requests_asked"])


def test_facts_survive_json(folder: Path) -> None:
    example = load(folder).examples[0]
    assert json.loads(json.dumps(example.facts)) == example.facts


# ---- splits and logs


def test_full_layout_uses_services_as_clusters(folder: Path) -> None:
    data = load(folder)
    assert data.report["cluster_unit"] == dict.fromkeys(("train", "dev", "test"), "services")
    by_split = {s: {e.cluster for e in data.examples if e.split == s} for s in SPLITS}
    assert by_split["select"] == {f"Dev_{i}" for i in range(12)}
    assert by_split["confirm"] == {f"Test_{i}" for i in range(12)}
    assert not by_split["train"] & by_split["proxy_label"]
    assert all(len(c) >= 10 for c in by_split.values())
    assert data.report["n_records"] == data.report["n_asked"] == 372
    assert data.report["skipped"] == {"no value in INFORM, OFFER, CONFIRM or INFORM_COUNT": 372}
    assert data.report["unchecked_values"] == 372
    assert data.report["ceiling"]["gold_pass"] == 1.0


def test_services_of_test_splits_are_dropped_from_training(tmp_path: Path) -> None:
    train = many("Train", 60) + many("Dev", 2)
    data = load(write(tmp_path, {"train": train, "dev": many("Dev", 12), "test": many("T", 12)}))
    assert data.report["skipped"]["service also in a test split"] == 6
    trained = {e.cluster for e in data.examples if e.split in ("train", "proxy_label", "calibrate")}
    assert not any(c.startswith("Dev") for c in trained)


def test_few_services_fall_back_to_dialogues_with_a_warning(tmp_path: Path) -> None:
    sides = {"train": many("A", 3, 20), "dev": many("B", 2, 9), "test": many("C", 12)}
    data = load(write(tmp_path, sides))
    assert data.report["cluster_unit"] == {
        "train": "dialogue",
        "dev": "dialogue",
        "test": "services",
    }
    assert sum("new services are not covered" in w for w in data.report["warnings"]) == 2
    assert all(e.cluster.startswith("train/") for e in data.examples if e.split == "train")


@pytest.mark.parametrize("sides", [("train",), ("dev",), ("test", "dev"), ("train", "test"), ("",)])
def test_any_subset_of_sides_fills_all_splits(tmp_path: Path, sides: tuple[str, ...]) -> None:
    data = load(write(tmp_path, {s: many(f"S{s}", 8, 6) for s in sides}))
    homes: dict[str, str] = {}
    for example in data.examples:
        assert homes.setdefault(example.cluster, example.split) == example.split
    assert set(homes.values()) == set(SPLITS)


def test_shared_services_everywhere_are_kept_with_a_warning(tmp_path: Path) -> None:
    same = many("S", 2, 10)
    data = load(write(tmp_path, {"train": same, "dev": same, "test": same}))
    assert any("none was dropped" in w for w in data.report["warnings"])
    assert len({e.example_id for e in data.examples}) == len(data.examples)


def test_seed_redraws_training_prompts_only(folder: Path) -> None:
    first, second = load(folder, 0, n_train=30), load(folder, 1, n_train=30)
    ids = [
        {s: [e.example_id for e in d.examples if e.split == s] for s in SPLITS}
        for d in (first, second)
    ]
    assert ids[0]["train"] != ids[1]["train"]
    assert [ids[0][s] for s in ("calibrate", "select", "confirm")] == [
        ids[1][s] for s in ("calibrate", "select", "confirm")
    ]
    assert load(folder, 0, n_train=30) == first


def test_limit_caps_each_split_and_spreads_over_clusters(folder: Path) -> None:
    data = load(folder, limit=5)
    for split in SPLITS:
        assert len({e.cluster for e in data.examples if e.split == split}) == 5
    assert len(data.logs) == 20


def test_logs_answer_train_examples_in_the_mixture_asked_for(folder: Path) -> None:
    data = load(folder, logs_per_prompt=8)
    examples = {e.example_id: e for e in data.examples if e.split == "train"}
    assert {log.example_id for log in data.logs} == set(examples)
    passes: dict[str, list[bool]] = {q: [] for q in QUALITIES}
    for log in data.logs:
        passes[log.quality].append(SGD.judge(examples[log.example_id], log.text).gold_pass)
    assert all(passes["human"])
    assert not any(passes["missing_value"] + passes["wrong_value"] + passes["terse"])
    n = len(data.logs)
    # Binomial with p = .5: |z| < 4.
    assert abs(len(passes["human"]) - n / 2) < 4 * math.sqrt(n / 4)


def test_mixture_is_normalised_and_checked() -> None:
    assert mixture({"human": 3, "terse": 1}, "sgd") == (0.75, 0.0, 0.0, 0.25)
    for bad in ({}, {"human": 0}, {"human": -1}, {"kind": 1}, "human", {"human": "all"}):
        with pytest.raises(ConfigError, match="mixture"):
            mixture(bad, "sgd")


def test_shares_of_hash_allocation() -> None:
    names = [f"c{i}" for i in range(4000)]
    found = allocate(names, SPLITS, "t")
    for split in SPLITS:
        expected = SHARES[split] * 4000
        assert abs(sum(s == split for s in found.values()) - expected) < 4 * math.sqrt(expected)
    fewer = allocate(names[:2000], SPLITS, "t")
    assert all(found[name] == split for name, split in fewer.items())
    assert set(allocate(names[:5], SPLITS, "t").values()) == set(SPLITS)


def test_every_split_is_served_once() -> None:
    assert served({"train", "select", "confirm"}) == {
        "train": ("train", "proxy_label", "calibrate"),
        "select": ("select",),
        "confirm": ("confirm",),
    }
    assert served({"confirm"})["confirm"][0] == "confirm"
    assert sorted(served({"confirm"})["confirm"]) == sorted(SPLITS)


def test_spread_takes_one_a_cluster_in_turn() -> None:
    items = ["a1", "a2", "a3", "b1", "c1"]
    rank = {"a": 0.0, "b": 0.1, "c": 0.2, "a1": 0.9, "a2": 0.1, "a3": 0.5, "b1": 0.0, "c1": 0.0}
    taken = [spread(items, lambda i: i[0], str, rank.__getitem__, n) for n in (2, 4)]
    assert taken == [["a2", "b1"], ["a2", "a3", "b1", "c1"]]


# ---- faults


def broken(change: str) -> Any:
    record = dialogue("1_00000", "S")
    frame = record["turns"][3]["frames"][0]
    match change:
        case "not a list":
            return {"dialogues": []}
        case "a number":
            return [record, 7]
        case "no id":
            del record["dialogue_id"]
        case "no utterance":
            del record["turns"][2]["utterance"]
        case "speaker":
            record["turns"][1]["speaker"] = "BOT"
        case "turns":
            record["turns"] = "none"
        case "values":
            frame["actions"][0]["values"] = [123]
        case "results":
            frame["service_results"] = [["fare"]]
    return [record]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("not a list", "dialogues_001.json: expected a list of dialogues, found dict"),
        ("a number", "dialogue 1: expected an object, found int"),
        ("no id", "dialogue 0: missing key 'dialogue_id'"),
        ("no utterance", r"dialogue 0 \(1_00000\) turn 2: missing key 'utterance'"),
        ("speaker", r"dialogue 0 \(1_00000\) turn 1: 'speaker' is 'BOT'"),
        ("turns", r"dialogue 0 \(1_00000\): 'turns' must be list, found str"),
        ("values", r"turn 3 frame S: 'values' must be a list of strings"),
        ("results", r"turn 3 frame S: 'service_results' must hold objects"),
    ],
)
def test_malformed_file_is_one_line_with_file_record_and_reason(
    tmp_path: Path, change: str, message: str
) -> None:
    (tmp_path / "dialogues_001.json").write_text(json.dumps(broken(change)))
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path)
    assert "dialogues_001.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"[{", b"\xff\xfe", b""])
def test_file_that_is_no_json(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "dialogues_9.json").write_bytes(raw)
    with pytest.raises(
        DataError, match=r"dialogues_9.json(?::1)?: (?:is UTF-16|the file is empty|not JSON)"
    ):
        load(tmp_path)


def test_missing_folder_no_file_twice_the_same_and_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder .*nowhere.* set `path`"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no dialogues_\*.json"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="needs `path`"):
        SGD.load({}, 0)
    with pytest.raises(ConfigError, match="n_train is 0"):
        load(tmp_path, n_train=0)
    with pytest.raises(DataError, match="2 dialogues .* leave"):
        load(write(tmp_path / "few", {"train": many("A", 1, 2)}))
    with pytest.raises(DataError, match="'1_00000' occurs twice"):
        load(write(tmp_path / "twice", {"dev": [dialogue("1_00000", "S")] * 2}))


# ---- real data


@cache
def real(seed: int = 0) -> SuiteData:
    return load(REAL, seed)


@pytest.mark.shared("sgd")
def test_real_ceiling_and_sizes() -> None:
    report = real().report
    assert report["n_files"] == 12
    assert report["n_records"] == 1258
    assert report["n_turns"] == 8467
    # 3,534 turns with values, less those with only True, False or None: SOURCE.md's count.
    only = report["skipped"]["only values without words of their own (True, False, None)"]
    assert report["n_asked"] + only == 3534
    assert report["ceiling"]["n"] == 3478
    assert report["ceiling"]["value_recall"] > 0.99
    assert report["ceiling"]["gold_pass"] > 0.98
    assert report["ceiling"]["harm_forbidden"] < 0.01
    assert report["long_prompts"] == 0
    assert 0 < report["prompts_without_oldest_turns"] < 100


@pytest.mark.shared("sgd")
def test_real_copies_of_the_prompt_are_no_answers() -> None:
    """Copying the prompt used to score 1.0; a dump of the record still states some values."""
    report = validate(SGD, {"path": str(REAL)}, 0)
    for name in ("copy", "record", "acts", "policy", "dump", "dump_policy", "empty", "yes"):
        assert (report.floors[name]["gold_pass"] or 0.0) <= 0.02, name
    assert (report.ceiling["gold_pass"] or 0.0) > 0.96


@pytest.mark.shared("sgd")
def test_real_splits_are_disjoint_and_full() -> None:
    data = real()
    sizes = {s: [e.cluster for e in data.examples if e.split == s] for s in SPLITS}
    assert [len(sizes[s]) for s in SPLITS] == [256, 100, 60, 120, 150]
    assert all(len(set(sizes[s])) >= 30 for s in SPLITS)
    assert sum(len(set(c)) for c in sizes.values()) == len({e.cluster for e in data.examples})
    trained = {n for s in ("train", "proxy_label", "calibrate") for n in data.report["services"][s]}
    tested = {n for s in ("select", "confirm") for n in data.report["services"][s]}
    assert not trained & tested
    assert len(data.logs) == 1024
    fixed = [e for e in data.examples if e.split in ("calibrate", "select", "confirm")]
    assert fixed == [e for e in real(1).examples if e.split in ("calibrate", "select", "confirm")]


@pytest.mark.shared("sgd")
def test_real_damaged_answers_are_not_accepted() -> None:
    examples = {e.example_id: e for e in real().examples}
    passed = {q: [0, 0] for q in QUALITIES}
    for log in real().logs:
        passed[log.quality][0] += SGD.judge(examples[log.example_id], log.text).gold_pass
        passed[log.quality][1] += 1
    for quality in ("missing_value", "wrong_value"):
        accepted, total = passed[quality]
        assert total > 150
        assert accepted / total < 0.02
    assert passed["terse"][1] > 50
    assert passed["terse"][0] == 0
