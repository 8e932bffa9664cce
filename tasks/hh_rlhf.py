"""Suite ``hh_rlhf``: human preference pairs for rewards, Anthropic's HH-RLHF.

Labels: of two answers to one conversation people preferred one. The text is offensive in places;
it stays in the user's folder and the store, and nothing here prints it. The two transcripts share
everything before the last answer; a pair that does not is left out and counted.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import (
    Capability,
    Example,
    Json,
    Judgement,
    Param,
    SuiteData,
)
from rsft_bench.tasks.recorded_answers import (
    MAX_BYTES,
    answers_of,
    data_path,
    decode,
    judge_recorded,
    limit_of,
    parse_json,
    read_bytes,
)
from rsft_bench.tasks.splitting import files_digest, spread

SUITE = "hh_rlhf"
PATTERNS = ("*.jsonl.gz", "*.jsonl")
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
APART = "pair whose transcripts differ before the last answer"
EMPTY = "pair with an empty answer"
EQUAL = "pair of equal answers"
OPTIONS = (
    Param("path", None, "folder with upstream's *.jsonl.gz, or one such file"),
    Param("limit", None, "at most this many pairs"),
)


@dataclass(frozen=True, slots=True)
class HhRlhf:
    """Adapter of HH-RLHF preference pairs."""

    name: str = SUITE
    version: str = "1"
    licence: str = "MIT"
    attribution: str = "Anthropic HH-RLHF, anthropics/hh-rlhf; Bai et al. 2022 (arXiv 2204.05862)"
    requires: frozenset[Capability] = frozenset({"sampler"})
    options: tuple[Param, ...] = OPTIONS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.hh_rlhf",
        "rsft_bench.tasks.recorded_answers",
        "rsft_bench.tasks.splitting",
    )
    kind: str = "labels"

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of every file read. Raises as ``load``."""
        folder, files = find(data_path(options, SUITE, "a folder of *.jsonl.gz"))
        return files_digest(folder, files)

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """One example a pair, all in split ``proxy_label``; ``seed`` changes nothing.

        Cluster: the customer's first message, so that conversations that begin alike are held out
        together. Which answer comes first is keyed, so that the place tells nothing.

        Raises:
            ConfigError: no path, or a bad limit.
            DataError: no file, or a line that is not a pair of transcripts.
        """
        folder, files = find(data_path(options, SUITE, "a folder of *.jsonl.gz"))
        limit, skipped, records = limit_of(options, SUITE), Counter[str](), 0
        found: list[Example] = []
        for file in files:
            for number, record in _records(file):
                records += 1
                name = f"{file.relative_to(folder).as_posix()}:{number}"
                reason, example = _example(record, name, f"{file}:{number}")
                if example is None:
                    skipped[reason] += 1
                else:
                    found.append(example)
        if not found:
            raise DataError(f"{folder}: no usable pair among {records} records")
        examples = tuple(_limited(found, limit))
        report = {
            "kind": self.kind,
            "n_files": len(files),
            "n_records": records,
            "skipped": dict(skipped),
            "warnings": ["offensive text: upstream warns of abuse, violence and self-harm"],
        }
        pool = answers_of(examples, {e.example_id: _sides(e) for e in examples})
        return SuiteData(examples, (), report, pool)

    def judge(self, example: Example, text: str) -> Judgement:
        """1 for the preferred answer, 0 for the other, NaN for any other text."""
        return judge_recorded(example, text)


def find(path: Path) -> tuple[Path, list[Path]]:
    """The folder and its files; a single file is a folder of one. Raises DataError: none found."""
    if path.is_file():
        return path.parent, [path]
    files = sorted({f for pattern in PATTERNS for f in path.rglob(pattern) if f.is_file()})
    if not files:
        raise DataError(
            f"suite {SUITE}: no {' or '.join(PATTERNS)} below {str(path)!r}; set `path` to a copy "
            "of anthropics/hh-rlhf"
        )
    return path, files


def _records(file: Path) -> Iterator[tuple[int, Mapping[str, Json]]]:
    raw = read_bytes(file, SUITE)
    if file.suffix == ".gz":
        raw = _unpacked(raw, file)
    for number, line in enumerate(decode(raw, str(file)).split("\n"), 1):
        if not line.strip():
            continue
        record = parse_json(line, str(file), number)
        if not isinstance(record, dict) or not all(
            isinstance(record.get(side), str) for side in ("chosen", "rejected")
        ):
            raise DataError(f"{file}:{number}: expected an object with texts 'chosen', 'rejected'")
        yield number, record


def _unpacked(raw: bytes, file: Path) -> bytes:
    if raw.startswith(b"version https://git-lfs"):
        raise DataError(f"{file}:1: a Git LFS pointer, not the data; fetch the file itself")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        out = unpacker.decompress(raw, MAX_BYTES)
        whole = unpacker.eof
        rest = unpacker.unused_data
        if whole and rest:
            out += gzip.decompress(rest)
    except (zlib.error, OSError, EOFError) as error:
        raise DataError(f"{file}:1: not a gzip file: {error}; is it whole?") from error
    if not whole:
        raise DataError(f"{file}:1: the gzip data ends early or is over {MAX_BYTES} bytes unpacked")
    return out


def _example(record: Mapping[str, Json], name: str, where: str) -> tuple[str, Example | None]:
    """(why it is left out, the example or None)."""
    (before, chosen), (other, rejected) = (_cut(record[s], where) for s in ("chosen", "rejected"))
    if before != other:
        return APART, None
    if not chosen or not rejected:
        return EMPTY, None
    if chosen == rejected:
        return EQUAL, None
    # By the content, so that the order does not hang on the line number.
    first = keyed_unit("hh-order", chosen, rejected) < 0.5
    texts, grades = ([chosen, rejected], [1.0, 0.0]) if first else ([rejected, chosen], [0.0, 1.0])
    opening = before.split(ASSISTANT)[0]
    return "", Example(
        example_id=name,
        split="proxy_label",
        prompt=_prompt(before),
        references=(chosen,),
        facts={"texts": texts, "grades": grades, "pass_at": 1.0},
        cluster=hashlib.sha256(opening.encode()).hexdigest()[:16],
        stratum="preference",
    )


def _cut(transcript: str, where: str) -> tuple[str, str]:
    """Everything before the last answer, and the answer."""
    before, marked, answer = transcript.rpartition(ASSISTANT)
    if not marked or HUMAN not in before:
        raise DataError(
            f"{where}: a transcript without turns '\\n\\nHuman:' and '\\n\\nAssistant:'"
        )
    return before, answer.strip()


def _prompt(before: str) -> str:
    """The conversation in this program's words, ending in ``Agent:``."""
    text = before.replace(HUMAN, "\nCustomer:").replace(ASSISTANT, "\nAgent:").strip()
    return f"{text}\nAgent:"


def _sides(example: Example) -> list[str]:
    return ["chosen" if grade == 1 else "rejected" for grade in example.facts["grades"]]


def _limited(examples: list[Example], limit: int | None) -> list[Example]:
    return spread(
        examples,
        lambda e: e.cluster,
        lambda e: e.example_id,
        lambda name: keyed_unit("hh-limit", name),
        len(examples) if limit is None else limit,
    )


HH_RLHF = HhRlhf()
