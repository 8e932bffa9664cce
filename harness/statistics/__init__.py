"""Statistics: arrays in, NamedTuples out. Imports numpy and scipy; no torch, no pandas."""

from rsft_bench.harness.statistics.acceptance_draws import (
    distinct_law,
    distinct_number,
    matched_law,
    pointwise_number,
    statistical_law,
)
from rsft_bench.harness.statistics.acceptance_laws import (
    Law,
    argmax_law,
    pointwise_law,
    rate_law,
    tilted_law,
    top_m_law,
)
from rsft_bench.harness.statistics.effects import (
    Effect,
    Sample,
    cluster_effect,
    cluster_interval,
    lower_bound,
    minimum_detectable,
    p_not_worse,
    two_sample_effect,
    two_way_effect,
)
from rsft_bench.harness.statistics.estimators import (
    best_of_k_mean,
    best_of_n_weights,
    pass_at_k,
    pass_hat_k,
)
from rsft_bench.harness.statistics.multiplicity import benjamini_hochberg, holm
from rsft_bench.harness.statistics.proportions import (
    Interval,
    jeffreys,
    wilson,
    zero_count_upper,
)
from rsft_bench.harness.statistics.resampling import (
    bootstrap_interval,
    cluster_draws,
    percentile_interval,
    resampled_means,
)
from rsft_bench.harness.statistics.selection import (
    Selection,
    auc,
    leave_one_seed_out_winner,
    within_prompt_auc,
)
from rsft_bench.harness.statistics.two_way import (
    Variance,
    cluster_weights,
    one_way,
    two_sample,
    two_way,
)

__all__ = [
    "Effect",
    "Interval",
    "Law",
    "Sample",
    "Selection",
    "Variance",
    "argmax_law",
    "auc",
    "benjamini_hochberg",
    "best_of_k_mean",
    "best_of_n_weights",
    "bootstrap_interval",
    "cluster_draws",
    "cluster_effect",
    "cluster_interval",
    "cluster_weights",
    "distinct_law",
    "distinct_number",
    "holm",
    "jeffreys",
    "leave_one_seed_out_winner",
    "lower_bound",
    "matched_law",
    "minimum_detectable",
    "one_way",
    "p_not_worse",
    "pass_at_k",
    "pass_hat_k",
    "percentile_interval",
    "pointwise_law",
    "pointwise_number",
    "rate_law",
    "resampled_means",
    "statistical_law",
    "tilted_law",
    "top_m_law",
    "two_sample",
    "two_sample_effect",
    "two_way",
    "two_way_effect",
    "wilson",
    "within_prompt_auc",
    "zero_count_upper",
]
