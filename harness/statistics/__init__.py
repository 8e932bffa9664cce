"""Statistics: arrays in, NamedTuples out. Imports numpy and scipy; no torch, no pandas."""

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
from rsft_bench.harness.statistics.serving import (
    majority_vote_weights,
    mbr_weights,
    weighted_vote_weights,
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
    "Sample",
    "Selection",
    "Variance",
    "auc",
    "benjamini_hochberg",
    "best_of_k_mean",
    "best_of_n_weights",
    "bootstrap_interval",
    "cluster_draws",
    "cluster_effect",
    "cluster_interval",
    "cluster_weights",
    "holm",
    "jeffreys",
    "leave_one_seed_out_winner",
    "lower_bound",
    "majority_vote_weights",
    "mbr_weights",
    "minimum_detectable",
    "one_way",
    "p_not_worse",
    "pass_at_k",
    "pass_hat_k",
    "percentile_interval",
    "resampled_means",
    "two_sample",
    "two_sample_effect",
    "two_way",
    "two_way_effect",
    "weighted_vote_weights",
    "wilson",
    "within_prompt_auc",
    "zero_count_upper",
]
