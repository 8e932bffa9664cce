"""The artifact store: whole or absent, equal content equal digest, damaged means redone."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsft_bench.harness.store import META, Store, canonical, read_rows, write_rows
from rsft_bench.harness.types import Cost


def writer(text: str):  # type: ignore[no-untyped-def]
    def make(out: Path) -> tuple[Cost, str | None]:
        (out / "a.txt").write_text(text)
        return Cost(tokens=3, flops=1.5), None

    return make


def test_put_find_and_equal_digests(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one = store.put("aa11", "s", writer("x"))
    two = store.put("bb22", "s", writer("x"))
    assert one.digest == two.digest
    assert store.put("cc33", "s", writer("y")).digest != one.digest
    found = store.find("aa11")
    assert found is not None
    assert found.cost == Cost(tokens=3, flops=1.5)
    assert (found.folder / "a.txt").read_text() == "x"


def test_a_crash_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def crash(out: Path) -> tuple[Cost, str | None]:
        (out / "half.txt").write_text("half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        store.put("aa11", "s", crash)
    assert store.find("aa11") is None
    assert list((tmp_path / "tmp").iterdir()) == []


def test_damaged_meta_counts_as_absent_and_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("aa11", "s", writer("x"))
    (store.folder("aa11") / META).write_text("{")
    assert store.find("aa11") is None
    assert store.put("aa11", "s", writer("z")).digest != ""
    assert (store.folder("aa11") / "a.txt").read_text() == "z"


def test_first_publisher_wins(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.put("aa11", "s", writer("x"))
    again = store.put("aa11", "s", writer("other"))
    assert again.digest == first.digest


def test_entries_and_remove(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("aa11", "fit", writer("x"))
    assert [(key, stage) for key, stage, _, _ in store.entries()] == [("aa11", "fit")]
    store.remove("aa11")
    assert list(store.entries()) == []


def test_rows_keep_every_bit_and_nan(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_rows(path, [{"a": 0.1 + 0.2, "b": math.nan, "t": "é\n"}])
    (row,) = read_rows(path)
    assert row["a"] == 0.1 + 0.2
    assert math.isnan(row["b"])
    assert row["t"] == "é\n"


def test_canonical_ignores_order_and_spells_infinity() -> None:
    assert canonical({"b": 1, "a": (math.inf, -math.inf)}) == '{"a":["inf","-inf"],"b":1}'


def test_damaged_entries_are_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("aa11", "fit", writer("x"))
    store.put("bb22", "fit", writer("y"))
    (store.folder("bb22") / META).write_text("{")
    assert [key for key, *_ in store.entries()] == ["aa11"]


def test_an_interrupted_removal_leaves_nothing_at_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.put("aa11", "fit", writer("x"))

    def half_way(folder: Path, ignore_errors: bool = False) -> None:
        assert folder.is_dir()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", half_way)
    with pytest.raises(KeyboardInterrupt):
        store.remove("aa11")
    monkeypatch.undo()
    assert not store.folder("aa11").exists()
    assert store.put("aa11", "fit", writer("z")).digest


def test_only_dead_processes_lose_their_work_folders(tmp_path: Path) -> None:
    store = Store(tmp_path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept: list[int] = []

    def make(out: Path) -> tuple[Cost, str | None]:
        gone = out.parent / out.name.replace(str(os.getpid()), str(dead.pid))
        gone.mkdir()
        (out.parent / "fit-of-an-older-version").mkdir()
        kept.append(store.sweep_temporary())
        (out / "a.txt").write_text("still here")
        return Cost(), None

    assert (store.put("aa11", "fit", make).folder / "a.txt").read_text() == "still here"
    assert kept == [2]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_only_states_that_nothing_saved_for_long_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, saved in (("old", 1000.0), ("young", 3000.0)):
        state = tmp_path / "partial" / name / "state.safetensors"
        state.parent.mkdir(parents=True)
        state.write_bytes(b"x")
        for path in (state, state.parent):
            os.utime(path, (saved, saved))
    # A folder that is old itself and holds something young is in use.
    os.utime(tmp_path / "partial" / "young", (1000.0, 1000.0))
    assert store.sweep_partial(before=2000.0) == 1
    assert [folder.name for folder in (tmp_path / "partial").iterdir()] == ["young"]
    assert Store(tmp_path / "empty").sweep_partial(before=2000.0) == 0
