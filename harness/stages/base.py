"""Stage ``base``: a reference to the policy a run starts from. Weights stay where they are."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.errors import CapabilityError, UserError
from rsft_bench.harness.policy_kinds import OwnPolicy
from rsft_bench.harness.reward_protocols import FittedReward, Scorer, ready
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.types import HasWeights, Json, Sampler

#: What an artifact says of its policy, and the folder of what a policy of its own training saved.
POLICY, STATE = "policy.json", "state"


def run(work: Work) -> Outcome:
    """params: policy (registered name), options, fingerprint. File: policy.json.

    The digest is the fingerprint of the weights, so moving a model folder reruns nothing.
    """
    (work.out / POLICY).write_text(json.dumps(dict(work.params)))
    return Outcome(digest=work.params["fingerprint"])


def weights_folder(artifact: Path) -> Path:
    """Folder with the weights of a ``base`` or ``fit`` artifact.

    Raises:
        UserError: its policy has no such folder.
    """
    fitted = artifact / "weights"
    if fitted.exists():
        return fitted
    policy = json.loads((artifact / POLICY).read_text())
    path = policy["options"].get("path")
    if path is None or (artifact / STATE).exists():
        raise UserError(
            f"policy {policy['policy']!r} is no Hugging Face model: it has no folder of weights"
        )
    return Path(path)


def has_weights(artifact: Path) -> bool:
    """Whether a policy's artifact is a model folder, which torch must load; asks no registry."""
    try:
        return (weights_folder(artifact) / "config.json").is_file()
    except UserError:
        return False


def own_modules(artifact: Path, catalog: Catalog) -> tuple[str, ...] | None:
    """What a policy without weights wants imported before it is timed; None where it has some."""
    if has_weights(artifact):
        return None
    name = json.loads((artifact / POLICY).read_text())["policy"]
    return tuple(getattr(catalog.registry("policy").get(name), "preload", ()))


def sampler(artifact: Path, catalog: Catalog) -> Sampler | None:
    """The policy that answers for the artifact by itself; None where it is a folder of weights.

    The last few stay loaded, for the next block drawn from them.
    """
    if not (artifact / POLICY).exists():
        return None
    return _loaded(artifact, tuple(sorted(catalog.paths.items())))


@functools.lru_cache(maxsize=2)
def _loaded(artifact: Path, paths: tuple[tuple[str, str], ...]) -> Sampler | None:
    policy = json.loads((artifact / POLICY).read_text())
    kind = Catalog(dict(paths)).registry("policy").get(policy["policy"])
    if isinstance(kind, HasWeights):
        return None
    state = artifact / STATE
    loaded: Sampler
    if state.exists():
        loaded = kind.restore(policy["options"], state)
    else:
        loaded = kind.load(policy["options"])
    return loaded


def own_policy(artifact: Path, catalog: Catalog) -> OwnPolicy | None:
    """The policy that trains itself; None where it is a folder of weights.

    Raises:
        CapabilityError: it can only answer.
    """
    loaded = sampler(artifact, catalog)
    if loaded is not None and not isinstance(loaded, OwnPolicy):
        name = json.loads((artifact / POLICY).read_text())["policy"]
        raise CapabilityError(f"policy {name!r} cannot be trained: it has no method `fit`")
    return loaded


def write_own(policy: OwnPolicy, init: Path, folder: Path) -> None:
    """Write a policy fitted from the artifact ``init`` as files that ``sampler`` reads."""
    came = json.loads((init / POLICY).read_text())
    folder.mkdir(parents=True, exist_ok=True)
    named = {"policy": came["policy"], "options": came["options"]}
    (folder / POLICY).write_text(json.dumps(named, sort_keys=True))
    policy.save(folder / STATE)


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
