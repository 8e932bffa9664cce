"""A policy as a run uses it: its registered kind with resolved options and what identifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.catalog import Catalog, source_modules, with_defaults
from rsft_bench.harness.config_specs import NamedSpec
from rsft_bench.harness.learning import LIKELIHOOD, LOSSES
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.policies.shape import model_shape
from rsft_bench.harness.policy_kinds import OwnTrainer
from rsft_bench.harness.preflight import check_kind, known_options
from rsft_bench.harness.types import Capability, HasWeights, Json


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of the run: registered kind, resolved options, identity of what it answers with.

    ``weights``: its ``path`` is a Hugging Face folder. ``own``: it is its own trainer. ``code``
    lists the modules that answer and learn where there are no weights; their source joins the keys
    of its samples, fits and timings. ``losses`` are the names of ``learning.LOSSES`` that its
    trainer has. ``replays``: it answers by what the suite's data recorded.
    """

    name: str
    version: str
    options: Mapping[str, Json]
    capabilities: frozenset[Capability]
    fingerprint: str
    weights: bool
    own: bool
    code: tuple[str, ...]
    losses: frozenset[str]
    replays: bool = False

    def shape(self) -> dict[str, Json] | None:
        """Sizes of the model; None where it has no weights."""
        return model_shape(Path(str(self.options["path"]))) if self.weights else None

    def node(self) -> Node:
        """The ``base`` node: a reference whose digest is the fingerprint."""
        params = {
            "policy": self.name,
            "options": dict(self.options),
            "fingerprint": self.fingerprint,
        }
        return Node("base", params, {}, code=self.code)


def resolve_policy(spec: NamedSpec, catalog: Catalog) -> Policy:
    """The policy that a config names. Raises UserError for a bad option or unreadable weights."""
    kind = catalog.registry("policy").get(spec.name)
    check_kind(kind)
    options = with_defaults(known_options(spec, "policy", kind.options), kind.options)
    fingerprint = kind.fingerprint(options)
    weights = isinstance(kind, HasWeights)
    if weights:
        options["path"] = str(kind.folder(options))
    code = () if weights else source_modules(kind)
    return Policy(
        name=spec.name,
        version=kind.version,
        options=options,
        capabilities=kind.capabilities,
        fingerprint=fingerprint,
        weights=weights,
        own=not weights and isinstance(kind, OwnTrainer),
        code=code,
        losses=frozenset(getattr(kind, "losses", None) or (LOSSES if weights else (LIKELIHOOD,))),
        replays=bool(getattr(kind, "replays", False)),
    )
