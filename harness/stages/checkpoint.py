"""Stage ``checkpoint``: earlier weights of a fit as a policy of their own."""

from __future__ import annotations

import shutil

from rsft_bench.harness.stages import Outcome, Work


def run(work: Work) -> Outcome:
    """params: step. Input: fit. Files: weights/."""
    kept = work.inputs["fit"][0] / "checkpoints" / str(work.params["step"]) / "weights"
    shutil.copytree(kept, work.out / "weights")
    return Outcome()
