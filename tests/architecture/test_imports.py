"""The import table, module and function sizes, where printing is allowed, what is packaged."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("harness", "tasks", "baselines", "reports")
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 50

KERNEL = ("types", "learning", "errors", "seeding", "registry")
KERNEL_MODULES = tuple(f"rsft_bench.harness.{name}" for name in KERNEL)
ALLOWED = {
    "tasks": (
        *KERNEL_MODULES,
        "rsft_bench.harness.rewards",
        "rsft_bench.harness.statistics",
        "rsft_bench.tasks",
    ),
    "baselines": ("rsft_bench.harness", "rsft_bench.baselines"),
    "reports": (
        *KERNEL_MODULES,
        "rsft_bench.harness.runfolder",
        "rsft_bench.harness.statistics",
        "rsft_bench.harness.metering.formulas",
        "rsft_bench.reports",
    ),
    "harness": ("rsft_bench.harness",),
}
# The Python interface is the outermost layer and only calls the command line's own functions.
ENTRANCE = "harness/root/"
CLI = "harness/cli/"


def modules() -> Iterator[tuple[str, Path]]:
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path


MODULES = list(modules())
IDS = [name for name, _ in MODULES]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            # `from package import module` may name a module; both spellings are checked.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(p + ".") for p in prefixes)


@pytest.mark.parametrize(("name", "path"), MODULES, ids=IDS)
def test_imports_follow_the_table(name: str, path: Path) -> None:
    if name.startswith((CLI, ENTRANCE)):
        return
    allowed = ALLOWED[name.partition("/")[0]]
    for target in imported(path):
        if within(target, ("rsft_bench",)):
            assert within(target, allowed), f"{name} imports {target}"
            assert not within(target, ("rsft_bench.harness.cli",)), f"{name} imports the cli"


def test_kernel_imports_nothing_of_the_package_but_the_kernel() -> None:
    for name in KERNEL:
        for target in imported(ROOT / "harness" / f"{name}.py"):
            if within(target, ("rsft_bench",)):
                assert within(target, KERNEL_MODULES), f"{name} imports {target}"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=IDS)
def test_modules_and_functions_stay_small(name: str, path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE_LINES, f"{name} has {lines} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{name}:{node.name} has {length} lines"


@pytest.mark.parametrize(("name", "path"), MODULES, ids=IDS)
def test_only_the_command_line_prints_or_exits(name: str, path: Path) -> None:
    if name.startswith(CLI):
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit"), f"{name}:{node.lineno}"


def regression(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Constant):
        return value.value is not True and value.value == 1
    return isinstance(value, ast.Name) and value.id == "EXIT_REGRESSION"


def test_one_line_returns_a_regression() -> None:
    """Exit code 1 in the command line: one constant, returned in one place."""
    returned = [
        name
        for name, path in MODULES
        if name.startswith(CLI)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Return) and regression(node.value)
    ]
    assert len(returned) == 1
    assert returned[0] == "harness/cli/gate_command.py"


def test_every_package_is_named_for_setuptools() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        "rsft_bench." + path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for _, path in MODULES
        if path.name == "__init__.py"
    }
    # harness/root is the folder of `rsft_bench` itself.
    assert set(named) == (found - {"rsft_bench.harness.root"}) | {"rsft_bench"}


@pytest.mark.parametrize("package", ["rsft_bench", "rsft_bench.api", "rsft_bench.reports"])
def test_importing_leaves_torch_unloaded(package: str) -> None:
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
