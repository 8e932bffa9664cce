"""What a run reads from outside the store, by content: data files of suites, files of policies."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.harness.catalog import Catalog, with_defaults
from rsft_bench.harness.config import RunConfig
from rsft_bench.harness.config_specs import NamedSpec
from rsft_bench.harness.errors import UserError
from rsft_bench.harness.store import hash_text
from rsft_bench.harness.types import Json


def suite_options(config: RunConfig, spec: NamedSpec, catalog: Catalog) -> dict[str, Json]:
    """Options of a suite with defaults, and ``extra_prompts`` where the pool asks for some."""
    options = with_defaults(spec.given, catalog.suite(spec.name).options)
    extra = config.pool.extra_prompts
    return options | ({"extra_prompts": extra} if extra else {})


def suite_files(config: RunConfig, spec: NamedSpec, catalog: Catalog) -> str | None:
    """Hash of the files a suite reads and of the file that it is; None where there are none.

    Raises:
        UserError: files that are absent or cannot be read.
    """
    digest = getattr(catalog.suite(spec.name), "digest", None)
    read = None if digest is None else str(digest(suite_options(config, spec, catalog)))
    if spec.name not in catalog.suite_files:
        return read
    return hash_text(catalog.suite_files[spec.name].digest, read or "")


def policy_fingerprint(spec: NamedSpec, catalog: Catalog) -> str:
    """Fingerprint of what a policy would answer with now. Raises UserError as the policy does."""
    kind = catalog.registry("policy").get(spec.name)
    return str(kind.fingerprint(with_defaults(spec.given, kind.options)))


def changed(config: RunConfig, catalog: Catalog, manifest: Mapping[str, Json]) -> str | None:
    """The first suite or policy whose files differ from what a finished run read, or None.

    Files that are gone say nothing: the finished run stays what it is.
    """
    suites = {entry["name"]: entry.get("files") for entry in manifest["suites"]}
    policies = {entry["name"]: entry.get("fingerprint") for entry in manifest["policies"]}
    for spec in config.suites:
        if suites.get(spec.key) is not None:
            try:
                if suite_files(config, spec, catalog) != suites[spec.key]:
                    return f"the data of suite {spec.key!r}"
            except UserError:
                continue
    for policy in config.policies:
        try:
            if policy_fingerprint(policy, catalog) != policies.get(policy.name):
                return f"policy {policy.name!r}"
        except UserError:
            continue
    return None
