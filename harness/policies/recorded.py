"""Policy ``recorded``: replays answers from a JSON Lines file; needs no weights and no torch.

A line is ``{"example_id": ..., "answers": [...]}`` or ``{"prompt": ..., "answers": [...]}``; draw i
is the i-th answer. It scores existing logs, and is what tests use in place of a model.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import DataError, UserError
from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.types import Capability, Completion, Json, Param, Sampling

CAPABILITIES: frozenset[Capability] = frozenset({"sampler"})
PATH = Param("path", None, 'JSON Lines file: {"example_id" or "prompt", "answers": [...]}')
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RecordedPolicy:
    """Answers by example id or by prompt, in draw order. An id is looked up before a prompt."""

    by_id: Mapping[str, tuple[str, ...]]
    by_prompt: Mapping[str, tuple[str, ...]]
    source: str
    capabilities: frozenset[Capability] = CAPABILITIES

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling | None = None,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Completion]:
        """Recorded answers for ``(example_id, prompt)`` pairs, ordered by (prompt, draw).

        ``sampling``, ``seed`` and ``purpose`` change nothing: what is recorded is replayed.

        Raises:
            DataError: examples without an answer for every draw; up to five are named.
        """
        found = {i: self._answers(i, prompt) for i, prompt in prompts}
        short = [i for i, answers in found.items() if len(answers) <= max(draws, default=-1)]
        if short:
            names = ", ".join(short[:_SHOWN]) + (", ..." if len(short) > _SHOWN else "")
            raise DataError(
                f"{self.source}: fewer than {max(draws) + 1} recorded answers for {len(short)} of "
                f"{len(found)} examples: {names}; record them or ask for fewer draws"
            )
        return [
            _completion(i, prompt, draw, found[i][draw]) for i, prompt in prompts for draw in draws
        ]

    def _answers(self, example_id: str, prompt: str) -> tuple[str, ...]:
        return self.by_id.get(example_id) or self.by_prompt.get(prompt.strip(), ())


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """The registered entry: reads ``path`` into a ``RecordedPolicy``."""

    name: str = "recorded"
    version: str = "1"
    doc: str = "Replays answers from a JSON Lines file; needs no weights"
    options: tuple[Param, ...] = (PATH,)
    capabilities: frozenset[Capability] = CAPABILITIES
    code: tuple[str, ...] = (
        "rsft_bench.harness.policies.recorded",
        "rsft_bench.harness.policies.counting",
    )

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """SHA-256 (hex) of the file. Raises as ``load``."""
        return hashlib.sha256(_read(_path(options))).hexdigest()

    def load(self, options: Mapping[str, Json]) -> RecordedPolicy:
        """The recorded answers.

        Raises:
            UserError: no ``path`` given.
            DataError: the file cannot be read, or a line cannot be used (named by file:line).
        """
        path = _path(options)
        by_id: dict[str, tuple[str, ...]] = {}
        by_prompt: dict[str, tuple[str, ...]] = {}
        for number, line in enumerate(_read(path).split(b"\n"), 1):
            if line.strip():
                _add(line, f"{path}:{number}", by_id, by_prompt)
        return RecordedPolicy(by_id, by_prompt, str(path))


def _completion(example_id: str, prompt: str, draw: int, text: str) -> Completion:
    # One more for the stop token, which every policy counts; a recorded answer has ended.
    return Completion(
        example_id=example_id,
        draw=draw,
        text=text,
        tokens_in=count_tokens(prompt),
        tokens_out=count_tokens(text) + 1,
        finish_reason="stop",
        logprob=math.nan,
    )


def _path(options: Mapping[str, Json]) -> Path:
    path = options.get("path")
    if not path:
        raise UserError("policy 'recorded' needs 'path': a JSON Lines file of answers")
    return Path(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"policy recorded: cannot read {str(path)!r}: {error.strerror}; check `path`"
        ) from error


def _add(
    line: bytes,
    where: str,
    by_id: dict[str, tuple[str, ...]],
    by_prompt: dict[str, tuple[str, ...]],
) -> None:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON in UTF-8: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, found {type(record).__name__}")
    answers = record.get("answers")
    if not isinstance(answers, list) or not all(isinstance(a, str) for a in answers):
        raise DataError(f"{where}: 'answers' must be a list of strings")
    field = next((f for f in ("example_id", "prompt") if isinstance(record.get(f), str)), None)
    if field is None:
        raise DataError(f"{where}: needs 'example_id' or 'prompt' as a string")
    table = by_id if field == "example_id" else by_prompt
    key = record[field].strip()
    if key in table:
        raise DataError(f"{where}: {field} {key[:60]!r} occurs twice")
    table[key] = tuple(a.strip() for a in answers)


RECORDED = RecordedAnswers()
