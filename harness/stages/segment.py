"""Stage ``segment``: what one segment of an online fit drew, scored or accepted, as rows."""

from __future__ import annotations

import shutil
from pathlib import Path

from rsft_bench.harness.stages import Outcome, Work


def segment_folder(online: Path, number: int) -> Path:
    """What a segment drew and accepted, in the artifact of its online fit."""
    return online / "segments" / str(number)


def run(work: Work) -> Outcome:
    """params: number, part (samples, scores or accepted). Input: online.

    Files: rows.jsonl, as of ``sample``, ``score`` or ``select``; select.json beside accepted rows,
    which carry their ``row_weight``.
    """
    part = work.params["part"]
    folder = segment_folder(work.inputs["online"][0], work.params["number"])
    shutil.copyfile(folder / f"{part}.jsonl", work.out / "rows.jsonl")
    if part == "accepted":
        shutil.copyfile(folder / "select.json", work.out / "select.json")
    return Outcome()
