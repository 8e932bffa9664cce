"""Options of the authored suites: declaration and validation in one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import Json, Param, Split
from rsft_bench.tasks.authored.build import DEFAULT_MIXTURE, QUALITIES
from rsft_bench.tasks.options import MOST, integer, mixture

OPTIONS: tuple[Param, ...] = (
    Param("n_train", 256, "prompts of D and of the pool"),
    Param("logs_per_prompt", 4, "answers in D per train prompt"),
    Param("n_proxy_label", 100, "prompts whose answers are labelled for the proxy"),
    Param("n_calibrate", 60, "prompts on which difficulty was set"),
    Param("n_select", 120, "prompts for choosing; 30 families, so a multiple of 30 is balanced"),
    Param("n_confirm", 150, "prompts for measuring; 30 families, so a multiple of 30 is balanced"),
    Param("mixture", dict(DEFAULT_MIXTURE), f"shares of {', '.join(QUALITIES)} in D; sum 1"),
    Param("limit", None, "largest number of examples of any split; None for no cap"),
)


@dataclass(frozen=True, slots=True)
class AuthoredOptions:
    """Checked options. ``counts`` already respects ``limit``; ``extra_prompts`` come on top."""

    counts: Mapping[Split, int]
    logs_per_prompt: int
    mixture: Mapping[str, float]
    extra_prompts: int


def read_options(
    suite: str, options: Mapping[str, Json], declared: Sequence[Param] = OPTIONS
) -> AuthoredOptions:
    """Checks options against the declaration; missing ones take their defaults.

    Raises:
        ConfigError: an unknown name or a value outside the allowed set, in one line.
    """
    known = {p.name: p.default for p in declared} | {"extra_prompts": 0}
    for name in options:
        if name not in known:
            raise ConfigError(
                f"suite {suite!r} has no option {name!r}; allowed: {', '.join(sorted(known))}"
            )
    given = {**known, **options}
    limit = given["limit"]
    cap = MOST if limit is None else integer(suite, "limit", limit, 1)
    splits: tuple[Split, ...] = ("train", "proxy_label", "calibrate", "select", "confirm")
    counts: dict[Split, int] = {
        s: min(cap, integer(suite, f"n_{s}", given[f"n_{s}"], 1)) for s in splits
    }
    logs = integer(suite, "logs_per_prompt", given["logs_per_prompt"], 1)
    extra = integer(suite, "extra_prompts", given["extra_prompts"], 0)
    return AuthoredOptions(counts, logs, mixture(suite, given["mixture"], QUALITIES), extra)
