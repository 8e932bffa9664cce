"""``manifest.json``: what ran, on what, with which versions and sums. Written before and after."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.config_specs import SuiteSpec
from rsft_bench.harness.machine import machine
from rsft_bench.harness.nodes import versions
from rsft_bench.harness.run_policies import Policy
from rsft_bench.harness.runfolder import SCHEMA_VERSION, WINNER, WINNER_CONTROL, write_json
from rsft_bench.harness.satisfaction_metrics import error_of
from rsft_bench.harness.spaces import Plan
from rsft_bench.harness.stages.data import read_report
from rsft_bench.harness.store import plain
from rsft_bench.harness.types import Json

if TYPE_CHECKING:
    from rsft_bench.harness.runner import Run

NAME = "manifest.json"
DIGESTED = ("examples.parquet", "pool.parquet", "selected.parquet", "rows.parquet", "cells.parquet")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known before the run: its label, workers and start time (UTC, ISO 8601).

    ``threads`` are those of each worker; another number gives other last bits, so keys hold it.
    ``preset`` is what its config began with, if anything. ``salt`` joins the keys of a fresh run.
    """

    name: str
    workers: int
    threads: int
    started_at: str
    started: float
    preset: str | None = None
    salt: str = ""

    @classmethod
    def now(
        cls, name: str, workers: int, threads: int, preset: str | None = None, salt: str = ""
    ) -> Facts:
        """Facts of a run that starts now."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return cls(name, workers, threads, clock, time.time(), preset, salt)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(out: Path) -> dict[str, Json] | None:
    """The manifest of a run folder, or None where there is none that can be read."""
    try:
        manifest: dict[str, Json] = json.loads((out / NAME).read_text())
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "config" in manifest else None


def save_manifest(out: Path, manifest: Mapping[str, Json], *, keep_going: bool = False) -> None:
    """Write atomically. ``keep_going``: while another error is on its way, a full disk is quiet."""
    try:
        write_json(out / NAME, plain(manifest))
    except OSError:
        if not keep_going:
            raise


def describe_run(plan: Plan, facts: Facts, status: str) -> dict[str, Json]:
    """Everything known before anything ran, the confirmatory family included."""
    config = plan.config
    matched = plan.matched()
    commit, dirty = _commit()
    return {
        "schema_version": SCHEMA_VERSION,
        "status": status,
        "name": facts.name,
        "preset": facts.preset,
        "salt": facts.salt,
        "config": config.resolved(),
        "config_hash": config.config_hash(),
        "confirmatory": _confirmatory(plan),
        "primary": None if plan.primary is None else plan.primary.id,
        "primary_match": None if matched is None else matched.id,
        "prompt_matched": config.pool.extra_prompts == 0,
        "seeds": list(config.seeds),
        "suites": [_suite(plan, spec) for spec in config.suites],
        "policies": [_policy(policy) for policy in plan.policies],
        "variants": [
            {
                "id": v.id,
                "method": v.method,
                "parameters": dict(v.params),
                "trained": "trainable" in plan.methods.get(v.method).requires,
                "oracle": bool(v.params.get("oracle", False)),
            }
            for v in plan.variants
        ],
        "versions": {
            "python": platform.python_version(),
            "rsft-bench": metadata.version("rsft-bench"),
            **versions(),
        },
        "commit": commit,
        "dirty": dirty,
        "machine": machine(),
        "workers": facts.workers,
        "threads": facts.threads,
        "started_at": facts.started_at,
    }


def finished(run: Run, facts: Facts, out: Path) -> dict[str, Json]:
    """The manifest of a complete run: data reports, proxies, totals and digests of the files."""
    from rsft_bench.harness.costs import totals

    manifest = describe_run(run.plan, facts, "complete")
    first = run.plan.config.seeds[0]
    for entry in manifest["suites"]:
        artifact = run.data[entry["name"], first]
        entry["digest"] = artifact.digest
        entry["report"] = read_report(artifact.folder)
        entry["report"]["prompts_cut_to_context"] = _cut(run, entry["name"])
    source = run.plan.config.evaluation.satisfaction
    if source not in (None, "index"):
        manifest["satisfaction"] = error_of(source)
    manifest |= {
        "chosen": dict(run.chosen),
        "winners": [asdict(winner) for winner in run.winners],
        "proxies": _proxies(run),
        "totals": totals(run),
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "wall_s": time.time() - facts.started,
        "files": {name: file_digest(out / name) for name in DIGESTED},
    }
    return manifest


def _cut(run: Run, suite: str) -> dict[str, int]:
    """By policy, the test prompts that lost turns or tokens to fit its context."""
    found: dict[str, set[str]] = {}
    for cell in (c for c in run.cells if c.suite == suite):
        ids = found.setdefault(cell.policy, set())
        for evaluation in cell.arm.evaluations:
            for node in evaluation.draws.samples:
                cut = run.artifacts[node.uid].folder / "cut.json"
                ids.update(json.loads(cut.read_text()))
    return {policy: len(ids) for policy, ids in found.items()}


def _confirmatory(plan: Plan) -> list[dict[str, Json]]:
    """The primary, and the winner where asked, against sft_more, sft_filtered, matched random.

    Per suite; suites that run only some variants have no part in it.
    """
    matched = plan.matched()
    if plan.primary is None:
        return []
    present = {v.id for v in plan.variants}
    rivals: list[str] = [r for r in ("sft_more", "sft_filtered") if r in present]
    pairs = [(plan.primary.id, r) for r in rivals]
    pairs += [] if matched is None else [(plan.primary.id, matched.id)]
    if plan.config.evaluation.winner == "confirmatory":
        pairs += [(WINNER, rival) for rival in (*rivals, WINNER_CONTROL)]
    return [
        {
            "suite": spec.key,
            "policy": policy.name,
            "a": a,
            "b": b,
            "metric": "gold_pass",
            "split": "confirm",
        }
        for spec in plan.config.suites
        if spec.variants is None
        for policy in plan.policies_of(spec.key)
        for a, b in pairs
    ]


def _suite(plan: Plan, spec: SuiteSpec) -> dict[str, Json]:
    suite = plan.catalog.suite(spec.name)
    return {
        "name": spec.key,
        "suite": spec.name,
        "version": suite.version,
        "licence": suite.licence,
        "attribution": suite.attribution,
        "options": dict(spec.given),
        "files": plan.files[spec.key],
        "policies": [policy.name for policy in plan.policies_of(spec.key)],
    }


def _policy(policy: Policy) -> dict[str, Json]:
    from rsft_bench.harness.metering.formulas import parameters

    entry: dict[str, Json] = {
        "name": policy.name,
        "version": policy.version,
        "fingerprint": policy.fingerprint,
    }
    shape = policy.shape()
    if shape is not None:
        entry |= {
            "parameters": parameters(shape),
            "layers": shape.get("num_hidden_layers"),
            "hidden": shape.get("hidden_size"),
            "context": shape.get("max_position_embeddings"),
        }
    return entry


def _proxies(run: Run) -> list[dict[str, Json]]:
    found: dict[tuple[str, str, int, str], dict[str, Json]] = {}
    for cell in run.cells:
        proxy = cell.arm.proxy
        at = (cell.suite, cell.policy, cell.seed, "" if proxy is None else proxy.uid)
        if cell.arm.proxy is not None and at not in found:
            folder = run.artifacts[cell.arm.proxy.uid].folder
            report = json.loads((folder / "proxy.json").read_text())
            found[at] = {"suite": at[0], "policy": at[1], "seed": at[2], **report}
    return list(found.values())


def _commit() -> tuple[str | None, bool | None]:
    """Commit of the source tree and whether it was dirty; (None, None) outside a checkout."""
    here = Path(__file__).resolve().parent
    ask = ["git", "-C", str(here)]
    try:
        commit = subprocess.run(
            [*ask, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        status = subprocess.run(
            [*ask, "status", "--porcelain", "-uno"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(status.strip())
