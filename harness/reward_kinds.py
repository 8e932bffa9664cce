"""Rewards by name; outside the package ``rewards``, whose source decides scores and joins keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import FloatArray, Json, Reward


class Scorer(Protocol):
    """A reward ready to score answers."""

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Shape (n,), higher is better; NaN is never accepted. Each pair by itself."""

    def flops(self, answers: int) -> float:
        """FLOPs of scoring so many answers."""

    def save(self, folder: Path) -> None:
        """Write what ``FittedReward.load`` reads."""


@runtime_checkable
class FittedReward(Protocol):
    """A reward that answers can be accepted by."""

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """From gold-labelled answers, or whatever they are: the scorer and fields of its report."""

    def load(self, folder: Path) -> Scorer:
        """Read what ``Scorer.save`` wrote."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The learned reward."""

    name: str = "proxy"
    doc: str = "logistic regression on text and record agreement, fitted on gold labels per seed"
    code: tuple[str, ...] = ("rsft_bench.harness.rewards",)

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """See ``rewards.proxy.fit_proxy``; the report adds what fitting cost."""
        from rsft_bench.harness.metering.formulas import proxy_fit_flops
        from rsft_bench.harness.rewards.proxy import fit_proxy

        proxy, report = fit_proxy(prompts, texts, labels, clusters, seed)
        answers = report.n_label - report.n_held_out
        spent = proxy_fit_flops(answers, proxy.n_features, report.iterations)
        return proxy, {**asdict(report), "fit_flops": spent}

    def load(self, folder: Path) -> Scorer:
        """See ``rewards.proxy_model.ProxyReward.load``."""
        from rsft_bench.harness.rewards.proxy import ProxyReward

        return ProxyReward.load(folder)


@dataclass(frozen=True, slots=True)
class Gold:
    """The suite's judge. It is not fitted, so only an oracle accepts by it."""

    name: str = "gold"
    doc: str = "the suite's own judge; accepts only where a variant says oracle: true"


REWARDS: Registry[Reward] = Registry("reward", [Proxy(), Gold()], group="rsft_bench.rewards")
