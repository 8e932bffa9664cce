"""Readers of data files and, for each, how to make a tiny valid folder: one row a reader.

Adapters join by adding a row to READERS; ``tests/unit/test_readers.py`` then damages the file named
in every way that it knows and expects one clear error each.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import real_files


@dataclass(frozen=True)
class Reader:
    """A suite that reads files.

    ``make(folder)`` writes valid files below ``folder``, enough for ``suite.load``, and gives the
    option ``path``. ``target`` is the file to damage, relative to ``folder``; its text holds
    ``column`` (bytes of a field name that the reader needs, quotes included where the format has
    them), ``text`` (bytes inside a text) and a character beyond ASCII. ``unwrap`` and ``wrap``
    take the file's bytes to its text and back, for archives. ``binary`` marks a format that is no
    text, where only cut off, empty, wrong-column and other binary files make sense.
    """

    name: str
    make: Callable[[Path], Path]
    target: str
    column: bytes
    text: bytes
    options: dict[str, Any] = field(default_factory=dict)
    unwrap: Callable[[bytes], bytes] = bytes
    wrap: Callable[[bytes], bytes] = bytes
    binary: bool = False


def own_rows(n: int = 60) -> list[dict[str, Any]]:
    """Rows of a user's own file."""
    return [
        {
            "prompt": f"Wo ist die Rückgabe {i}?",
            "answers": f"Die Rückgabe {i} ist unterwegs.",
            "facts": f"{i}",
            "cluster": f"c{i}",
        }
        for i in range(n)
    ]


def make_jsonl(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in own_rows()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_csv(folder: Path) -> Path:
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(own_rows()[0]))
        writer.writeheader()
        writer.writerows(own_rows())
    return path


def make_parquet(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(own_rows()), path)
    return path


def _turn(speaker: str, utterance: str, *actions: dict[str, Any]) -> dict[str, Any]:
    return {
        "speaker": speaker,
        "utterance": utterance,
        "frames": [{"service": "Cafés_1", "slots": [], "actions": list(actions)}],
    }


def make_sgd(folder: Path) -> Path:
    dialogues = [
        {
            "dialogue_id": f"1_{i:05d}",
            "services": ["Cafés_1"],
            "turns": [
                _turn("USER", f"How much is the tea at number {i}?"),
                _turn(
                    "SYSTEM",
                    f"The tea costs ${i + 3}.",
                    {
                        "act": "INFORM",
                        "slot": "price",
                        "values": [f"${i + 3}"],
                        "canonical_values": [f"{i + 3}"],
                    },
                ),
            ],
        }
        for i in range(40)
    ]
    text = json.dumps(dialogues, ensure_ascii=False, indent=1)
    (folder / "dialogues_001.json").write_text(text, encoding="utf-8")
    return folder


READERS = [
    Reader("jsonl", make_jsonl, "rows.jsonl", b'"prompt"', b"Wo ist die"),
    Reader("csv", make_csv, "rows.csv", b"prompt,", b"Wo ist die"),
    Reader("parquet", make_parquet, "rows.parquet", b"", b"", binary=True),
    Reader("sgd", make_sgd, "dialogues_001.json", b'"utterance"', b"How much is"),
    Reader("banking77", real_files.banking77, "train.csv", b"text,", b"please"),
    Reader("clinc_oos", real_files.clinc_oos, "data_small.json", b'"train"', b"please"),
    Reader("ecommerce_faq", real_files.ecommerce_faq, "Shop_FAQ.json", b'"answer"', b"boxes"),
    Reader("abcd", real_files.abcd, "guidelines.json", b'"button"', b"order number"),
    Reader("bitext", real_files.bitext, "sample.csv", b"intent,", b"cancel it"),
    Reader("tau2", real_files.tau2, "shop/tasks.json", b'"id"', b"You want"),
]
