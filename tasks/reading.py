"""Guarded reading of data files: each fault is one DataError with file, line and reason.

Every reader of a suite starts here. A file is refused where it is absent, empty, binary, cut off,
not UTF-8 (UTF-16, Latin-1, GBK) or decoded wrongly once and saved again ("Ã©"), where a text of it
is longer than ``MAX_TEXT``, and where a column is missing. A byte order mark is dropped; a gzip
file and a zip file of one member are read as what they hold. ``who`` in a signature opens the
message of a file that cannot be read at all, such as ``"suite jsonl"``. Nothing is ever written.

Kernel imports only.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json

#: Characters of one line of a line format, or of one text of a JSON file.
MAX_TEXT = 1_000_000
#: Bytes of one file, unpacked.
MAX_BYTES = 2**30

_KINDS = ((b"PAR1", "a Parquet file"), (b"%PDF", "a PDF"), (b"\x89PNG", "a picture"))
_WIDE = (b"\xff\xfe", b"\xfe\xff")
# UTF-8 read as Latin-1 or Windows-1252: a lead byte and its continuation bytes as characters.
_TAIL = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_TWICE = re.compile(
    f"[\u00c2-\u00df]{_TAIL}|[\u00e0-\u00ef]{_TAIL}{{2}}|[\u00f0-\u00f4]{_TAIL}{{3}}"
)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
#: Share of the characters beyond ASCII that must look decoded wrongly for a file to be refused.
_MOSTLY = 0.9
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_RECODE = "save it as UTF-8, such as with `iconv -f ENCODING -t UTF-8`"

T = TypeVar("T")


def read_bytes(path: Path, who: str) -> bytes:
    """Content of a file; of a gzip file or of a zip file with one member, what it holds.

    Raises:
        DataError: it cannot be read, is empty, damaged, or larger than ``MAX_BYTES``.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot read {str(path)!r}: {error.strerror}; check `path`"
        raise DataError(f"{who}: {reason}") from error
    try:
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(MAX_BYTES + 1)
        elif content.startswith(b"PK\x03\x04"):
            content = _only_member(content, path)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(f"{path}: damaged archive ({error}); fetch it again") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES} bytes unpacked; split it")
    if not content:
        raise DataError(f"{path}: the file is empty; fetch or export it again")
    return content


def _only_member(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = [m for m in packed.infolist() if not m.is_dir()]
        if len(members) != 1:
            raise DataError(f"{path}: {len(members)} files in the zip, expected one; unpack it")
        with packed.open(members[0]) as member:
            return member.read(MAX_BYTES + 1)


def read_text(path: Path, who: str) -> str:
    """Text of a file in UTF-8, a byte order mark dropped; line ends as they are.

    Raises:
        DataError: as ``read_bytes``; or it is binary, in another encoding, or was decoded wrongly
            and saved again (nine tenths of its characters beyond ASCII say so).
    """
    content = read_bytes(path, who)
    kind = next((name for magic, name in _KINDS if content.startswith(magic)), None)
    if kind is not None:
        raise DataError(f"{path}: is {kind}, expected text")
    if content.startswith(_WIDE):
        raise DataError(f"{path}:1: is UTF-16 or UTF-32, expected UTF-8; {_RECODE}")
    zero = content.find(b"\0")
    if zero >= 0:
        raise DataError(
            f"{path}:{_line_of(content, zero)}: zero byte at {zero}; a binary file or UTF-16, "
            f"expected UTF-8 text; {_RECODE}"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Positions of utf-8-sig do not count the mark.
        at = error.start + 3 * content.startswith(b"\xef\xbb\xbf")
        raise DataError(
            f"{path}:{_line_of(content, at)}: not UTF-8 at byte {at} (0x{content[at]:02x}); "
            f"{_RECODE}"
        ) from error
    if not text.isascii():
        _refuse_decoded_twice(text, path)
    return text


def _line_of(content: bytes, at: int) -> int:
    return content.count(b"\n", 0, at) + 1


def _refuse_decoded_twice(text: str, path: Path) -> None:
    first = _TWICE.search(text)
    if first is None:
        return
    wrong = sum(len(m.group()) for m in _TWICE.finditer(text))
    beyond = sum(len(m.group()) for m in _BEYOND_ASCII.finditer(text))
    if wrong >= _MOSTLY * beyond:
        line = text.count("\n", 0, first.start()) + 1
        raise DataError(
            f"{path}:{line}: {first.group()!r}: UTF-8 that was read as Latin-1 and saved again; "
            "export it again from the source"
        )


def read_lines(path: Path, who: str) -> Iterator[tuple[str, str]]:
    """Pairs ``("file:line", line)``, blank lines included, line ends dropped.

    Raises:
        DataError: as ``read_text``, or a line longer than ``MAX_TEXT``.
    """
    for number, line in enumerate(read_text(path, who).split("\n"), 1):
        where = f"{path}:{number}"
        if len(line) > MAX_TEXT:
            raise DataError(f"{where}: line of {len(line)} characters; at most {MAX_TEXT} are read")
        yield where, line.removesuffix("\r")


def read_jsonl(path: Path, who: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """Pairs ``("file:line", object)`` of a JSON Lines file; blank lines are passed over.

    Raises:
        DataError: as ``read_lines``, or the first line that is no JSON object.
    """
    for where, line in read_lines(path, who):
        if line.strip():
            record = _parsed(line, where, one_line=True)
            if not isinstance(record, dict):
                raise DataError(f"{where}: expected an object, found {type(record).__name__}")
            yield where, record


def read_json(path: Path, who: str) -> Json:
    """The value of a JSON file.

    Raises:
        DataError: as ``read_text``; not JSON (line and column named), or a text in it is longer
            than ``MAX_TEXT``.
    """
    text = read_text(path, who)
    if not text.strip():
        raise DataError(f"{path}: the file holds only white space, expected JSON")
    half = MAX_TEXT // 2
    # A text of MAX_TEXT characters covers one of these windows, which then holds no quote.
    for start in range(0, len(text) - half + 1, half):
        if text.find('"', start, start + half) < 0:
            left, right = text.rfind('"', 0, start) + 1, text.find('"', start)
            size = (right if right >= 0 else len(text)) - left
            if size > MAX_TEXT:
                line = text.count("\n", 0, left) + 1
                raise DataError(
                    f"{path}:{line}: text of {size} characters; at most {MAX_TEXT} are read"
                )
    return _parsed(text, str(path), one_line=False)


def _parsed(text: str, where: str, *, one_line: bool) -> Json:
    try:
        value = json.loads(text)
        if _HALF.search(text):
            # Half a surrogate pair is JSON but no text: it could not be written to a run folder.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        at = where if one_line else f"{where}:{error.lineno}"
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        hint = "; it ends in the middle: fetch or export it again" if cut else ""
        raise DataError(f"{at}: not JSON: {error.msg} at column {error.colno}{hint}") from error
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: not text: half of a surrogate pair ({error.reason})") from error
    except RecursionError as error:
        raise DataError(f"{where}: not JSON that can be read: nested too deeply") from error
    except ValueError as error:
        raise DataError(f"{where}: not JSON that can be read: {error}") from error
    return value


def read_table(
    path: Path, who: str, columns: Sequence[str] = (), delimiter: str = ","
) -> Iterator[tuple[str, dict[str, str]]]:
    """Pairs ``("file:line", row)`` of a CSV file with a header, RFC 4180, quoted newlines allowed.

    ``line`` is where the row starts. Empty lines are passed over.

    Raises:
        DataError: as ``read_text``; the header lacks one of ``columns`` or names one twice; a row
            has another number of fields; an open quote; a field of more than 131,072 characters.
    """
    reader = csv.reader(
        io.StringIO(read_text(path, who), newline=""), delimiter=delimiter, strict=True
    )
    header: list[str] = []
    while True:
        where = f"{path}:{reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{where}: not CSV: {error}") from error
        if row is None:
            break
        if not row:
            continue
        if not header:
            header = [name.strip() for name in row]
            require_columns(header, columns, where)
        elif len(row) != len(header):
            raise DataError(f"{where}: {len(row)} fields, the header has {len(header)}")
        else:
            yield where, dict(zip(header, row, strict=True))
    if not header:
        raise DataError(f"{path}: no header line; expected {', '.join(columns) or 'columns'}")


def require_columns(found: Sequence[str], wanted: Sequence[str], where: str) -> None:
    """Raises DataError where a column is missing or named twice."""
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(
            f"{where}: no column {', '.join(map(repr, missing))}; "
            f"found {', '.join(found[:20])[:300]}"
        )
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise DataError(f"{where}: column {twice[0]!r} occurs twice")


def need(record: Json, key: str, kind: type[T], where: str) -> T:
    """``record[key]`` of the type asked for; raises DataError that says where and why not."""
    if not isinstance(record, Mapping):
        raise DataError(f"{where}: expected an object, found {type(record).__name__}")
    if key not in record:
        raise DataError(f"{where}: missing key {key!r}")
    value = record[key]
    wrong = isinstance(value, bool) and kind in (int, float)  # True is an int to Python
    if wrong or not isinstance(value, kind):
        raise DataError(f"{where}: {key!r} must be {kind.__name__}, found {type(value).__name__}")
    return value


def content_digest(path: Path, who: str) -> str:
    """SHA-256 (hex) of a file as it lies there. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = f"cannot read {str(path)!r}: {error.strerror}; check `path`"
        raise DataError(f"{who}: {reason}") from error
