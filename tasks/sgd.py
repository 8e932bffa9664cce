"""Suite ``sgd``: answers grounded in dialogue acts of the Schema-Guided Dialogue data.

Gold says whether an answer states every value of the system's acts in a sentence of its own and
makes up no number, time, date or name. It says nothing about fluency, about True/False values
(counted as unchecked) or about values stated for the wrong slot.

Source: Rastogi et al. 2020, "Towards Scalable Multi-domain Conversational Agents: The Schema-Guided
Dialogue Dataset", arXiv 1909.05855.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rsft_bench.harness.types import Param
from rsft_bench.tasks.grounded.english import ENGLISH
from rsft_bench.tasks.grounded.splits import Layout
from rsft_bench.tasks.grounded.suite import CODE, OPTIONS, GroundedSuite, Read
from rsft_bench.tasks.sgd_format import dialogue_files, read_folder
from rsft_bench.tasks.sgd_turns import asked_turns


def files(folder: Path) -> list[Path]:
    """The dialogue files of a folder. Raises DataError where there is none."""
    return [file for file, _ in dialogue_files(folder)]


def read(folder: Path, history_turns: int) -> Read:
    """The asked turns of a folder. Raises DataError for what cannot be used."""
    corpus = read_folder(folder)
    skipped: Counter[str] = Counter()
    turns = [t for d in corpus.dialogues for t in asked_turns(d, history_turns, skipped)]
    spoken = sum(t.speaker == "SYSTEM" for d in corpus.dialogues for t in d.turns)
    return Read(turns, corpus.n_files, len(corpus.dialogues), spoken, skipped)


SGD = GroundedSuite(
    name="sgd",
    version="2",
    licence="CC-BY-SA-4.0",
    attribution=(
        "Schema-Guided Dialogue, Rastogi et al. 2020 (arXiv 1909.05855), "
        "google-research-datasets/dstc8-schema-guided-dialogue"
    ),
    speech=ENGLISH,
    layout=Layout(
        suite="sgd",
        service="service",
        services="services",
        sides={"train": "train", "select": "dev", "confirm": "test"},
        apart=True,
    ),
    files=files,
    read=read,
    options=(
        Param("path", None, "folder in upstream's layout: train/, dev/, test/ + dialogues_*.json"),
        *OPTIONS,
    ),
    code=(
        *CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("sgd", "sgd_format", "sgd_turns")),
        *(f"rsft_bench.tasks.grounded.{m}" for m in ("english", "records", "values_en")),
    ),
)
