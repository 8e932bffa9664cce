"""Stage ``fit``: training from a policy on weighted sets (D, A, and what an objective adds)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from rsft_bench.harness.errors import CapabilityError
from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.learners import Learner, learner
from rsft_bench.harness.stages.weighing import mean_tokens, rows_of, weighted
from rsft_bench.harness.store import META
from rsft_bench.harness.types import Budget, WeightedSet


def run(work: Work) -> Outcome:
    """params: sets [{name, coefficient, stream}], budget, normalise, seed, checkpoints (steps).

    A set that is not trained by likelihood also has a loss and its settings.
    Inputs: init (policy), reference (D, whose mean answer length is the constant c), the artifacts
    of rows of each set under the set's name, and ``matched`` where the budget's steps are None:
    they then follow from these artifacts' FLOPs times the param ``shares``. Files: fit.json;
    weights/ and checkpoints/STEP/weights/, or what ``learners.OfItself`` writes.
    """
    policy = learner(work)
    normaliser = mean_tokens(work, policy)
    sets = [
        weighted(spec, rows_of(work, spec["name"]), normaliser, work.params, policy)
        for spec in work.params["sets"]
    ]
    done = policy.fit(sets, _budget(work, policy, sets), work)
    report = {
        "losses": list(done.losses),
        "tokens": done.tokens,
        "rows_seen": dict(done.rows_seen),
        "set_rows": {s.name: len(s.rows) for s in sets},
        "set_prompts": {s.name: len({r.example_id for r in s.rows}) for s in sets},
        "row_weights": {s.name: [row.weight for row in s.rows] for s in sets},
        "normaliser": normaliser,
    }
    if any(s.loss != LIKELIHOOD for s in sets):
        report["objectives"] = {s.name: s.loss for s in sets}
        report["reference_tokens"] = done.reference_tokens
    (work.out / "fit.json").write_text(json.dumps(report))
    return Outcome(tokens=done.tokens, flops=done.flops)


def _budget(work: Work, policy: Learner, sets: Sequence[WeightedSet]) -> Budget:
    """The budget; where it has no steps, as many as cost what ``matched`` artifacts cost.

    Raises:
        CapabilityError: the policy does not know what a step costs.
    """
    given = dict(work.params["budget"])
    if given["steps"] is not None:
        return Budget(**given)
    costs = [json.loads((f / META).read_text())["cost"]["flops"] for f in work.inputs["matched"]]
    shares = work.params["shares"]
    wanted = sum(cost * share for cost, share in zip(costs, shares, strict=True))
    one_step = policy.fit_flops(sets, Budget(**{**given, "steps": 1}))
    if not (one_step > 0 and math.isfinite(wanted)):
        raise CapabilityError(
            "an arm with as many FLOPs as another needs a policy that counts its FLOPs; "
            "leave sft_flops out"
        )
    return Budget(**{**given, "steps": max(1, round(wanted / one_step))})
