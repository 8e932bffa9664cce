"""Stage ``trainset``: D as weightless rows, without the hidden quality label.

Split from ``data`` so that a change to test prompts leaves every fit's key alone.
"""

from __future__ import annotations

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.data import read_examples, read_logs
from rsft_bench.harness.store import write_rows


def run(work: Work) -> Outcome:
    """params: keep_quality (None, or the only label kept). Input: data. File: rows.jsonl.

    Rows: example_id, prompt, draw (index of the log within its prompt), text, count (always 1).
    """
    folder = work.inputs["data"][0]
    prompts = {e.example_id: e.prompt for e in read_examples(folder) if e.split == "train"}
    keep = work.params["keep_quality"]
    rows, seen = [], dict.fromkeys(prompts, 0)
    for log in read_logs(folder):
        if log.example_id not in prompts:
            raise DataError(f"log answers {log.example_id!r}, which is no training prompt")
        draw = seen[log.example_id]
        seen[log.example_id] += 1
        if keep is None or log.quality == keep:
            rows.append(
                {
                    "example_id": log.example_id,
                    "prompt": prompts[log.example_id],
                    "draw": draw,
                    "text": log.text,
                    "count": 1,
                }
            )
    write_rows(work.out / "rows.jsonl", rows)
    return Outcome()
