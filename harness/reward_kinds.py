"""Rewards by name; outside the package ``rewards``, whose source decides scores and joins keys.

What these classes must have, and what they may have, is in ``reward_protocols``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.catalog import source_modules
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.reward_protocols import FittedReward, Scorer, needs_body, ready
from rsft_bench.harness.rewards.names import GRADES, KEYS, LAWS
from rsft_bench.harness.trivial_rewards import Longest
from rsft_bench.harness.types import FloatArray, Json, Param, Reward

if TYPE_CHECKING:
    from rsft_bench.harness.rewards.body_head import Body

REWARDS_CODE = "rsft_bench.harness.rewards"
BODY_CODE = ("rsft_bench.harness.policies.body", "rsft_bench.harness.policies.language_model")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The learned reward."""

    name: str = "proxy"
    doc: str = "logistic regression on text and record agreement, fitted on gold labels per seed"
    code: tuple[str, ...] = (REWARDS_CODE,)

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
        from rsft_bench.harness.rewards.proxy_model import ProxyReward

        return ProxyReward.load(folder)


@dataclass(frozen=True, slots=True)
class BradleyTerry:
    """The learned reward from pairs."""

    name: str = "bradley_terry"
    doc: str = "logistic regression on pairs of answers to one prompt, features as proxy"
    code: tuple[str, ...] = (REWARDS_CODE,)
    options: tuple[Param, ...] = (
        Param("grades", "pass", "which answer is better: one that passes, or more gold", GRADES),
    )
    grades: str = "pass"
    least_draws: int = 2

    def configured(self, options: Mapping[str, Json]) -> FittedReward:
        """With ``grades``."""
        return replace(self, **options)

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """On verdicts alone, see ``fit_graded``."""
        gold = np.asarray(labels, dtype=np.float64)
        return self.fit_graded(prompts, texts, labels, clusters, seed, gold)

    def fit_graded(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
        gold: FloatArray,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """See ``rewards.bradley_terry.fit_bradley_terry``; the report adds what fitting cost."""
        from rsft_bench.harness.metering.formulas import proxy_fit_flops
        from rsft_bench.harness.rewards.bradley_terry import fit_bradley_terry

        grades = gold if self.grades == "gold" else None
        model, report = fit_bradley_terry(prompts, texts, labels, clusters, seed, grades)
        # A difference has at most the features of both answers; both orders are fitted.
        rows = 2 * (report.n_pairs or 0)
        spent = proxy_fit_flops(rows, 2 * model.n_features, report.iterations)
        return model, {**asdict(report), "fit_flops": spent}

    def load(self, folder: Path) -> Scorer:
        """See ``rewards.proxy_model.ProxyReward.load``: the same files."""
        from rsft_bench.harness.rewards.proxy_model import ProxyReward

        return ProxyReward.load(folder)


@dataclass(frozen=True, slots=True)
class BodyHeadReward:
    """The learned reward from hidden states. ``folder`` is the body, None until it is known."""

    name: str = "body_head"
    doc: str = "logistic regression on hidden states of the start policy; needs its weights"
    code: tuple[str, ...] = (REWARDS_CODE, *BODY_CODE)
    options: tuple[Param, ...] = (
        Param("pooling", "mean", "answer tokens read: their mean, or the last", ("mean", "last")),
    )
    pooling: str = "mean"
    folder: Path | None = None
    needs_body: bool = True

    def configured(self, options: Mapping[str, Json]) -> FittedReward:
        """With ``pooling``."""
        return replace(self, **options)

    def on_body(self, folder: Path) -> FittedReward:
        """Over the weights in ``folder``."""
        return replace(self, folder=folder)

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """See ``rewards.body_head.fit_body_head``."""
        from rsft_bench.harness.rewards.body_head import fit_body_head

        head, report, spent = fit_body_head(self._body(), prompts, texts, labels, clusters, seed)
        return head, {**asdict(report), "fit_flops": spent}

    def load(self, folder: Path) -> Scorer:
        """See ``rewards.body_head.load_head``."""
        from rsft_bench.harness.rewards.body_head import load_head

        return load_head(folder, self._body())

    def _body(self) -> Body:
        from rsft_bench.harness.policies.body import CausalBody
        from rsft_bench.harness.worker import language_model

        if self.folder is None:
            raise ValueError("body_head was asked to work before on_body gave it a policy")
        return CausalBody(language_model(self.folder), self.pooling)


@dataclass(frozen=True, slots=True)
class Random:
    """The control that knows nothing."""

    name: str = "random"
    doc: str = "a keyed uniform number, whatever the answer says: a control"
    code: tuple[str, ...] = (REWARDS_CODE,)
    options: tuple[Param, ...] = (
        Param("key", "draw", "what has one score: each draw, or each text of a prompt", KEYS),
    )
    key: str = "draw"

    def configured(self, options: Mapping[str, Json]) -> FittedReward:
        """With ``key``."""
        return replace(self, **options)

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """See ``rewards.keyed.fit_random``."""
        from rsft_bench.harness.rewards.keyed import fit_random

        found, report = fit_random(prompts, texts, labels, clusters, seed, self.key)
        return found, asdict(report)

    def load(self, folder: Path) -> Scorer:
        """See ``rewards.keyed.RandomReward.load``."""
        from rsft_bench.harness.rewards.keyed import RandomReward

        return RandomReward.load(folder)


@dataclass(frozen=True, slots=True)
class Noisy:
    """Another reward, made worse by noise of a known law and size."""

    name: str = "noisy"
    doc: str = "another reward plus noise, for studies of reward gaming"
    options: tuple[Param, ...] = (
        Param("inner", "proxy", "the reward that noise is put on, with its default options"),
        Param("scale", 1.0, "size of the noise, in SD of the inner score", least=0, most=1000),
        Param("law", "gaussian", "of the noise; student_t2 has a heavy tail", LAWS),
        Param("key", "text", "what has one noise: each text of a prompt, or each draw", KEYS),
    )
    inner: str = "proxy"
    scale: float = 1.0
    law: str = "gaussian"
    key: str = "text"
    folder: Path | None = None

    @property
    def code(self) -> tuple[str, ...]:
        """The inner reward's and its own."""
        return tuple(dict.fromkeys((REWARDS_CODE, *source_modules(REWARDS.get(self.inner)))))

    @property
    def needs_body(self) -> bool:
        """Whether the inner reward does."""
        return needs_body(self._inner())

    @property
    def least_draws(self) -> int:
        """As many as the inner reward."""
        return int(getattr(self._inner(), "least_draws", 1))

    def configured(self, options: Mapping[str, Json]) -> FittedReward:
        """With an inner reward and its noise. Raises ConfigError or UnknownNameError on the name.

        Noise on noise is refused: both would have the same keys, hence the same numbers.
        """
        inner = REWARDS.get(options["inner"])
        if inner.name == self.name or not isinstance(inner, FittedReward):
            raise ConfigError(
                f"reward.inner: {inner.name!r} cannot carry noise; name a reward that can accept "
                "and is not itself noisy, such as proxy; see `rsft-bench list rewards`"
            )
        return replace(self, **options)

    def on_body(self, folder: Path) -> FittedReward:
        """Over the weights in ``folder``."""
        return replace(self, folder=folder)

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """The inner reward's fit, then ``rewards.keyed.with_noise``."""
        from rsft_bench.harness.rewards.keyed import with_noise
        from rsft_bench.harness.rewards.labelled import halves

        inner, told = self._inner().fit(prompts, texts, labels, clusters, seed)
        split = halves(prompts, texts, labels, clusters, seed)
        found, report = with_noise(inner, split, seed, self.scale, self.law, self.key)
        kept = ("iterations", "n_pairs", "n_paired_prompts", "fit_flops")
        notes = tuple(dict.fromkeys((*told.get("notes", ()), *report.notes)))
        carried = {name: told[name] for name in kept if name in told}
        return found, {**asdict(report), **carried, "notes": notes}

    def load(self, folder: Path) -> Scorer:
        """See ``rewards.keyed.load_noisy``."""
        from rsft_bench.harness.rewards.keyed import INNER, load_noisy

        return load_noisy(folder, self._inner().load(folder / INNER))

    def _inner(self) -> FittedReward:
        return ready(REWARDS.get(self.inner), {}, self.folder)


@dataclass(frozen=True, slots=True)
class Gold:
    """The suite's judge. It is not fitted, so only an oracle accepts by it."""

    name: str = "gold"
    doc: str = "the suite's own judge; accepts only where a variant says oracle: true"


REWARDS: Registry[Reward] = Registry(
    "reward",
    [Proxy(), BradleyTerry(), BodyHeadReward(), Noisy(), Random(), Longest(), Gold()],
    group="rsft_bench.rewards",
)
"""Rewards: text checks for gold, learned ones that accept, and two for controls and studies."""
