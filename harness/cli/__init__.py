"""The command line: composition root, the only place that prints or picks exit codes.

Importing this package must stay cheap: no torch, pandas or pydantic before a command runs.
"""

from __future__ import annotations

from rsft_bench.harness.cli.main import main

__all__ = ["main"]
