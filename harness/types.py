"""Words of the field as frozen dataclasses and protocols. Kernel module: no torch, no pandas.

Shapes and units stand in the docstrings. ``Json`` values survive a JSON round trip: keys hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.learning import Budget as Budget
from rsft_bench.harness.learning import TrainRow as TrainRow
from rsft_bench.harness.learning import WeightedSet as WeightedSet

Json: TypeAlias = Any
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Split: TypeAlias = Literal["train", "proxy_label", "calibrate", "select", "confirm"]
FinishReason: TypeAlias = Literal["stop", "length"]
Capability: TypeAlias = Literal["sampler", "scorer", "trainable", "enumerable"]

SPLITS: tuple[Split, ...] = ("train", "proxy_label", "calibrate", "select", "confirm")
TEST_SPLITS: tuple[Split, ...] = ("select", "confirm")


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt of a suite.

    ``prompt`` is the whole text the policy sees, ending in ``"Agent:"``. ``facts`` is JSON and is
    read only by the suite's own judge, never by a policy or the proxy reward. ``cluster`` is the
    unit of resampling (template family), ``stratum`` the decision kind, never resampled.
    """

    example_id: str
    split: Split
    prompt: str
    references: tuple[str, ...]
    facts: Mapping[str, Json]
    cluster: str
    stratum: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Log:
    """One answer of the training data D. ``quality`` is hidden from policy and proxy."""

    example_id: str
    text: str
    quality: str


@dataclass(frozen=True, slots=True)
class SuiteData:
    """What a suite loads for one seed.

    ``examples`` holds all splits in canonical order; ``logs`` answer ``train`` examples only;
    ``report`` states provenance: ceiling, headroom, skipped counts, warnings. ``pool`` are recorded
    answers of a suite of kind ``pool`` or ``labels``; ``quality`` names who gave them.
    """

    examples: tuple[Example, ...]
    logs: tuple[Log, ...]
    report: Mapping[str, Json] = field(default_factory=dict)
    pool: tuple[Log, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Gold score of one completion: ``gold`` in [0, 1] or NaN where the example has none.

    ``parts`` are graded metrics in [0, 1] (or NaN where a part does not apply), one column each.
    Harm parts are named ``harm_*``, 1.0 when the harm occurred.
    """

    gold: float
    gold_pass: bool
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter that a method, suite or policy declares. ``None`` default means "not set".

    ``choices`` empty means any value of the default's type; ``alias`` is another way to write it.
    ``least`` and ``most`` are inclusive bounds of a number, ``above`` is an exclusive lower one;
    None is no bound.
    """

    name: str
    default: Json
    doc: str
    choices: tuple[Json, ...] = ()
    alias: Json = None
    least: float | None = None
    most: float | None = None
    above: float | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """``temperature`` 0 is greedy, ``top_k`` 0 cuts nothing; ``stop`` strings end an answer."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled answer; ``finish_reason`` is ``stop`` if a stop token or string was drawn.

    ``tokens_out`` counts the tokens drawn: the answer and the stop token or string. ``logprob`` is
    their sum in nats under the sampling policy at temperature 1 without truncation, NaN if unknown.
    """

    example_id: str
    draw: int
    text: str
    tokens_in: int
    tokens_out: int
    finish_reason: FinishReason
    logprob: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What making one artifact took. Seconds and GiB are measured, tokens and FLOPs counted."""

    tokens: int = 0
    flops: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_gib: float = 0.0


class Suite(Protocol):
    """A benchmark suite: authored generator or adapter of real data.

    It may also have ``digest(options) -> str``, the hash of the files it reads, without which edits
    go unseen; ``metrics``, its judge's parts; ``extra_prompts``, true where ``load`` takes that
    option (train prompts without logs); ``answer_key``, see ``harness.serving.answer_key``;
    for `list suites`: ``language``, ``gold_kind`` (what gold is, in a few words) and ``ceiling``
    (mean gold of its references, where no data of others decides it); ``kind``: ``prompts``, or
    ``pool`` (recorded answers that people rated) or ``labels`` (for rewards, never run by itself),
    see ``harness.recorded_data``.
    """

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def version(self) -> str:
        """Changes whenever an example, a check or the frozen difficulty changes."""

    @property
    def licence(self) -> str:
        """SPDX identifier of the data."""

    @property
    def attribution(self) -> str:
        """Where the data comes from, for the report."""

    @property
    def requires(self) -> frozenset[Capability]:
        """Capabilities a policy must have to be run on it."""

    @property
    def options(self) -> tuple[Param, ...]:
        """Options accepted in the config beside ``name``."""

    @property
    def code(self) -> tuple[str, ...]:
        """Modules whose source is part of every key made from this suite."""

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples and logs. Test splits do not depend on ``seed``; the train side does."""

    def judge(self, example: Example, text: str) -> Judgement:
        """Gold. Pure. Empty or unparseable text scores 0; never raises on text."""


class Sampler(Protocol):
    """A loaded policy that answers prompts."""

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> Sequence[Completion]:
        """Draws of (example_id, prompt) pairs in (prompt, draw) order, keyed and pure."""


class Policy(Protocol):
    """A registered policy; what it can do: capabilities, ``HasWeights``, ``policy_kinds``.

    Optional: ``losses``, the names of ``learning.LOSSES`` that its trainer has; without it all of
    them for a policy with weights, which the one trainer trains, else ``likelihood`` alone.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def options(self) -> tuple[Param, ...]: ...  # noqa: D102
    @property
    def capabilities(self) -> frozenset[Capability]: ...  # noqa: D102

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """Hash of everything that decides its answers, the content of its files included."""

    def load(self, options: Mapping[str, Json]) -> Any:
        """A ``Sampler``; a policy with weights may give something richer."""


@runtime_checkable
class HasWeights(Protocol):
    """A policy that is a Hugging Face folder: drawn by the fast sampler, trained, timed."""

    def folder(self, options: Mapping[str, Json]) -> Path:
        """The folder. Raises UserError where it cannot be loaded."""


class Reward(Protocol):
    """A reward by name. One that can be fitted (``reward_kinds.FittedReward``) may accept."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def doc(self) -> str: ...  # noqa: D102


class Metric(Protocol):
    """A number of one answer, a column of ``rows`` under its name.

    It may also have ``ready()``, which raises UserError where it cannot be measured here.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def doc(self) -> str: ...  # noqa: D102
    @property
    def bounded(self) -> bool:
        """Whether values lie in [0, 1], which the gate needs."""

    def measure(self, example: Example, row: Mapping[str, Json]) -> float:
        """Value for one row of ``rows``, NaN where it does not apply. Pure."""


@dataclass(frozen=True, slots=True)
class ScoredPool:
    """Candidates of ``m`` prompts. NaN scores pad ragged prompts and are never accepted.

    ``scores`` (m, k) finite or NaN; ``text_ids`` (m, k), equal for equal texts; ``keys`` (m,)
    example ids, which key streams with ``seed``; ``match`` another rule's counts by example id.
    """

    scores: FloatArray
    text_ids: IntArray
    keys: tuple[str, ...]
    seed: int
    match: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """What an objective makes of a ``ScoredPool``, candidate by candidate.

    ``shares`` (m, k) >= 0: part of its prompt's weight; 0 leaves the candidate out. ``counts``
    (m, k): multiplicity, 0 for a candidate that is learnt as a rejected one. ``others`` (m, k):
    the candidate of the same prompt that it is preferred to, -1 for none. ``rates`` (m,): the
    prompt's share of accepted candidates. ``left_out``: prompts with candidates that the objective
    cannot use.
    """

    shares: FloatArray
    counts: IntArray
    others: IntArray
    rates: FloatArray
    left_out: int
