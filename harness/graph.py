"""What a method composes: nodes for one suite, policy and seed.

``Graph`` turns the words of protocol.md section 4 into nodes; equal calls give nodes of one uid, so
everything that shares a proposal shares its pool and equal selections train once.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence

from rsft_bench.harness.arms import Arm, Charge, Evaluation, Scored, share_of
from rsft_bench.harness.catalog import source_modules
from rsft_bench.harness.cellspace import Cellspace, body_of
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.fitting import (
    TrainedSet,
    as_nodes,
    budget_of,
    checkpoints_of,
    paid_once,
    set_specs,
)
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.proposals import Proposal
from rsft_bench.harness.ratios import ratio_nodes
from rsft_bench.harness.store import canonical
from rsft_bench.harness.types import Json, Split

BLOCK_PROMPTS = 32
BLOCK_DRAWS = 8


class Graph:
    """Node builder for one cellspace. ``plan_arm`` resolves another variant's arm by its id.

    ``rate`` multiplies the learning rate of every fit but the common start.
    """

    def __init__(self, space: Cellspace, plan_arm: Callable[[Graph, str], Arm]) -> None:
        self.space = space
        self.rate = 1.0
        self._plan_arm = plan_arm
        self._arms: dict[str, Arm] = {}
        self._asked: set[str] = set()
        self._blocks: dict[str, tuple[Node, ...]] = {}

    def at_rate(self, rate: float) -> Graph:
        """The same graph at another multiple of the learning rate; arms of others stay shared."""
        other = copy.copy(self)
        other.rate = rate
        return other

    @property
    def proxy_asked(self) -> bool:
        """Whether any arm asked for the proxy."""
        return "proxy" in self._asked

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
            start=True,
        )

    def train_set(self, keep_quality: str | None = None) -> Node:
        """D, or the part of it with one hidden quality label (a ceiling no user has)."""
        return Node("trainset", {"keep_quality": keep_quality}, {"data": (self.space.data,)})

    def fit(
        self,
        init: Node,
        sets: Sequence[TrainedSet],
        *,
        steps: int | None = None,
        batch: int | None = None,
        normalise: str = "prompt",
        start: bool = False,
        flops_of: Sequence[Charge] = (),
        losses: Mapping[str, Mapping[str, Json]] | None = None,
    ) -> Node:
        """Train from ``init`` on the sets; those of weight 0 go.

        ``losses`` says by set name what is not trained by likelihood, see ``fitting.set_specs``.
        ``start`` marks the common start, which no learning rate factor and no checkpoint touches.
        ``flops_of``: as many steps as cost what these charges cost, instead of ``steps``.
        """
        settings = self.space.settings.training
        kept = [entry for entry in sets if entry[2] > 0]
        if not kept:
            raise ConfigError("a training arm has no set with positive weight")
        lr = settings["lr"] * (1.0 if start else self.rate)
        budget = budget_of(settings, lr, steps, batch)
        weight = 0.01 * budget["steps"] * budget["batch"] * len(kept)
        params: dict[str, Json] = {
            "sets": set_specs(self.space, kept, losses or {}),
            "budget": budget,
            "normalise": normalise,
            "seed": self.space.seed,
        }
        inputs: dict[str, tuple[Node, ...]] = {"init": (init,), "reference": (self.train_set(),)}
        inputs |= {name: as_nodes(rows) for name, rows, _, _ in kept}
        if flops_of:
            budget["steps"] = None
            once = paid_once(flops_of)
            params["shares"] = [share_of(charge) for charge in once]
            inputs["matched"] = tuple(charge.node for charge in once)
        elif not start:
            params |= checkpoints_of(settings, budget["steps"])
        return Node("fit", params, inputs, code=init.code, weight=weight)

    def checkpoint(self, fitted: Node, step: int) -> Node:
        """The weights after ``step`` steps of a fit that keeps them."""
        return Node("checkpoint", {"step": step}, {"fit": (fitted,)}, code=fitted.code)

    # -- completions ------------------------------------------------------------------------

    def sample(
        self, policy: Node, split: Split, draws: range, sampling: Mapping[str, Json], purpose: str
    ) -> tuple[Node, ...]:
        """Blocks of 32 prompts in canonical order for one range of at most 8 draws."""
        # Hashing the prompts of a block takes most of a plan, and many arms ask for the same ones.
        asked = canonical([policy.uid, split, draws.start, draws.stop, sampling, purpose])
        if asked not in self._blocks:
            self._blocks[asked] = self._sample(policy, split, draws, sampling, purpose)
        return self._blocks[asked]

    def _sample(
        self, policy: Node, split: Split, draws: range, sampling: Mapping[str, Json], purpose: str
    ) -> tuple[Node, ...]:
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
                {"policy": (policy,)} | self.space.replayed,
                code=policy.code,
                weight=0.1 * len(draws),
            )
            for i in range(0, len(examples), BLOCK_PROMPTS)
        )

    def score(self, samples: tuple[Node, ...], proxy: Node | None) -> Node:
        """Gold, and the proxy where one is given, of some samples."""
        inputs = {"data": (self.space.data,), "samples": samples}
        code = self.space.suite_code
        if proxy is not None:
            inputs["proxy"] = (proxy,)
            inputs |= body_of(proxy)
            code = (*code, *proxy.code)
        return Node("score", {"suite": self.space.suite}, inputs, code=code)

    def draw(
        self,
        policies: Node | Sequence[Node],
        split: Split,
        draws: int,
        sampling: Mapping[str, Json],
        purpose: str,
        *,
        proxy: Node | None,
    ) -> Scored:
        """Scored completions in append-only ranges of 8 draws; several policies take turns."""
        turns = as_nodes(policies)
        ranges = []
        for i, start in enumerate(range(0, draws, BLOCK_DRAWS)):
            span = range(start, min(start + BLOCK_DRAWS, draws))
            blocks = self.sample(turns[i % len(turns)], split, span, sampling, purpose)
            ranges.append((start, blocks, self.score(blocks, proxy)))
        return Scored(tuple(ranges), draws)

    def sampling(self, temperature: float, top_p: float | None = None) -> dict[str, Json]:
        """Sampling parameters at a temperature and top-p (the pool's unless given)."""
        pool = self.space.settings.pool
        return {
            "temperature": float(temperature),
            "top_p": pool["top_p"] if top_p is None else float(top_p),
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
        """The learned reward of this seed. Raises ConfigError where it needs more answers."""
        self._asked.add("proxy")
        draws, inputs = None, dict(self.space.labels)
        if not inputs:
            scored = self.labelled()
            draws, inputs = scored.draws, {"samples": scored.samples, "scores": scored.scores}
            inputs["data"] = (self.space.data,)
        params = self.space.reward_params(draws)
        if self.space.reward_body:
            inputs["body"] = (self.start(),)
        return Node("proxy", params, inputs, code=self.space.proxy_code)

    def pool(self, k: int, proposal: Proposal) -> Scored:
        """The scored pool of a proposal, drawn once for the largest k of the config."""
        k_max = max(k, self.space.k_max.get(proposal, k))
        whole = -(-k_max // BLOCK_DRAWS) * BLOCK_DRAWS
        policies = [
            self.start() if source is None else self.arm(source).policy
            for source in proposal.sources
        ]
        sampling = self.sampling(proposal.temperature, proposal.top_p)
        pool = self.draw(policies, "train", whole, sampling, "pool", proxy=self.proxy())
        return dataclasses.replace(pool, proposal=proposal.name)

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
        seed: int | None = None,
    ) -> Node:
        """An acceptance rule over the first ``k`` draws; ranges beyond ``k`` are left out.

        The rule's own source joins the key; ``code`` names what else decides the selection.
        ``seed`` is that of its keyed numbers, by default the run's.
        """
        part = scored.first(k)
        inputs = {"data": (self.space.data,), "samples": part.samples, "scores": part.scores}
        if match is not None:
            inputs["match"] = (match,)
        params = {
            "rule": rule,
            "rule_params": dict(rule_params),
            "k": k,
            "seed": self.space.seed if seed is None else seed,
            "reward": reward,
        }
        own = source_modules(self.space.rules.get(rule))
        return Node("select", params, inputs, code=tuple(dict.fromkeys((*own, *code))))

    def score_logs(self) -> Scored:
        """D's own answers scored by the proxy, as a ragged pool, counted in the start's tokens."""
        rows, plain = self.train_set(), self.score((self.train_set(),), self.proxy())
        inputs = {**plain.inputs, "tokenizer": (self.start(),)}
        code = tuple(dict.fromkeys((*plain.code, *self.start().code)))
        scored = Node("score", plain.params, inputs, code=code)
        return Scored(((0, (rows,), scored),), 0)

    # -- evaluation -------------------------------------------------------------------------

    def evaluate(
        self, policy: Node, draws: int, temperature: float, splits: Sequence[Split]
    ) -> tuple[Evaluation, ...]:
        """Test draws on each split; one draw at temperature 0. All arms share uniforms."""
        count = 1 if temperature == 0 else draws
        scored = self.space.scored and bool(self.space.examples["proxy_label"] or self.space.labels)
        proxy = self.proxy() if scored else None
        sampling = self.sampling(temperature)
        kl = self.space.settings.evaluation["kl"] and temperature == 1
        drawn = {s: self.draw(policy, s, count, sampling, "test", proxy=proxy) for s in splits}
        ratios = ratio_nodes(self.space, policy, self.start(), drawn) if kl else {}
        return tuple(Evaluation(s, draws, ratios.get(s)) for s, draws in drawn.items())

    def open_arms(self) -> dict[str, Arm]:
        """Planned arms with an open choice by variant id, those of no cell included."""
        return {variant: arm for variant, arm in self._arms.items() if arm.open}

    def arm(self, variant: str) -> Arm:
        """The arm of another variant of this cellspace, planned once."""
        if variant not in self._arms:
            self._arms[variant] = self._plan_arm(self.at_rate(1.0), variant)
        return self._arms[variant]
