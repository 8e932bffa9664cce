"""What a pool is drawn from: whose weights, at which temperature, with which top-p. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rsft_bench.harness.types import Json

#: The policy that draws where a variant names no other: every trained arm's start.
START = "sft"


class Proposal(NamedTuple):
    """What a pool is drawn from.

    ``sources`` are ids of variants whose policies draw, None the start of every arm; with more
    than one, ranges of draws go round them in order. ``temperature`` and ``top_p`` are the
    sampler's.
    """

    sources: tuple[str | None, ...]
    temperature: float
    top_p: float

    @property
    def name(self) -> str:
        """Value of the column ``proposal``, such as ``base+sft[temperature=0.7,top_p=0.9]``."""
        cut = "" if self.top_p == 1 else f",top_p={self.top_p:.12g}"
        drawn = "+".join(START if source is None else source for source in self.sources)
        return f"{drawn}[temperature={self.temperature:.12g}{cut}]"


def proposal_of(params: Mapping[str, Json], pool: Mapping[str, Json]) -> Proposal | None:
    """The proposal of a variant's parameters; what it leaves open is the config's ``pool``.

    A parameter that is absent counts as left open. None where no pool is drawn before training:
    for a method without ``k``, and where a policy in training draws its answers (``online``).
    """
    if "k" not in params or params.get("online") is not None:
        return None
    heat, cut = params.get("pool_temperature"), params.get("pool_top_p")
    sources = [params.get("source")]
    if params.get("mix") is not None:
        sources.append(None if params["mix"] == START else str(params["mix"]))
    return Proposal(
        tuple(sources),
        float(pool.get("temperature", 1.0) if heat is None else heat),
        float(pool.get("top_p", 1.0) if cut is None else cut),
    )
