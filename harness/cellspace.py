"""What every arm of one suite, policy and seed shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.learning import LOSSES
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.proposals import Proposal
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Capability, Example, Json, Split


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
    """One suite, policy and seed: what all its arms share. ``label`` names the suite in files.

    ``scored``: test draws get a proxy score, because some arm of this space has a proxy.
    ``reward_body``: the reward reads the start policy. ``reward_draws``: labelled answers to each
    prompt without which it cannot be fitted.
    ``replays``: the policy answers by what the suite's data recorded, so its test draws are all
    the answers there are. ``rewards``: those that a variant may name in place of the run's.
    ``label_data``: labels of another data set that the reward is fitted on in place of answers of
    the start policy.
    ``losses``: names of ``learning.LOSSES`` that the policy's trainer has.
    """

    suite: str
    label: str
    suite_code: tuple[str, ...]
    policy: str
    capabilities: frozenset[Capability]
    seed: int
    settings: Settings
    data: Node
    base: Node
    examples: Mapping[Split, tuple[Example, ...]]
    k_max: Mapping[Proposal, int]
    rules: Registry[Any]
    reward_code: tuple[str, ...] = ()
    reward_body: bool = False
    reward_draws: int = 1
    scored: bool = True
    losses: frozenset[str] = frozenset(LOSSES)
    replays: bool = False
    rewards: Registry[Any] | None = None
    label_data: Node | None = None

    @property
    def replayed(self) -> dict[str, tuple[Node, ...]]:
        """The input by which a node that samples gets the suite's recorded answers, if any."""
        return {"data": (self.data,)} if self.replays else {}

    @property
    def labels(self) -> dict[str, tuple[Node, ...]]:
        """The input by which a reward gets labels of another data set, if any."""
        return {} if self.label_data is None else {"labels": (self.label_data,)}

    @property
    def proxy_code(self) -> tuple[str, ...]:
        """Modules that decide the fitted reward: its own, and those of the labels' suite."""
        return (*self.reward_code, *(() if self.label_data is None else self.label_data.code))

    @property
    def gold_labels(self) -> int:
        """Gold labels of this suite that its reward is fitted on; none where others are read."""
        return 0 if self.labels else int(self.settings.reward["n_label"])

    def reward_params(self, draws: int | None) -> dict[str, Json]:
        """Parameters of the node that fits the reward on ``draws`` answers to most prompts.

        None where it is fitted on labels of another data set.

        Raises:
            ConfigError: the reward compares answers to one prompt and would get one each.
        """
        reward = self.settings.reward
        if draws is not None and draws < self.reward_draws:
            raise ConfigError(
                f"reward {reward['name']!r} compares answers to one prompt, and reward.n_label = "
                f"{reward['n_label']} over {len(self.examples['proxy_label'])} prompts is one "
                "answer each; raise n_label or lower n_proxy_label"
            )
        params = {"reward": reward["name"], "n_label": reward["n_label"], "seed": self.seed}
        if self.label_data is not None:
            params["labels"] = self.label_data.params["suite"]
        return params | ({"options": reward["options"]} if reward.get("options") else {})


def body_of(proxy: Node) -> dict[str, tuple[Node, ...]]:
    """The input by which a node that scores with this reward gets the policy it reads, if any."""
    return {"body": proxy.inputs["body"]} if "body" in proxy.inputs else {}
