"""Suite ``taskmaster_reward``: coffee-ordering agent turns with a reward of 0 or 1 each.

Labels: an answer is a reply in words or a call of the shop's interface, written as one line. How
upstream labelled them is not told in its README; see PERL (arXiv 2403.10704).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import Capability, Example, Json, Judgement, Param, SuiteData
from rsft_bench.tasks.recorded_answers import (
    answers_of,
    data_path,
    judge_recorded,
    limit_of,
    parse_json,
    read_json,
)
from rsft_bench.tasks.splitting import files_digest, spread

SUITE = "taskmaster_reward"
PATTERN = "reward_*.json"
MAX_CHARS = 1500
"""Longest prompt; the oldest turns are dropped, and counted, for menus in a call's answer are
long and no answer is about the first of many."""
REWARDS = (0.0, 1.0)
OPTIONS = (
    Param("path", None, "folder with upstream's reward_*.json, or one such file"),
    Param("limit", None, "at most this many contexts"),
)


@dataclass(frozen=True, slots=True)
class TaskmasterReward:
    """Adapter of the reward examples of Taskmaster-4."""

    name: str = SUITE
    version: str = "1"
    licence: str = "CC-BY-4.0"
    attribution: str = (
        "Taskmaster-4 reward examples, google-research-datasets/Taskmaster, by Bill Byrne and "
        "Saravanan Ganesh (Google LLC); see PERL (arXiv 2403.10704)"
    )
    requires: frozenset[Capability] = frozenset({"sampler"})
    options: tuple[Param, ...] = OPTIONS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.taskmaster_reward",
        "rsft_bench.tasks.recorded_answers",
        "rsft_bench.tasks.splitting",
    )
    kind: str = "labels"

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of every file read. Raises as ``load``."""
        return files_digest(*find(data_path(options, SUITE, "a folder of reward_*.json")))

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """One example a context with all its answers, in split ``proxy_label``.

        Cluster: the customer's first message, so that contexts that grow out of one conversation
        are held out together. ``seed`` changes nothing.

        Raises:
            ConfigError: no path, or a bad limit.
            DataError: no file, or a record that is not a rated turn.
        """
        folder, files = find(data_path(options, SUITE, "a folder of reward_*.json"))
        limit = limit_of(options, SUITE)
        groups: dict[str, list[tuple[str, float]]] = {}
        records = 0
        for file in files:
            for context, answer, reward in _records(file):
                groups.setdefault(context, []).append((answer, reward))
                records += 1
        made = [_example(context, found) for context, found in groups.items()]
        examples = tuple(_limited([e for e, _ in made], limit))
        report = {
            "kind": self.kind,
            "n_files": len(files),
            "n_records": records,
            "skipped": {},
            "prompts_cut": sum(cut for _, cut in made),
        }
        givers = {e.example_id: [f"{g:g}" for g in e.facts["grades"]] for e in examples}
        return SuiteData(examples, (), report, answers_of(examples, givers))

    def judge(self, example: Example, text: str) -> Judgement:
        """The reward; the mean where one answer was labelled more than once, NaN for other text."""
        return judge_recorded(example, text)


def find(path: Path) -> tuple[Path, list[Path]]:
    """The folder and its files; a single file is a folder of one. Raises DataError: none found."""
    if path.is_file():
        return path.parent, [path]
    files = sorted(f for f in path.rglob(PATTERN) if f.is_file())
    if not files:
        raise DataError(
            f"suite {SUITE}: no {PATTERN} below {str(path)!r}; set `path` to TM-4-2024/reward of "
            "google-research-datasets/Taskmaster"
        )
    return path, files


def _records(file: Path) -> list[tuple[str, str, float]]:
    """(context, answer, reward) of every record."""
    content = read_json(file, SUITE)
    if not isinstance(content, list) or not content:
        raise DataError(f"{file}: expected a list of records")
    return [_record(record, f"{file}: record {i}") for i, record in enumerate(content)]


def _record(record: Json, where: str) -> tuple[str, str, float]:
    fields = ("context", "generation")
    if not isinstance(record, dict) or not all(isinstance(record.get(f), str) for f in fields):
        raise DataError(f"{where}: expected an object with JSON texts 'context' and 'generation'")
    try:
        reward = float(record["reward"])
    except (KeyError, TypeError, ValueError):
        reward = -1.0
    if reward not in REWARDS:
        raise DataError(f"{where}: reward is {record.get('reward')!r}, must be 0 or 1")
    turn = parse_json(record["generation"], where, 1)
    if not isinstance(turn, dict):
        raise DataError(f"{where}: 'generation' must be one turn, an object")
    return record["context"], spoken(turn, where), reward


def spoken(turn: Mapping[str, Json], where: str) -> str:
    """A turn as one line: its words, or a call as ``call name {arguments}``. Raises DataError."""
    if isinstance(turn.get("text"), str):
        return " ".join(turn["text"].split())
    for word, key in (("call", "api"), ("response", "response")):
        if key in turn:
            return f"{word} {json.dumps(turn[key], ensure_ascii=False, sort_keys=True)}"
    raise DataError(f"{where}: a turn without 'text', 'api' or 'response'")


def _example(context: str, found: Sequence[tuple[str, float]]) -> tuple[Example, bool]:
    """The example and whether its prompt lost turns."""
    name = hashlib.sha256(context.encode()).hexdigest()[:16]
    turns = parse_json(context, f"context {name}", 1)
    if not isinstance(turns, list) or not all(isinstance(t, dict) for t in turns):
        raise DataError(f"suite {SUITE}: context {name}: expected a list of turns")
    who = {"user": "Customer", "agent": "Agent", "api": "Record"}
    lines = [
        f"{who.get(str(t.get('role')), 'Agent')}: {spoken(t, f'context {name}')}" for t in turns
    ]
    kept: list[str] = []
    size = 0
    for line in reversed(lines):
        # A single long answer of an interface keeps its beginning.
        line = line[: MAX_CHARS // 2]
        if kept and size + len(line) > MAX_CHARS:
            break
        kept.append(line)
        size += len(line)
    opening = next((line for line in lines if line.startswith("Customer:")), "")
    return Example(
        example_id=f"taskmaster-{name}",
        split="proxy_label",
        prompt="\n".join([*reversed(kept), "Agent:"]),
        references=tuple(text for text, reward in found if reward == 1),
        facts={
            "texts": [text for text, _ in found],
            "grades": [reward for _, reward in found],
            "pass_at": 1.0,
        },
        cluster=hashlib.sha256(opening.encode()).hexdigest()[:16],
        stratum="call" if any(text.startswith("call ") for text, _ in found) else "reply",
    ), len(kept) < len(lines)


def _limited(examples: list[Example], limit: int | None) -> list[Example]:
    return spread(
        examples,
        lambda e: e.cluster,
        lambda e: e.example_id,
        lambda name: keyed_unit("taskmaster-limit", name),
        len(examples) if limit is None else limit,
    )


TASKMASTER_REWARD = TaskmasterReward()
