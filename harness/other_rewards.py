"""A graph whose arms are judged by another reward than the run's, over the same draws.

A variant that names a reward (``best_of_n[n=3,reward=proxy]``) is planned in such a graph. The
reward gets its default options and the run's labelled answers, so that all rewards of a run are
fitted on the same answers of the same prompts.
"""

from __future__ import annotations

import copy
from dataclasses import replace

from rsft_bench.harness.catalog import source_modules
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.reward_protocols import (
    ConfigurableReward,
    FittedReward,
    needs_body,
    ready,
)


def judged_by(graph: Graph, name: str) -> Graph:
    """The graph with the reward of this name; the same graph where the run's own is named.

    Raises:
        UnknownNameError: no such reward.
        ConfigError: it cannot accept, or it reads hidden states, which only the run's own may.
    """
    space = graph.space
    if name == space.settings.reward["name"]:
        return graph
    if space.rewards is None:
        raise ValueError("this cellspace knows no rewards by name")
    kind = space.rewards.get(name)
    if not isinstance(kind, FittedReward):
        raise ConfigError(
            f"reward {name!r} cannot accept answers, so no variant can be served by it; name one "
            "that can, such as proxy; see `rsft-bench list rewards`"
        )
    declared = kind.options if isinstance(kind, ConfigurableReward) else ()
    options = {param.name: param.default for param in declared}
    reward = ready(kind, options)
    if needs_body(reward):
        raise ConfigError(
            f"reward {name!r} reads the policy's weights; set it as the run's own under `reward`"
        )
    changed = dict(space.settings.reward) | {"name": name, "options": options}
    other = copy.copy(graph)
    other.space = replace(
        space,
        settings=replace(space.settings, reward=changed),
        reward_code=source_modules(reward),
        reward_body=False,
        reward_draws=int(getattr(reward, "least_draws", 1)),
    )
    return other
