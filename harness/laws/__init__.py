"""The sanity laws L1 to L20: what must be true if the harness computes what it says.

Each law runs real objects (acceptance rules and targets from the registries it is given, the exact
policy, estimators, weights, losses, tests) and compares them with closed forms, enumerations or
simulations of known laws. No torch is loaded at import. Wording and corrections: protocol.md
section 7 of the specification; sources are those of the functions measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.laws import (
    estimation,
    flops,
    inference,
    learning,
    nano,
    sampling,
    selection,
)
from rsft_bench.harness.laws.result import Check, Law, LawResult, Setting

LAWS: tuple[Law, ...] = (
    Law("L1", "rejection sampling: rate 1/M, accepted law = target", sampling.l1_rejection),
    Law("L2", "best-of-n and set rules: exact laws at finite k", sampling.l2_best_of_n),
    Law("L3", "T rounds of argmax-k = best of k^T", sampling.l3_composition),
    Law("L4", "threshold: KL = -log alpha, cost 1/alpha", sampling.l4_threshold),
    Law("L5", "binary filter: V' = V + Var(q)/V", learning.l5_binary_filter),
    Law("L6", "a threshold can lower the value", learning.l6_counterexample),
    Law("L7", "lambda: (D + lambda A)/(1 + lambda) and its limits", learning.l7_lambda),
    Law("L8", "tilts compose; RWR and DPO end at the tilt", learning.l8_tilts),
    Law("L9", "k=1 control: no gain, variety falls by 1 - 1/m", learning.l9_control),
    Law("L10", "estimators are unbiased", estimation.l10_unbiased),
    Law("L11", "Gaussian reward against root KL", estimation.l11_root_kl),
    Law("L12", "heavy-tailed noise turns gold down, normal does not", estimation.l12_goodhart),
    Law("L13", "the selected proxy overstates gold", estimation.l13_overstated),
    Law("L14", "coverage 1 - (1 - alpha)^k", selection.l14_coverage),
    Law("L15", "prompt offsets leave within-prompt rules alone", selection.l15_offsets),
    Law("L16", "monotone transforms leave best-of-n alone", selection.l16_transforms),
    Law("L17", "A/A error 5 %, power 80 % at the MDE, peeking", inference.l17_inference),
    Law("L18", "FLOPs: counted = analytic, training = 3 forwards", flops.l18_flops),
    Law("L19", "a reward that knows nothing gives random's law", selection.l19_blind),
    Law("L20", "nano: proxy rises in k and is concave", nano.l20_nano, counts=False),
)


def chosen(ids: Sequence[str] | None) -> tuple[Law, ...]:
    """Laws by id in their own order; all for None.

    Raises:
        UserError: an id that is none of L1 to L20.
    """
    if ids is None:
        return LAWS
    known = [law.id for law in LAWS]
    for wanted in ids:
        if wanted not in known:
            raise UserError(
                f"unknown law {wanted!r}. Known: L1 to L20; give ids as in --only L3,L7"
            )
    return tuple(law for law in LAWS if law.id in ids)


def measured(setting: Setting, ids: Sequence[str] | None = None) -> Iterator[tuple[Law, LawResult]]:
    """Each chosen law with its result, one after the other. Raises UserError as ``chosen``."""
    for law in chosen(ids):
        yield law, law.result(setting)


__all__ = ["LAWS", "Check", "Law", "LawResult", "Setting", "chosen", "measured"]
