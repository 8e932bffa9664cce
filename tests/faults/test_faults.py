"""What goes wrong outside the program: one line, the right exit code, no finished work lost."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.cli import compose, main
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.executors.local import LocalExecutor
from rsft_bench.harness.executors.memory import private_gib
from rsft_bench.harness.progress import Silent
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.worker import Task

TESTS = Path(__file__).parents[1]
TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
DYING = Catalog({**DEFAULT_PATHS, "suite": "faults.dying_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=2,lambda=1]"
PROGRAM = """
import sys
sys.path[:0] = {paths!r}
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.cli import compose, main
compose.catalog = lambda config=None: Catalog({{**DEFAULT_PATHS, "suite": "toy_suite:SUITES"}})
if __name__ == "__main__":
    sys.exit(main())
"""


def content(weights: Path, **changes: Any) -> dict[str, Any]:
    """A run of about twenty nodes on the toy suite."""
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(weights)}],
        "suites": [{"name": "toy", "n": 6}],
        "seeds": [0],
        "variants": ["sft", "sft_more", ARGMAX],
        "primary": ARGMAX,
        "pool": {"max_new_tokens": 4},
        "training": {"lr": 1e-2, "batch": 2, "sft_steps": 2, "steps": 2},
        "reward": {"n_label": 24},
        "evaluation": {
            "draws": 2,
            "best_of_draws": 2,
            "primary_draws": 2,
            "temperatures": [],
            "serve_prompts": 1,
        },
    }
    return {**raw, **changes}


def objects(cache: Path) -> dict[str, int]:
    """Modification time of every finished artifact by key."""
    return {p.parent.name: p.stat().st_mtime_ns for p in cache.glob("objects/*/*/meta.json")}


def assert_same_rows(a: Path, b: Path) -> None:
    left, right = (RunFolder(p).rows().drop(columns="latency_s") for p in (a, b))
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    assert text.startswith("rsft-bench: ")
    return text


@pytest.fixture(scope="module")
def undisturbed(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, left in peace."""
    root = tmp_path_factory.mktemp("peace")
    run(parse_config(content(tiny_lm_folder)), TOY, root / "out", workers=0, cache=root / "cache")
    return root / "out"


@pytest.fixture
def folder(tiny_lm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``toy.yaml``, its own store, and the toy suite for ``main``."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(content(tiny_lm_folder)))
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compose, "catalog", lambda config=None: TOY)
    return tmp_path


def toy_run(*more: str) -> int:
    return main(["run", "toy.yaml", "--out", "out", "--quiet", "--workers", "0", *more])


def status(folder: Path) -> str:
    return str(json.loads((folder / "out" / "manifest.json").read_text())["status"])


# -- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds: [0, 1\nvariants: [sft]\n", "mine.yaml"),
        ("\tseeds: [0]\n", "mine.yaml"),
        ("seeds: [0]\nseeds: [1]\n", "mine.yaml"),
        ("", "empty"),
        ("- sft\n- base\n", "mine.yaml"),
        ("seeds: \x00\n", "mine.yaml"),
        ("preset: smoke\nsuites: [oder_status]\n", "Did you mean 'order_status'"),
        ("preset: smoke\nsuites: [{name: sgd, path: nowhere}]\n", "nowhere"),
        ("preset: smoke\npolicies: [{name: causal_lm, path: nowhere}]\n", "nowhere"),
    ],
)
def test_a_config_that_cannot_be_used(
    text: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["run", "mine.yaml", "--quiet", "--workers", "0"]) == 2
    assert words in one_line(capsys)


def test_a_config_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        assert main(["run", str(path)]) == 2
        assert str(path) in one_line(capsys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{not json", "dialogues_001.json"),
        ("", "dialogues_001.json"),
        ('{"dialogue_id": "1"}', "dialogues_001.json"),
        ('[{"dialogue_id": "1_00000"}]', "dialogues_001.json"),
        ('[{"dialogue_id": "1_0", "services": ["A_1"], "turns": [{}]}]', "dialogues_001.json"),
        ('[{"dialogue_id": "1_0", "services": ["A_1"], "turns": 7}]', "dialogues_001.json"),
        ("[]", "dialogues"),
    ],
)
def test_a_malformed_sgd_file(
    text: str,
    words: str,
    tiny_lm_folder: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(compose, "catalog", lambda config=None: Catalog())
    (folder / "data" / "train").mkdir(parents=True)
    (folder / "data" / "train" / "dialogues_001.json").write_text(text)
    raw = content(tiny_lm_folder, suites=[{"name": "sgd", "path": "data"}])
    (folder / "toy.yaml").write_text(yaml.safe_dump(raw))
    assert toy_run() == 2
    assert words in one_line(capsys)
    assert status(folder) == "partial"


# -- disk full ------------------------------------------------------------------------------


def full_after(
    monkeypatch: pytest.MonkeyPatch, allowed: int, error: Callable[[], Exception]
) -> None:
    """The ``allowed + 1``-th artifact and whatever is written later meet a full disk."""
    write = Path.write_text
    seen: list[Path] = []

    def write_text(self: Path, *args: Any, **kwargs: Any) -> int:
        seen.extend([self] if self.name == "meta.json" else [])
        if len(seen) > allowed:
            raise error()
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", write_text)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_space_in_rust() -> Exception:
    from safetensors import SafetensorError

    text = "Error while serializing: I/O error: No space left on device (os error 28)"
    return Exception.__new__(SafetensorError, text)


@pytest.mark.parametrize("error", [no_space, no_space_in_rust])
def test_a_full_disk_keeps_finished_artifacts(
    error: Callable[[], Exception],
    undisturbed: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        full_after(patch, 5, error)
        assert toy_run() == 4
        assert "disk full" in one_line(capsys)
    kept = objects(folder / "cache")
    assert len(kept) == 5
    # No half-written artifact stays behind to fill the disk further.
    assert not list((folder / "cache" / "tmp").iterdir())
    # With nothing left to write to, the manifest cannot even say "partial".
    assert status(folder) == "running"
    assert toy_run() == 0
    assert status(folder) == "complete"
    assert kept.items() <= objects(folder / "cache").items()
    assert_same_rows(undisturbed, folder / "out")


@pytest.mark.parametrize("name", ["rows.parquet", "report.html"])
def test_a_full_disk_while_the_results_are_written(
    name: str,
    undisturbed: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replace = Path.replace

    def refuse(self: Path, target: str | Path) -> Path:
        if Path(target).name == name:
            raise no_space()
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        assert toy_run() == 4
        assert "disk full" in one_line(capsys)
    assert not list((folder / "out").glob("*tmp*"))
    # The run itself was whole before its report was written.
    assert status(folder) == ("complete" if name == "report.html" else "partial")
    kept = objects(folder / "cache")
    assert toy_run() == 0
    assert status(folder) == "complete"
    assert objects(folder / "cache") == kept
    assert (folder / "out" / "report.html").exists()
    assert_same_rows(undisturbed, folder / "out")


# -- signals --------------------------------------------------------------------------------


def group(leader: int) -> dict[int, str]:
    """Living processes of a process group: pid to command line."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgid = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgid) == leader and state != "Z":
                words = (stat.parent / "cmdline").read_text().replace("\0", " ")
                found[int(stat.parent.name)] = words
        except OSError:
            continue
    return found


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll; the deadline is generous because cores are shared."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def workers_import(leader: int, folder: Path) -> bool:
    """A worker process runs Python and is far from having set up anything."""
    born = any("spawn_main" in words for words in group(leader).values())
    if born:
        time.sleep(0.1)
    return born


def some_work_done(leader: int, folder: Path) -> bool:
    return len(objects(folder / "cache")) >= 4


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="counts processes by /proc")
@pytest.mark.parametrize(
    ("number", "everyone", "code", "moment"),
    [
        (signal.SIGINT, True, 130, workers_import),
        (signal.SIGINT, True, 130, some_work_done),
        (signal.SIGTERM, False, 143, workers_import),
        (signal.SIGTERM, True, 143, workers_import),
        (signal.SIGTERM, False, 143, some_work_done),
    ],
    ids=[
        "ctrl-c at start",
        "ctrl-c at work",
        "sigterm at start",
        "sigterm to all at start",
        "sigterm",
    ],
)
def test_a_signal_ends_the_run_and_its_workers(
    number: signal.Signals,
    everyone: bool,
    code: int,
    moment: Callable[[int, Path], bool],
    undisturbed: Path,
    folder: Path,
) -> None:
    script = folder / "job.py"
    script.write_text(PROGRAM.format(paths=[str(TESTS)]))
    argv = ["run", "toy.yaml", "--out", "out", "--quiet", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, str(script), *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        until(lambda: moment(process.pid, folder) or process.poll() is not None)
        (os.killpg if everyone else os.kill)(process.pid, number)
        said, complained = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, ""), complained
    assert complained.count("\n") == 1, complained
    assert "finished work is kept" in complained
    until(lambda: not group(process.pid), 10)
    assert status(folder) == "partial"
    kept = objects(folder / "cache")
    assert toy_run() == 0
    assert kept.items() <= objects(folder / "cache").items()
    assert_same_rows(undisturbed, folder / "out")


# -- dying workers --------------------------------------------------------------------------


class Killer(Silent):
    """Kills one worker just after the first fit, while no task is being waited for."""

    def __init__(self, executor_processes: Callable[[], list[int]]) -> None:
        self._pids = executor_processes
        self.killed = 0

    def message(self, text: str) -> None:
        """Strike once, and wait until the pool can know."""
        if "made fit" in text and not self.killed:
            pid = self._pids()[0]
            os.kill(pid, signal.SIGKILL)
            self.killed = pid


def worker_pids() -> list[int]:
    import multiprocessing

    return [p.pid for p in multiprocessing.active_children() if p.pid is not None]


@pytest.mark.slow
def test_a_killed_worker_is_replaced(
    undisturbed: Path, tiny_lm_folder: Path, tmp_path: Path
) -> None:
    killer = Killer(worker_pids)
    outcome = run(
        parse_config(content(tiny_lm_folder)),
        TOY,
        tmp_path / "out",
        workers=2,
        cache=tmp_path / "cache",
        progress=killer,
    )
    assert killer.killed
    assert outcome.status == "complete"
    assert_same_rows(undisturbed, tmp_path / "out")
    assert not worker_pids()


def data_task(cache: Path, suite: str, seed: int, **options: Any) -> Task:
    """Loading a suite: a task that needs no torch."""
    params = {
        "suite": suite,
        "version": "1",
        "options": {"n": 2, "limit": None, **options},
        "seed": seed,
    }
    return Task(f"{seed:064x}", "data", params, {}, cache, DYING)


def test_a_task_whose_worker_dies_once_is_retried(tmp_path: Path) -> None:
    executor = LocalExecutor(1)
    task = data_task(tmp_path / "cache", "dying", 3, deaths=1, graves=str(tmp_path))
    try:
        executor.submit(task)
        # The first wait ends with the death and has nothing to report.
        assert executor.wait_any() == []
        assert [done for done, _ in executor.wait_any()] == [task]
    finally:
        executor.close()
    assert [p.name for p in tmp_path.glob("3-*")] == ["3-0"]


def test_a_task_whose_worker_dies_twice_is_named(
    tiny_lm_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    suite = {"name": "dying", "n": 6, "deaths": 2, "graves": str(tmp_path)}
    raw = content(tiny_lm_folder, suites=[suite])
    (tmp_path / "dying.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compose, "catalog", lambda config=None: DYING)
    argv = ["run", str(tmp_path / "dying.yaml"), "--out", str(tmp_path / "out"), "--quiet"]
    assert main([*argv, "--workers", "1"]) == 4
    said = one_line(capsys)
    assert "died twice" in said
    assert 'data "dying"' in said
    assert status(tmp_path) == "partial"


def test_a_worker_that_dies_idle_costs_nothing(tmp_path: Path) -> None:
    executor = LocalExecutor(1)
    first, second = (data_task(tmp_path / "cache", "toy", seed) for seed in (1, 2))
    try:
        executor.submit(first)
        assert len(executor.wait_any()) == 1
        (pid,) = worker_pids()
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in worker_pids())
        time.sleep(0.2)  # the pool's own thread notices the death a moment later
        executor.submit(second)
        assert [task for task, _ in executor.wait_any()] == [second]
    finally:
        executor.close()


def drain(executor: LocalExecutor) -> None:
    while executor.free < executor.workers:
        executor.wait_any()


def test_the_guilty_task_is_among_those_named(tmp_path: Path) -> None:
    """Two tasks in flight, one kills its worker twice: the message names that one too."""
    executor = LocalExecutor(2)
    try:
        executor.submit(data_task(tmp_path / "cache", "slow", 1))
        executor.submit(data_task(tmp_path / "cache", "dying", 0, deaths=2, graves=str(tmp_path)))
        with pytest.raises(InfrastructureError, match='"dying"'):
            drain(executor)
    finally:
        executor.close()


# -- memory ---------------------------------------------------------------------------------


def greedy(weights: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a run of two suites, the second of which takes 1 GiB while it loads."""
    suites = [{"name": "toy", "n": 6}, {"name": "greedy", "n": 6, "gib": 1.0}]
    (folder / "greedy.yaml").write_text(yaml.safe_dump(content(weights, suites=suites)))
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setattr(compose, "catalog", lambda config=None: DYING)
    out = str(folder / "out")
    return ["run", str(folder / "greedy.yaml"), "--out", out, "--quiet", "--workers", "1"]


@pytest.mark.skipif(private_gib() is None, reason="reads /proc")
def test_a_task_that_takes_too_much_memory_is_named(
    tiny_lm_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = greedy(tiny_lm_folder, tmp_path, monkeypatch)
    monkeypatch.setenv("RSFT_BENCH_MEMORY_GIB", "0.6")
    assert main(argv) == 4
    said = one_line(capsys)
    assert 'data "greedy"' in said
    assert "more than the cap of 0.6 GiB" in said
    assert "finished work is kept" in said
    assert status(tmp_path) == "partial"
    # The toy suite was loaded before; no mark of the accident stays behind.
    assert len(objects(tmp_path / "cache")) == 1
    assert not list((tmp_path / "cache" / "tmp").glob("over-*"))


@pytest.mark.skipif(private_gib() is None, reason="reads /proc")
def test_the_cap_spares_a_task_below_it(tmp_path: Path) -> None:
    executor = LocalExecutor(1, memory_gib=3.0)
    try:
        executor.submit(data_task(tmp_path / "cache", "greedy", 1, gib=1.0))
        assert len(executor.wait_any()) == 1
    finally:
        executor.close()


@pytest.mark.parametrize("value", ["0", "-1", "much", "inf", "nan"])
def test_a_cap_that_is_no_size(
    value: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert toy_run(f"--memory-gib={value}") == 2
    assert value in one_line(capsys)
