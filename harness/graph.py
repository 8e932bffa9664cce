"""What a method composes: nodes for one suite, policy and seed.

``Graph`` turns the words of protocol.md section 4 into nodes; equal calls give nodes of one uid, so
everything that shares a proposal shares its pool and equal selections train once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rsft_bench.harness.arms import Arm, Evaluation, Scored, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Capability, Example, Json, Param, Split

BLOCK_PROMPTS = 32
BLOCK_DRAWS = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """The config's numbers that nodes depend on, as plain values."""

    pool: Mapping[str, Json]
    training: Mapping[str, Json]
    reward: Mapping[str, Json]
    evaluation: Mapping[str, Json]
    primary: str


@dataclass(frozen=True, slots=True)
class Cellspace:
    """One suite, policy and seed: what all its arms share."""

    suite: str
    suite_code: tuple[str, ...]
    policy: str
    capabilities: frozenset[Capability]
    seed: int
    settings: Settings
    data: Node
    base: Node
    examples: Mapping[Split, tuple[Example, ...]]
    k_max: Mapping[float, int]


class Graph:
    """Node builder for one cellspace. ``plan_arm`` resolves another variant's arm by its id."""

    def __init__(self, space: Cellspace, plan_arm: Callable[[Graph, str], Arm]) -> None:
        self.space = space
        self._plan_arm = plan_arm
        self._arms: dict[str, Arm] = {}

    # -- policies ---------------------------------------------------------------------------

    def base(self) -> Node:
        """The policy as it came."""
        return self.space.base

    def start(self) -> Node:
        """Where every arm starts: the seed's SFT policy, or base where nothing can be trained."""
        return self.sft() if "trainable" in self.space.capabilities else self.base()

    def sft(self) -> Node:
        """SFT on D from base: the seed's start."""
        settings = self.space.settings.training
        return self.fit(
            self.base(),
            [("D", self.train_set(), 1.0, "sft-D")],
            steps=settings["sft_steps"],
        )

    def train_set(self, keep_quality: str | None = None) -> Node:
        """D, or the part of it with one hidden quality label (a ceiling no user has)."""
        return Node("trainset", {"keep_quality": keep_quality}, {"data": (self.space.data,)})

    def fit(
        self,
        init: Node,
        sets: Sequence[tuple[str, Node, float, str]],
        *,
        steps: int | None = None,
        batch: int | None = None,
        normalise: str = "prompt",
    ) -> Node:
        """Train from ``init`` on (name, rows, coefficient, stream) sets; those of weight 0 go."""
        settings = self.space.settings.training
        kept = [entry for entry in sets if entry[2] > 0]
        if not kept:
            raise ConfigError("a training arm has no set with positive weight")
        budget = {
            "steps": settings["steps"] if steps is None else steps,
            "batch": settings["batch"] if batch is None else batch,
            "lr": settings["lr"],
        }
        params = {
            "sets": [{"name": n, "coefficient": c, "stream": s} for n, _, c, s in kept],
            "budget": budget,
            "normalise": normalise,
            "seed": self.space.seed,
        }
        inputs = {"init": (init,), "reference": (self.train_set(),)}
        inputs |= {name: (rows,) for name, rows, _, _ in kept}
        return Node(
            "fit", params, inputs, weight=0.01 * budget["steps"] * budget["batch"] * len(kept)
        )

    # -- completions ------------------------------------------------------------------------

    def sample(
        self, policy: Node, split: Split, draws: range, sampling: Mapping[str, Json], purpose: str
    ) -> tuple[Node, ...]:
        """Blocks of 32 prompts in canonical order for one range of at most 8 draws."""
        examples = self.space.examples[split]
        return tuple(
            Node(
                "sample",
                {
                    "prompts": [[e.example_id, e.prompt] for e in examples[i : i + BLOCK_PROMPTS]],
                    "draws": [draws.start, draws.stop],
                    "sampling": dict(sampling),
                    "seed": self.space.seed,
                    "purpose": purpose,
                },
                {"policy": (policy,)},
                weight=0.1 * len(draws),
            )
            for i in range(0, len(examples), BLOCK_PROMPTS)
        )

    def score(self, samples: tuple[Node, ...], proxy: Node | None) -> Node:
        """Gold, and the proxy where one is given, of some samples."""
        inputs = {"data": (self.space.data,), "samples": samples}
        if proxy is not None:
            inputs["proxy"] = (proxy,)
        return Node("score", {"suite": self.space.suite}, inputs, code=self.space.suite_code)

    def draw(
        self,
        policy: Node,
        split: Split,
        draws: int,
        sampling: Mapping[str, Json],
        purpose: str,
        *,
        proxy: Node | None,
    ) -> Scored:
        """Scored completions in append-only ranges of 8 draws."""
        ranges = []
        for start in range(0, draws, BLOCK_DRAWS):
            span = range(start, min(start + BLOCK_DRAWS, draws))
            blocks = self.sample(policy, split, span, sampling, purpose)
            ranges.append((start, blocks, self.score(blocks, proxy)))
        return Scored(tuple(ranges), draws)

    def sampling(self, temperature: float) -> dict[str, Json]:
        """Sampling parameters at a temperature, the rest as the pool's."""
        pool = self.space.settings.pool
        return {
            "temperature": float(temperature),
            "top_p": pool["top_p"],
            "max_new_tokens": pool["max_new_tokens"],
        }

    # -- rewards and pools ------------------------------------------------------------------

    def labelled(self) -> Scored:
        """Answers of the start policy on ``proxy_label`` prompts, judged by gold."""
        n_label = self.space.settings.reward["n_label"]
        prompts = len(self.space.examples["proxy_label"])
        draws = -(-n_label // max(prompts, 1))
        return self.draw(
            self.start(), "proxy_label", draws, self.sampling(1.0), "label", proxy=None
        )

    def proxy(self) -> Node:
        """The learned reward of this seed."""
        scored = self.labelled()
        params = {
            "n_label": self.space.settings.reward["n_label"],
            "seed": self.space.seed,
        }
        inputs = {"data": (self.space.data,), "samples": scored.samples, "scores": scored.scores}
        return Node("proxy", params, inputs)

    def pool(self, k: int, temperature: float) -> Scored:
        """The start policy's scored pool, drawn once for the largest k of the config."""
        k_max = max(k, self.space.k_max.get(temperature, k))
        whole = -(-k_max // BLOCK_DRAWS) * BLOCK_DRAWS
        return self.draw(
            self.start(), "train", whole, self.sampling(temperature), "pool", proxy=self.proxy()
        )

    def select(
        self,
        scored: Scored,
        rule: str,
        rule_params: Mapping[str, Json],
        *,
        k: int | None,
        reward: str = "proxy",
        match: Node | None = None,
        code: tuple[str, ...] = (),
    ) -> Node:
        """An acceptance rule over the first ``k`` draws; ranges beyond ``k`` are left out."""
        part = scored.first(k)
        inputs = {"data": (self.space.data,), "samples": part.samples, "scores": part.scores}
        if match is not None:
            inputs["match"] = (match,)
        params = {
            "rule": rule,
            "rule_params": dict(rule_params),
            "k": k,
            "seed": self.space.seed,
            "reward": reward,
        }
        return Node("select", params, inputs, code=code)

    def score_logs(self) -> Scored:
        """D's own answers scored by the proxy, as a ragged pool."""
        rows = self.train_set()
        return Scored(((0, (rows,), self.score((rows,), self.proxy())),), 0)

    # -- evaluation -------------------------------------------------------------------------

    def evaluate(
        self, policy: Node, draws: int, temperature: float, splits: Sequence[Split]
    ) -> tuple[Evaluation, ...]:
        """Test draws on each split; one draw at temperature 0. All arms share uniforms."""
        count = 1 if temperature == 0 else draws
        proxy = self.proxy() if self.space.examples["proxy_label"] else None
        return tuple(
            Evaluation(
                split,
                self.draw(policy, split, count, self.sampling(temperature), "test", proxy=proxy),
            )
            for split in splits
        )

    def arm(self, variant: str) -> Arm:
        """The arm of another variant of this cellspace, planned once."""
        if variant not in self._arms:
            self._arms[variant] = self._plan_arm(self, variant)
        return self._arms[variant]


class Method(Protocol):
    """A benchmarked method: it composes nodes and never executes.

    A method whose arm has ``trials`` also has ``settle(params, graph, serving, choice) -> Arm``,
    called once ``select`` rows exist. A method may have ``check(params)``, see
    ``variants.MethodLike``.
    """

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def doc(self) -> str:
        """One line for `rsft-bench list methods`."""

    @property
    def params(self) -> tuple[Param, ...]:
        """Every parameter with its default."""

    @property
    def requires(self) -> frozenset[Capability]:
        """Capabilities the policy must have."""

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Parameters always shown in an id."""

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """The arm of these parameters. Raises ConfigError for what cannot be."""
