"""Suites given as one Python file by path. Loading one runs it, so a config must allow that.

The file is named by content: what is loaded in a worker is what the run was planned with, and its
source is part of every key made from the suite. A module that it imports from beside itself is not
found, on purpose: that source would be in no key.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from rsft_bench.harness.catalog import Catalog, SuiteFile
from rsft_bench.harness.config import RunConfig
from rsft_bench.harness.errors import ConfigError, DataError, UserError
from rsft_bench.harness.types import Suite


def with_suite_files(catalog: Catalog, config: RunConfig) -> Catalog:
    """The catalog with the suites of a config that are files; none of them is run yet.

    Raises:
        ConfigError: such a suite without ``allow_code``, or with the name of a known one.
        DataError: a file that cannot be read.
    """
    files: dict[str, SuiteFile] = {}
    for spec in config.suites:
        if spec.file is None:
            continue
        if not config.allow_code:
            raise ConfigError(
                f"suite {spec.name!r} is the Python file {spec.file}, which would be run; if you "
                "trust it, set `allow_code: true` or give --allow-code"
            )
        if spec.name in catalog.registry("suite"):
            raise ConfigError(
                f"suite {spec.name!r} of {spec.file} has the name of a known suite; rename it"
            )
        found = SuiteFile(spec.file, hashlib.sha256(_source(spec.file)).hexdigest())
        if files.setdefault(spec.name, found) != found:
            raise ConfigError(f"suite {spec.name!r} is given as two files; rename one of them")
    return replace(catalog, suite_files=files) if files else catalog


@functools.cache
def load_suite_file(name: str, file: SuiteFile) -> Suite:
    """The object called ``name`` at the top level of a file, which is run once a process.

    Raises:
        DataError: the file changed since the run was planned, or cannot be read.
        UserError: it cannot be run, or holds no such suite.
    """
    module = _module(file)
    for value in vars(module).values():
        if not isinstance(value, type) and getattr(value, "name", None) == name:
            missing = [part for part in _NEEDS if not hasattr(value, part)]
            if missing:
                raise UserError(
                    f"{file.path}: suite {name!r} lacks {', '.join(missing)}; see "
                    "examples/my_suite.py"
                )
            suite: Suite = value
            return suite
    raise UserError(
        f"{file.path}: holds no suite called {name!r}; it needs an object at the top level whose "
        f"`name` is {name!r}, see examples/my_suite.py"
    )


_NEEDS = ("version", "licence", "attribution", "requires", "options", "load", "judge")


def module_name(file: SuiteFile) -> str:
    """Name under which the file's module is known in this process, from its content."""
    return f"rsft_bench_suite_{file.digest[:16]}"


@functools.cache
def _module(file: SuiteFile) -> ModuleType:
    source = _source(file.path)
    if hashlib.sha256(source).hexdigest() != file.digest:
        raise DataError(f"{file.path}: changed since the run was planned; start it again")
    module = ModuleType(module_name(file))
    # Not imported by path: that would leave a __pycache__ beside the user's file.
    spec = importlib.machinery.ModuleSpec(module.__name__, None, origin=file.path)
    module.__file__, module.__spec__ = file.path, spec
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, file.path, "exec"), vars(module))
    except Exception as error:
        del sys.modules[module.__name__]
        reason = " ".join(str(error).split())
        raise UserError(
            f"{file.path}: cannot be run: {type(error).__name__}: {reason[:300]}"
        ) from error
    return module


def _source(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"suites: cannot read the file {path!r}: {error.strerror}; check `file`"
        ) from error
