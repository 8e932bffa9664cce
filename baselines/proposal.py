"""The proposal as parameters: whose policy draws a pool, at which temperature, with which top-p.

Training starts from sft whatever the proposal; equal proposals share one pool.
"""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.baselines.common import HOTTEST, own_charges
from rsft_bench.harness.arms import Arm, Charge
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import BLOCK_DRAWS, Graph
from rsft_bench.harness.proposals import START, Proposal, proposal_of
from rsft_bench.harness.types import Json, Param
from rsft_bench.harness.variants import split_id

PROPOSAL_PARAMS: tuple[Param, ...] = (
    Param("pool_temperature", None, "the pool's; default the config's", above=0, most=HOTTEST),
    Param("pool_top_p", None, "the pool's top-p; default the config's", above=0, most=1),
    Param("source", None, "variant whose policy draws the pool; default sft", alias=START),
    Param("mix", None, "second variant that draws every other eight answers of the pool"),
)


def check_proposal(params: Mapping[str, Json]) -> None:
    """What can be said about a proposal before anything is planned.

    Raises:
        ConfigError: a source with a serving temperature, which is not the pool's, or a mixture
            whose parts are one policy or unequal.
    """
    for name in (params["source"], params["mix"]):
        heat = None if name is None else split_id(str(name))[1].get("temperature")
        if heat is not None:
            raise ConfigError(
                f"source or mix={name} sets a serving temperature, which is not the pool's; use "
                f"pool_temperature={heat} and name the variant without it"
            )
    mix = params["mix"]
    if mix is None:
        return
    if mix == (params["source"] or START):
        raise ConfigError(f"mix={mix} is the pool's source already; name another variant")
    if params["k"] % (2 * BLOCK_DRAWS):
        raise ConfigError(
            f"mix={mix} takes turns of {BLOCK_DRAWS} draws, so k={params['k']} is no even mixture; "
            f"make k a multiple of {2 * BLOCK_DRAWS}"
        )


def proposal(params: Mapping[str, Json], graph: Graph) -> Proposal:
    """The proposal of resolved parameters, what they leave open taken from the config."""
    found = proposal_of(params, graph.space.settings.pool)
    assert found is not None
    return found


def source_arms(found: Proposal, graph: Graph) -> list[Arm]:
    """Arms of the variants that draw, the common start left out.

    Raises:
        ConfigError: a variant that picks among several answers, which no policy draws.
    """
    arms = []
    for name in found.sources:
        if name is None:
            continue
        arm = graph.arm(name)
        if arm.pick is not None:
            raise ConfigError(
                f"source={name!r} picks among draws of another variant; name that one"
            )
        arms.append(arm)
    return arms


def source_charges(arms: list[Arm], graph: Graph) -> tuple[Charge, ...]:
    """What having the sources costs on top of the common start."""
    return tuple(charge for arm in arms for charge in own_charges(arm, graph))


def labels_spent(own: int, arms: list[Arm], graph: Graph, *, proxy: bool) -> int:
    """Gold labels of an arm and its sources; the proxy's, where both use it, count once.

    ``own`` are the arm's labels, those of the proxy where ``proxy`` says so.
    """
    fitted = graph.proxy().uid
    n_label = graph.space.gold_labels
    total, counted = own, proxy
    for arm in arms:
        uses = any(charge.node.uid == fitted for charge in arm.charges)
        total += arm.gold_labels - (n_label if uses and counted else 0)
        counted = counted or uses
    return total
