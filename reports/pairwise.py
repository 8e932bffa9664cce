"""Any two variants of a run compared: what ``rsft_bench.api`` and `rsft-bench compare` call."""

from __future__ import annotations

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.statistics import Effect
from rsft_bench.reports.means import Means, difference

#: Metrics that are pinned columns of rows, beside those that the reports themselves use.
PINNED = ("logprob", "latency_s")


def pairwise(
    run: RunFolder, a: str, b: str, *, metric: str = "gold_pass", split: str = "confirm"
) -> dict[tuple[str, str], Effect]:
    """Paired difference a - b with its two-way interval, by suite and policy.

    Raises:
        UserError: a variant, metric or split that the run does not have.
        NotComparableError: the sides hold different examples.
    """
    rows = run.rows()
    for what, name, known in (
        ("variant", a, rows["variant"].unique()),
        ("variant", b, rows["variant"].unique()),
        ("split", split, rows["split"].unique()),
    ):
        if name not in known:
            raise UserError(f"run has no {what} {name!r}; it has: {', '.join(sorted(known))}")
    means = Means(rows, [*run.metrics(), *PINNED])
    if metric not in means.metrics:
        raise UserError(f"run has no metric {metric!r}; it has: {', '.join(means.metrics)}")
    return {
        (key.suite, key.policy): difference(means, key, a, b, metric, split)
        for key in means.keys()
        if means.has(key, a, split) and means.has(key, b, split)
    }
