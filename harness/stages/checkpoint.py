"""Stage ``checkpoint``: earlier weights of a fit as a policy of their own."""

from __future__ import annotations

import shutil

from rsft_bench.harness.stages import Outcome, Work


def run(work: Work) -> Outcome:
    """params: step. Input: fit. Files: weights/, or policy.json and state/."""
    kept = work.inputs["fit"][0] / "checkpoints" / str(work.params["step"])
    shutil.copytree(kept, work.out, dirs_exist_ok=True)
    return Outcome()
