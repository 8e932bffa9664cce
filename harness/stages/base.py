"""Stage ``base``: a reference to the policy a run starts from. Weights stay where they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.reward_protocols import FittedReward, Scorer, ready
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.types import HasWeights, Json, Sampler


def run(work: Work) -> Outcome:
    """params: policy (registered name), options, fingerprint. File: policy.json.

    The digest is the fingerprint of the weights, so moving a model folder reruns nothing.
    """
    (work.out / "policy.json").write_text(json.dumps(dict(work.params)))
    return Outcome(digest=work.params["fingerprint"])


def weights_folder(artifact: Path) -> Path:
    """Folder with the weights of a ``base`` or ``fit`` artifact."""
    fitted = artifact / "weights"
    if fitted.exists():
        return fitted
    return Path(json.loads((artifact / "policy.json").read_text())["options"]["path"])


def sampler(artifact: Path, catalog: Catalog) -> Sampler | None:
    """The policy that answers for the artifact by itself; None where it is a folder of weights."""
    path = artifact / "policy.json"
    if not path.exists():
        return None
    policy = json.loads(path.read_text())
    kind = catalog.registry("policy").get(policy["policy"])
    if isinstance(kind, HasWeights):
        return None
    loaded: Sampler = kind.load(policy["options"])
    return loaded


def scorer(work: Work) -> Scorer | None:
    """The reward of the input ``proxy``, over the policy of the input ``body`` where it needs one.

    None where no reward is given.
    """
    for artifact in work.inputs.get("proxy", []):
        stated = json.loads((artifact / "reward.json").read_text())
        return reward(work, stated["name"], stated.get("options", {})).load(artifact / "proxy")
    return None


def reward(work: Work, name: str, options: Mapping[str, Json]) -> FittedReward:
    """A registered reward with options, over the weights of the input ``body``, if there is one."""
    bodies = [weights_folder(folder) for folder in work.inputs.get("body", [])]
    kind = work.catalog.registry("reward").get(name)
    return ready(kind, options, bodies[0] if bodies else None)
