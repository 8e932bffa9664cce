"""The same rows as JSON Lines, CSV and Parquet; conversations; checks by option and by column."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.types import Suite
from rsft_bench.tasks.jsonl import CSV, JSONL, PARQUET

CHAT = [
    {"role": "system", "content": "Be kind.\nAlways."},
    {"role": "user", "content": "Where is order 7?"},
    {"role": "assistant", "content": "Which name?"},
    {"role": "user", "content": [{"type": "text", "text": "Ann"}]},
    {"role": "assistant", "content": "It arrives on 14 March."},
]
PROMPT = "Policy: Be kind. Always.\nCustomer: Where is order 7?\nAgent: Which name?\nCustomer: Ann"


def rows() -> list[dict[str, Any]]:
    plain = [
        {"prompt": f"Order {i}?", "answers": ["Late, sorry.", "Soon."], "facts": ["late"]}
        for i in range(40)
    ]
    return [{"example_id": f"r{i}", "cluster": f"c{i // 2}", **r} for i, r in enumerate(plain)]


def write(folder: Path, kind: str, data: list[dict[str, Any]]) -> Path:
    path = folder / f"a.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in data))
    elif kind == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(k for r in data for k in r)))
            writer.writeheader()
            writer.writerows(
                {k: json.dumps(v) if isinstance(v, list) else v for k, v in r.items()} for r in data
            )
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(data), path)
    return path


SUITES = {"jsonl": JSONL, "csv": CSV, "parquet": PARQUET}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_format_gives_the_same_data(kind: str, tmp_path: Path) -> None:
    suite: Suite = SUITES[kind]
    expected = JSONL.load({"path": str(write(tmp_path, "jsonl", rows()))}, 0)
    assert suite.load({"path": str(write(tmp_path, kind, rows()))}, 0) == expected
    assert len(expected.examples) == 40


@pytest.mark.parametrize("kind", list(SUITES))
def test_conversations_in_every_format(kind: str, tmp_path: Path) -> None:
    # Arrow has no column of texts and lists mixed; a conversation may be its JSON text anywhere.
    talk = json.dumps(CHAT) if kind == "parquet" else CHAT
    data = [
        {"id": f"m{i}", "talk": talk, "must_say": ["2024-03-14"], "lang": "en"} for i in range(20)
    ]
    mapping = {"messages": "talk", "example_id": "id", "facts": "must_say", "language": "lang"}
    options = {"path": str(write(tmp_path, kind, data)), "columns": mapping}
    found = SUITES[kind].load(options, 0).examples
    assert {e.prompt for e in found} == {f"{PROMPT}\nAgent:"}
    assert {e.references for e in found} == {("It arrives on 14 March.",)}
    assert SUITES[kind].judge(found[0], "on March 14th").gold_pass
    assert not SUITES[kind].judge(found[0], "on March 15th").gold_pass


def test_semicolons_and_plain_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [f"Where is {i}?;[sic] It is {i}.;{i}" for i in range(40)]
    path.write_text("prompt;answers;facts\n" + "\n".join(lines))
    options = {"path": str(path), "delimiter": ";"}
    found = CSV.load(options, 0).examples
    assert all(e.references[0].startswith("[sic] It is ") for e in found)
    with pytest.raises(ConfigError, match="delimiter is ';;', must be one character"):
        CSV.load({**options, "delimiter": ";;"}, 0)
    with pytest.raises(
        DataError, match="no text in column 'prompt'; set `columns`; it has: prompt;"
    ):
        CSV.load({"path": str(path)}, 0)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("nothing", "messages are no JSON"),
        ({"role": "user"}, "messages must be a list, found dict"),
        ([{"role": "boss", "content": "x"}], "message 0: role 'boss' is none of system,"),
        ([{"role": "user", "content": None}], "message 0: no text in content"),
        ([{"role": "user", "content": [{"type": "image"}]}], "message 0: content holds parts"),
        ([{"role": "assistant", "content": "Hi"}], "nothing of a customer"),
        (["hello"], "message 0: expected {role, content}, found str"),
    ],
)
def test_bad_conversation_is_one_line(tmp_path: Path, messages: Any, reason: str) -> None:
    path = write(tmp_path, "jsonl", [{"messages": messages}])
    with pytest.raises(DataError) as caught:
        JSONL.load({"path": str(path)}, 0)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{path}:1: ")


def test_checks_of_option_and_columns(tmp_path: Path) -> None:
    data = rows()
    data[0] |= {"example_id": "me", "forbids": "free", "hands_over": True}
    path = write(tmp_path, "jsonl", data)
    options = {"path": str(path), "checks": ["polite", {"max_words": 6}]}
    found = {e.example_id: e for e in JSONL.load(options, 0).examples}
    other = next(e for name, e in found.items() if name != "me")
    # polite 1, max_words 1, facts 1; the row has nothing else.
    judged = JSONL.judge(other, "Sorry, it is late.")
    assert (judged.gold, judged.gold_pass) == (1.0, True)
    assert math.isnan(judged.parts["forbids"])
    # facts 1, polite 0, max_words 1.
    assert JSONL.judge(other, "It is late.").gold == pytest.approx(2 / 3)
    # polite 1, max_words 0 (nine words), facts 1, forbids 0, hands over 1.
    mine = JSONL.judge(found["me"], "Sorry, late, but free. A colleague will call you.")
    assert mine.gold == pytest.approx(3 / 5)
    assert mine.parts["forbids"] == 0.0
    with pytest.raises(ConfigError, match="suite jsonl: no check 'nice'; known: facts,"):
        JSONL.load({"path": str(path), "checks": ["nice"]}, 0)
    with pytest.raises(DataError, match=r":1: column 'hands_over': check .* takes yes, no"):
        JSONL.load({"path": str(write(tmp_path, "jsonl", [{"prompt": "x", "hands_over": "x"}]))}, 0)
