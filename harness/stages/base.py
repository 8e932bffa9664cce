"""Stage ``base``: a reference to the policy a run starts from. Weights stay where they are."""

from __future__ import annotations

import json
from pathlib import Path

from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.types import Json


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


def recorded(artifact: Path) -> dict[str, Json] | None:
    """Options of the recorded answers that the artifact stands for; None where it has weights."""
    path = artifact / "policy.json"
    policy = json.loads(path.read_text()) if path.exists() else {}
    return policy["options"] if policy.get("policy") == "recorded" else None
