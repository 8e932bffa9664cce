"""Methods, one file each, and the acceptance rules they share. Imports ``harness`` only."""

from __future__ import annotations

from rsft_bench.baselines.best_of_n import BestOfN
from rsft_bench.baselines.dpo import Dpo
from rsft_bench.baselines.filtered import SftFiltered, SftLabelled
from rsft_bench.baselines.mbr import Mbr
from rsft_bench.baselines.nft import Nft
from rsft_bench.baselines.picking import OneOfN
from rsft_bench.baselines.rsft import Rsft
from rsft_bench.baselines.rules import RULES
from rsft_bench.baselines.rwr import Rwr
from rsft_bench.baselines.sft import Base, Sft, SftClean, SftFlops, SftMore
from rsft_bench.baselines.targets import TARGETS
from rsft_bench.baselines.voting import MajorityVote, WeightedVote
from rsft_bench.harness.method import Method
from rsft_bench.harness.registry import Registry

METHODS: Registry[Method] = Registry(
    "method",
    [
        Base(),
        Sft(),
        SftMore(),
        SftMore("sft_more2", "as many further training tokens on D as RSFT takes", factor=2),
        SftFlops(),
        SftFiltered(),
        SftLabelled(),
        SftClean(),
        OneOfN(BestOfN()),
        OneOfN(MajorityVote()),
        OneOfN(WeightedVote()),
        OneOfN(Mbr()),
        Rsft(),
        Rwr(),
        Nft(),
        Dpo(),
    ],
    group="rsft_bench.methods",
)

__all__ = ["METHODS", "RULES", "TARGETS"]
