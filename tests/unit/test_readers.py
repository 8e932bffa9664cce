"""Every reader of data files, fed damaged files: one clear error each, nothing written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from readers import READERS, Reader

from rsft_bench.harness.cli import main
from rsft_bench.harness.errors import DataError
from rsft_bench.tasks import SUITES
from rsft_bench.tasks.reading import MAX_TEXT, content_digest, read_json, read_table, read_text


def cut(content: bytes, reader: Reader) -> bytes:
    """Ends three bytes into a line past the middle."""
    return content[: content.rfind(b"\n", 0, len(content) * 3 // 5) + 4]


def renamed(content: bytes, reader: Reader) -> bytes:
    return content.replace(reader.column, reader.column[:-2] + b"_" + reader.column[-1:])


def long(content: bytes, reader: Reader) -> bytes:
    return content.replace(reader.text, reader.text + b"x" * (2 * MAX_TEXT), 1)


Damage = Callable[[bytes, Reader], bytes]
TEXT_FAULTS: dict[str, tuple[Damage, str]] = {
    "truncated": (cut, r"not JSON|fields|not CSV|ends"),
    "utf-16": (lambda c, r: c.decode().encode("utf-16"), "UTF-16"),
    "utf-16 without a mark": (lambda c, r: c.decode().encode("utf-16-le"), "UTF-16"),
    "latin-1": (lambda c, r: c.decode().encode("latin-1", "ignore"), r":\d+: not UTF-8 at byte"),
    "decoded twice": (lambda c, r: c.decode("latin-1").encode(), r":\d+: .*saved again"),
    "wrong column": (renamed, ""),
    "huge line": (long, r":\d+.* characters|field limit"),
}
FILE_FAULTS: dict[str, tuple[Damage, str]] = {
    "empty": (lambda c, r: b"", "empty"),
    "binary": (lambda c, r: bytes(range(256)) * 64, "binary|Parquet"),
    "cut off as a whole": (lambda c, r: c[: len(c) * 3 // 5 - 3], ""),
}
CASES = [
    pytest.param(reader, fault, id=f"{reader.name}-{fault}")
    for reader in READERS
    for fault in [*([] if reader.binary else TEXT_FAULTS), *FILE_FAULTS]
]
IDS = [reader.name for reader in READERS]


@pytest.mark.parametrize(("reader", "fault"), CASES)
def test_damaged_file_is_one_line_with_file_and_reason(
    reader: Reader, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = reader.make(tmp_path), tmp_path / reader.target
    content = target.read_bytes()
    if fault in TEXT_FAULTS:
        damage, reason = TEXT_FAULTS[fault]
        changed = reader.wrap(damage(reader.unwrap(content), reader))
    else:
        damage, reason = FILE_FAULTS[fault]
        changed = damage(content, reader)
    assert changed != content
    target.write_bytes(changed)
    before = {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*")}
    sets = [word for k, v in reader.options.items() for word in ("--set", f"{k}={v}")]
    assert main(["validate", reader.name, "--path", str(path), *sets]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert target.name in said.err
    assert re.search(reason, said.err), said.err
    assert len(said.err) < 1000
    assert {f: f.stat().st_mtime_ns for f in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("reader", READERS, ids=IDS)
def test_byte_order_mark_changes_nothing(reader: Reader, tmp_path: Path) -> None:
    suite, target = SUITES.get(reader.name), tmp_path / reader.target
    options = {"path": str(reader.make(tmp_path)), **reader.options}
    plain = suite.load(options, 0)
    assert plain.examples
    if not reader.binary:
        text = reader.unwrap(target.read_bytes())
        assert not text.isascii()
        target.write_bytes(reader.wrap(b"\xef\xbb\xbf" + text))
        assert suite.load(options, 0) == plain


def test_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbffine\nM\xfcller\n")
    with pytest.raises(DataError, match=r"a.txt:2: not UTF-8 at byte 9 \(0xfc\)"):
        read_text(path, "test")
    path.write_text("one\ntwo Ã¼ber\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a.txt:2: 'Ã¼'"):
        read_text(path, "test")
    # One such text among many others is dirt, not another encoding.
    path.write_text("Ã¼ " + "äöü " * 20, encoding="utf-8")
    assert read_text(path, "test").startswith("Ã¼")
    path.write_text('{"a": [1,\n2,, 3]}', encoding="utf-8")
    with pytest.raises(DataError, match=r"a.txt:2: not JSON: .* at column 3$"):
        read_json(path, "test")
    path.write_text('{"a": "\\ud800"}', encoding="utf-8")
    with pytest.raises(DataError, match="half of a surrogate pair"):
        read_json(path, "test")


def test_table_rows_are_named_by_where_they_start(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'q,a\r\n"two\r\nlines",x\r\n\r\nlast,y\r\n')
    assert list(read_table(path, "test", ("q",))) == [
        (f"{path}:2", {"q": "two\r\nlines", "a": "x"}),
        (f"{path}:5", {"q": "last", "a": "y"}),
    ]
    path.write_bytes(b'q,a\nx,"open\n')
    with pytest.raises(DataError, match=r"a.csv:2: not CSV: unexpected end"):
        list(read_table(path, "test"))
    path.write_bytes(b"q,q\nx,y\n")
    with pytest.raises(DataError, match=r"a.csv:1: column 'q' occurs twice"):
        list(read_table(path, "test"))


def test_digest_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_digest(path, "test") == expected
    with pytest.raises(DataError, match="test: cannot read"):
        content_digest(tmp_path / "b", "test")
