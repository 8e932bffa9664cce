"""The command line as a stranger meets it: help, mistakes, exit codes, signals."""

from __future__ import annotations

import argparse
import errno
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.cli.main import COMMANDS, build_parser, module_name
from rsft_bench.harness.errors import NotComparableError

PROGRAM = "import sys; from rsft_bench.harness.cli import main; sys.exit(main())"
ARGUMENTS = {
    "run": [],
    "plan": [],
    "list": ["suites"],
    "report": ["r"],
    "compare": ["r", "a", "b"],
    "show": ["r"],
    "validate": ["order_status"],
    "baseline": ["show", "b"],
    "gate": ["r", "--baseline", "b"],
    "export": ["r", "--variant", "v", "--to", "d"],
    "cache": ["list"],
    "schema": [],
    "doctor": [],
    "laws": [],
}


def spawn(
    *argv: str, cwd: Path | None = None, code: str = PROGRAM
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, cwd=cwd, check=False
    )


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert text.count("\n") == 1
    return text


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys; from rsft_bench.harness.cli import main; code = main(['--help']);"
        "heavy = {'torch', 'pandas', 'pydantic'} & set(sys.modules); sys.exit(code or len(heavy))"
    )
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = spawn(code=code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Processor time: what --help costs, however busy the machine is with other tests.
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0, done.stderr
    assert "exit codes" in done.stdout
    assert min(taken) < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"rsft-bench {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "no command"),
        (["rnu"], "Did you mean 'run'"),
        (["run", "--presett", "x"], "Did you mean '--preset'"),
        (["run", "--workers", "many"], "whole number"),
        (["run", "--fresh", "--resume"], "not allowed with"),
        (["list", "suits"], "suites"),
        (["run", "--preset", "quik"], "Did you mean 'quick'"),
        (["run", "/no/such.yaml"], "no such file"),
        (["plan", "--set", "suites=[order_statu]"], "Did you mean 'order_status'"),
        (["plan", "--set", "suites.0.n_trian=3"], "Did you mean 'n_train'"),
        (["plan", "--set", "variants=[rsfd]", "--set", "primary=null"], "Did you mean 'rsft'"),
        (["plan", "--set", "policies=[nano-2]"], "Did you mean 'nano-1'"),
        (["run", "--seeds", "4-1"], "rising range"),
        (["plan", "--set", "gate.metrics=[gold_pss]"], "Did you mean 'gold_pass'"),
        (["plan", "--set", "gate.metrics=[harm_forbiden]"], "Did you mean 'harm_forbidden'"),
        (["plan", "--set", "gate.metrics=[tokens_out]"], "cannot block"),
        (["plan", "--set", "gate.variants=[sfft]"], "Did you mean 'sft'"),
        (["plan", "--set", "reward.name=prxy"], "Did you mean 'proxy'"),
        (["plan", "--set", "reward.name=gold"], "oracle: true"),
        (["validate", "nothing"], "unknown suite"),
        (["validate", "sgd", "--path", "/no/such"], "/no/such"),
        (["report", "/no/such"], "no run folder"),
        (["show", "/no/such"], "no run folder"),
        (["gate", "/no/such", "--baseline", "/no/base"], "/no/"),
        (["baseline", "save"], "required"),
        (["gate", "r", "--baseline", "b", "--margin", "2"], "between 0 and 1"),
        (["gate", ".", "--baseline", "/no/base"], "baseline save RUN --to /no/base"),
        (["baseline", "show", "/no/base"], "baseline save RUN --to /no/base"),
        (["--quiet", "run"], "`rsft-bench run --quiet`"),
        (["--preset", "smoke", "plan"], "`rsft-bench plan --preset`"),
        (["--quiet"], "`rsft-bench COMMAND --quiet`"),
        (["--versoin"], "Did you mean '--version'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert words in error_of(capsys)


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("rsft[accept=threshold]", "exactly one of tau"),
        ("rsft[accept=threshold,tau=0.5,target_rate=0.5]", "exactly one of tau"),
        ("rsft[accept=threshold,target_rate=2]", "'2' is outside (0, 1]"),
        ("rsft[accept=threshold,target_rate=0]", "'0' is outside (0, 1]"),
        ("rsft[accept=threshold,tau=high]", "'high' must be a number"),
        ("rsft[accept=random]", "match=argmax"),
        ("rsft[accept=random,match=threshold]", "exactly one of tau"),
        ("rsft[accept=random,match=rsft[accept=threshold]]", "exactly one of tau"),
        ("rsft[k=0]", "'0' is outside [1, inf]"),
        ("rsft[lambda=-1]", "'-1' is outside [0, inf]"),
        ("rsft[pool_temperature=-1]", "'-1' is outside (0, 10]"),
        ("rsft[pool_temperature=0]", "'0' is outside (0, 10]"),
        ("sft[temperature=-1]", "'-1' is outside [0, 10]"),
        ("sft[temperature=inf]", "'inf' is outside [0, 10]"),
        ("best_of_n[n=0]", "'0' is outside [1, inf]"),
        ("best_of_n[source=sft[temperature=-1]]", "'-1' is outside [0, 10]"),
    ],
)
def test_a_bad_parameter_is_refused_before_anything_is_spent(
    command: str,
    variant: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    wanted = ["--set", f"variants=['sft', '{variant}']", "--set", "primary=null"]
    assert main([command, "--preset", "smoke", *wanted]) == 2
    assert words in error_of(capsys)
    assert not (tmp_path / "cache" / "objects").exists()


@pytest.mark.parametrize(
    "argv", [["run", "--preset", "smoke", "--out", "out"], ["cache", "list"], ["doctor"]]
)
def test_a_store_that_is_a_file_is_named(
    argv: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", place)
        # doctor reports what is wrong with a machine, the others what is wrong with a request
        assert main(argv) == (4 if argv == ["doctor"] else 2)
        text = error_of(capsys)
        assert place in text
        assert "RSFT_BENCH_CACHE_DIR" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RuntimeError("first\nsecond"), 4, "unforeseen RuntimeError: first second"),
        (SystemExit(1), 4, "SystemExit"),
        (OSError(errno.ENOSPC, "No space left on device"), 4, "disk full"),
        (NotComparableError("two suites"), 3, "two suites"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_a_command_raises_has_its_code(
    command: str,
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(args: argparse.Namespace) -> int:
        raise error

    module = importlib.import_module(f"rsft_bench.harness.cli.{module_name(command)}")
    monkeypatch.setattr(module, "run", broken)
    assert main([command, *ARGUMENTS[command]]) == code
    assert words in error_of(capsys)


def test_every_command_is_covered_above() -> None:
    assert set(ARGUMENTS) == set(COMMANDS)
    assert build_parser().prog == "rsft-bench"


def test_a_traceback_goes_to_the_run_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rsft_bench.harness import runner

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(runner, "run", broken)
    assert main(["run", "--preset", "smoke", "--out", str(tmp_path), "--quiet"]) == 4
    assert f"traceback in {tmp_path / 'run.log'}" in error_of(capsys)
    assert "RuntimeError: boom" in (tmp_path / "run.log").read_text()


def test_the_environment_mirrors_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rsft_bench.harness import runner

    seen: list[tuple[object, object, object]] = []

    def record(config: object, catalog: object, out: Path, **more: object) -> None:
        seen.append((config, out, more["workers"]))
        raise RuntimeError("enough")

    monkeypatch.setattr(runner, "run", record)
    for name, value in {"PRESET": "smoke", "OUT": str(tmp_path / "o"), "WORKERS": "3"}.items():
        monkeypatch.setenv(f"RSFT_BENCH_{name}", value)
    assert main(["run"]) == 4
    assert main(["run", "--workers", "1", "--limit", "5"]) == 4
    assert [(out, workers) for _, out, workers in seen] == [
        (tmp_path / "o", 3),
        (tmp_path / "o", 1),
    ]
    assert seen[1][0].suites[0].given["limit"] == 5  # type: ignore[attr-defined]
    monkeypatch.setenv("RSFT_BENCH_WORKERS", "lots")
    assert main(["run"]) == 2
    assert "RSFT_BENCH_WORKERS" in capsys.readouterr().err
    monkeypatch.setenv("RSFT_BENCH_LIMIT", "few")
    assert main(["run", "--workers", "1"]) == 2
    assert "RSFT_BENCH_LIMIT" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["here", "here/below"])
def test_a_file_as_run_folder_is_bad_usage(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").write_text("mine")
    assert main(["run", "--preset", "smoke", "--out", str(tmp_path / file), "--quiet"]) == 2
    assert "choose another --out" in error_of(capsys)
    assert (tmp_path / "here").read_text() == "mine"


def test_the_executor_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rsft_bench.harness import runner

    def enough(*args: object, **kwargs: object) -> None:
        raise NotComparableError("as far as the runner")

    monkeypatch.setattr(runner, "run", enough)
    argv = ["run", "--preset", "smoke", "--out", str(tmp_path / "o"), "--quiet"]
    monkeypatch.setenv("RSFT_BENCH_EXECUTOR", "cloud")
    assert main(argv) == 2
    assert "allowed are local" in error_of(capsys)
    monkeypatch.setenv("RSFT_BENCH_EXECUTOR", "local")
    assert main(argv) == 3


def test_sigterm_is_143(tmp_path: Path) -> None:
    code = (
        "import sys, time; from rsft_bench.harness.cli import main, schema_command as s\n"
        "def wait(args):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "s.run = wait\nsys.exit(main(['schema']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=20) == 143
        assert "terminated" in process.stderr.read()


def test_a_folder_with_its_own_tasks_does_not_shadow_ours(tmp_path: Path) -> None:
    for name in ("tasks", "reports", "harness", "baselines"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    done = spawn("list", "suites", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "order_status" in done.stdout


@pytest.mark.parametrize(
    "kind", ["suites", "methods", "rules", "metrics", "rewards", "policies", "presets"]
)
def test_list_names_things(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries
    assert all(entry["name"] and entry["doc"] for entry in entries)
    assert main(["list", kind]) == 0
    assert entries[0]["name"] in capsys.readouterr().out


def test_schema_prints_json_and_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert "suites" in json.loads(capsys.readouterr().out)["properties"]
    assert main(["schema", "--rows"]) == 0
    assert "gold_pass" in capsys.readouterr().out


def test_plan_says_what_smoke_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--preset", "smoke", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # one suite, one policy, two seeds, nine variants
    assert found["cells"] == 18
    assert found["completions"] > 0


def test_cache_lists_and_prunes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rsft_bench.harness.store import Store
    from rsft_bench.harness.types import Cost

    def make(folder: Path) -> tuple[Cost, None]:
        (folder / "x").write_bytes(b"0" * 1024)
        return Cost(), None

    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path))
    store = Store(tmp_path)
    store.put("ab" * 32, "fit", make)
    assert main(["cache", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"]["fit"]["artifacts"] == 1
    assert main(["cache", "prune", "--older-than", "1"]) == 0
    assert store.find("ab" * 32) is not None
    assert main(["cache", "prune", "--older-than", "0", "--dry-run"]) == 0
    assert store.find("ab" * 32) is not None
    assert main(["cache", "prune", "--older-than", "0"]) == 0
    assert store.find("ab" * 32) is None


def test_doctor_reports_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["cores"] >= 1
    assert found["torch"] != "missing"
