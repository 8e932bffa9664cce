"""Checks that options of several suites share: counts, and shares of a mixture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import SPLITS, Json, Param, Split

#: Largest count of anything.
MOST = 20_000


def integer(suite: str, name: str, value: Json, least: int, most: int = MOST) -> int:
    """The value of an option. Raises ConfigError unless it is an integer from least to most."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(
            f"suite {suite!r}: {name} is {value!r}; allowed: an integer from {least} to {most}"
        )
    return value


def mixture(suite: str, value: Json, kinds: Collection[str]) -> dict[str, float]:
    """The share of every kind, 0 where none is given.

    Raises:
        ConfigError: another kind, a share outside [0, 1], or shares that do not sum to 1.
    """
    shares = list(value.values()) if isinstance(value, Mapping) else []
    usable = shares and all(_is_share(s) for s in shares)
    if not usable or set(value) - set(kinds) or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(
            f"suite {suite!r}: mixture is {value!r}; allowed: a mapping of "
            f"{', '.join(kinds)} to shares from 0 to 1 that sum to 1"
        )
    return {kind: float(value.get(kind, 0.0)) for kind in kinds}


def _is_share(value: Json) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= 1


def counts_and_mixture(
    suite: str, params: Sequence[Param], options: Mapping[str, Json], kinds: Collection[str]
) -> tuple[dict[Split, int], dict[str, Json]]:
    """Examples of each split, at most ``limit``, and all options of a suite, checked.

    Every option but ``mixture`` is a whole number from 1 to its ``most``; ``limit`` may be None.

    Raises:
        ConfigError: a value outside the allowed set, in one line.
    """
    given = {p.name: p.default for p in params} | dict(options)
    for param in params:
        value = given[param.name]
        if param.name != "mixture" and not (value is None and param.name == "limit"):
            integer(suite, param.name, value, 1, int(param.most or MOST))
    cap = MOST if given["limit"] is None else given["limit"]
    counts: dict[Split, int] = {s: min(cap, given[f"n_{s}"]) for s in SPLITS}
    return counts, {**given, "mixture": mixture(suite, given["mixture"], kinds)}
