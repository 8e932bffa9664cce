"""Config to finished run folder. Knows nodes, arms and files; no method by name."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.collect import collect
from rsft_bench.harness.config import RunConfig, first_difference
from rsft_bench.harness.errors import InfrastructureError, UserError, disk_full
from rsft_bench.harness.executors.local import LocalExecutor
from rsft_bench.harness.executors.placement import Placement, place, weights_gib
from rsft_bench.harness.inputs import changed
from rsft_bench.harness.latency import serve_nodes
from rsft_bench.harness.manifest import Facts, describe_run, finished, read_manifest, save_manifest
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.progress import Progress, Silent
from rsft_bench.harness.runlog import RunLog
from rsft_bench.harness.schedule import Walk
from rsft_bench.harness.settling import Winner, settle
from rsft_bench.harness.spaces import Cell, Plan, data_node, make_plan, make_space
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.store import Artifact, Store
from rsft_bench.harness.types import Example, Json


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """Where a run lies and whether it had to do anything."""

    path: Path
    status: str
    reused: bool
    wall_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """Everything the files of a run are made from."""

    plan: Plan
    cells: tuple[Cell, ...]
    examples: Mapping[tuple[str, int], tuple[Example, ...]]
    data: Mapping[tuple[str, int], Artifact]
    artifacts: Mapping[str, Artifact]
    serve: Mapping[tuple[str, str], Node]
    chosen: Mapping[str, dict[str, float | str]]
    winners: tuple[Winner, ...]


def default_cache() -> Path:
    """Artifact store: ``RSFT_BENCH_CACHE_DIR``, else the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("RSFT_BENCH_CACHE_DIR")
    return Path(named) if named else user_cache_path("rsft-bench")


def default_workers() -> int:
    """One worker a core this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    config: RunConfig,
    catalog: Catalog,
    out: Path,
    *,
    workers: int | None = None,
    fresh: bool = False,
    preset: str | None = None,
    progress: Progress | None = None,
    cache: Path | None = None,
    memory_gib: float | None = None,
) -> RunOutcome:
    """Run a benchmark into ``out``, reusing whatever the store holds.

    Args:
        config: what to run.
        catalog: where suites, methods, rules and policies come from.
        out: the run folder; made if absent, continued if it holds the same config.
        workers: one-thread processes, 0 runs inside this process; default one a core, or what
            ``executors.placement`` makes of a model that so many could not all hold.
        fresh: use no artifact made by another run. Nothing is deleted; a fresh run that was cut
            off goes on with what it made itself.
        preset: what the config began with, for the manifest.
        progress: watcher; default shows nothing.
        cache: artifact store; default ``RSFT_BENCH_CACHE_DIR`` or the user's cache.
        memory_gib: most private memory of a worker; default an equal share of the machine.

    Raises:
        UserError: a bad config, or a folder that holds something else.
        InfrastructureError: disk full, a worker that died twice or one over its memory cap;
            finished work is kept.
    """
    begin = time.perf_counter()
    before = _claim(out, config)
    whole = finished_and_whole(out, before)
    stale = changed(config, catalog, before) if whole and not fresh else None
    if whole and not fresh and stale is None:
        return RunOutcome(out, "complete", True, time.perf_counter() - begin)
    plan = make_plan(config, catalog)
    root = cache or default_cache()
    # A default folder is called <label>-<hash of the config>.
    name = config.name or out.resolve().name.removesuffix(f"-{config.config_hash()}")
    placed = placement(plan, workers, memory_gib)
    facts = Facts.now(
        name, placed.workers, placed.threads, preset, salt=_salt(before, whole, fresh)
    )
    _fill(plan, facts, placed, out, root, progress or Silent(), stale)
    return RunOutcome(out, "complete", False, time.perf_counter() - begin)


def placement(plan: Plan, workers: int | None, memory_gib: float | None = None) -> Placement:
    """Processes, threads and memory of a run; ``workers`` None decides by cores and weights."""
    folders = [Path(str(p.options["path"])) for p in plan.policies if p.weights]
    return place(workers, default_workers(), weights_gib(folders), memory_gib)


def _fill(
    plan: Plan,
    facts: Facts,
    placed: Placement,
    out: Path,
    root: Path,
    progress: Progress,
    stale: str | None,
) -> None:
    """Make everything and write it to ``out``; the manifest says at any time how far that got."""
    save_manifest(out, describe_run(plan, facts, status="running"))
    executor = LocalExecutor(placed.workers, placed.threads, placed.memory_gib)
    with RunLog(out / "run.log", progress) as log:
        try:
            log.message(placed.words)
            if stale is not None:
                log.message(f"{stale} changed since this folder was written; running again")
            store = Store(root)
            walk = Walk(store, plan.catalog, executor, log, {}, set(), facts.salt, placed.threads)
            made = _execute(plan, walk)
            collect(made, out)
            save_manifest(out, finished(made, facts, out))
        except BaseException as error:
            save_manifest(out, describe_run(plan, facts, status="partial"), keep_going=True)
            raise _translated(error, root) from error
        finally:
            executor.close()


def _translated(error: BaseException, root: Path) -> BaseException:
    if disk_full(error):
        return InfrastructureError(
            f"disk full while writing under {root} or the run folder; free space or set "
            "RSFT_BENCH_CACHE_DIR to another disk and rerun: finished work is kept"
        )
    return error


def _salt(before: Mapping[str, Json], whole: bool, fresh: bool) -> str:
    """What joins every key: the folder's own while it is unfinished, a new one for a fresh run."""
    own = str(before.get("salt") or "")
    return f"{time.time_ns():x}" if fresh and (whole or not own) else own


def _claim(out: Path, config: RunConfig) -> dict[str, Json]:
    """The manifest of the run that ``out`` holds, empty where it holds nothing yet.

    Raises:
        UserError: no folder, a folder that is not a run, or a run of another config.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file and cannot be a run folder; choose another --out")
    if not out.exists() or not any(out.iterdir()):
        _make(out)
        return {}
    manifest = read_manifest(out)
    if manifest is None:
        raise UserError(f"{out} is not empty and is no run folder; choose another --out")
    difference = first_difference(manifest["config"], config.resolved())
    if difference is not None:
        raise UserError(
            f"{out} holds a run of another config (first difference: {difference}); "
            "choose another --out"
        )
    return manifest


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{out} lies below a file; choose another --out") from None


def finished_and_whole(out: Path, manifest: Mapping[str, object]) -> bool:
    """Whether the manifest says complete and every file it lists still has its digest."""
    from rsft_bench.harness.manifest import file_digest

    files = manifest.get("files")
    if manifest.get("status") != "complete" or not isinstance(files, dict):
        return False
    return all(
        (out / name).exists() and file_digest(out / name) == digest
        for name, digest in files.items()
    )


def _execute(plan: Plan, walk: Walk) -> Run:
    loads = {
        (spec.key, seed): data_node(plan, spec, seed)
        for spec in plan.config.suites
        for seed in plan.config.seeds
    }
    walk.run(list(loads.values()), "data")
    data = {key: walk.artifacts[node.uid] for key, node in loads.items()}
    examples = {key: tuple(read_examples(artifact.folder)) for key, artifact in data.items()}
    spaces = [
        make_space(plan, spec, policy, seed, list(examples[spec.key, seed]))
        for spec in plan.config.suites
        for policy in plan.policies_of(spec.key)
        for seed in plan.config.seeds
    ]
    made = settle(plan, spaces, walk)
    serve = serve_nodes(made.plan, list(made.cells), examples)
    walk.run(list(serve.values()), "latency", alone=True)
    return Run(
        made.plan, made.cells, examples, data, walk.artifacts, serve, made.chosen, made.winners
    )
