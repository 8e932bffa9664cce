"""Record 12 seeds of preset smoke and fit the variance components that the gate's tests simulate.

Run as `make components`. Overwrites tests/fixtures/variance_components.json; the command that made
the run is stored in it. A run that stopped half way goes on where it was.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from rsft_bench.harness.cli import main
from rsft_bench.harness.gate.components import fit_run, save_components

FIXTURE = Path("tests/fixtures/variance_components.json")
RUN = Path("runs/smoke-components")
PRIMARY = "rsft[accept=argmax,k=16,lambda=1]"
SEEDS = "0-11"
_SIZES = "n_train: 32, logs_per_prompt: 2, n_select: 30, n_confirm: 150"
# Smoke trains as it always does. What the gate reads is enlarged to the sizes of preset gate, since
# smoke's own 30 examples with one draw do not separate clusters, examples, cells and draws.
SETTINGS = (
    f"suites=[{{name: order_status, {_SIZES}}}, {{name: returns_refunds, {_SIZES}}}]",
    f'variants=[sft, "{PRIMARY}"]',
    f"primary={PRIMARY}",
    "evaluation.draws=4",
    "evaluation.best_of_draws=4",
    "evaluation.primary_draws=4",
    "evaluation.temperatures=[]",
)


def command() -> list[str]:
    """Arguments of the run, without the folder that it goes to."""
    chosen = [word for setting in SETTINGS for word in ("--set", setting)]
    return ["run", "--preset", "smoke", "--seeds", SEEDS, *chosen]


def record() -> int:
    """Run, fit and write the fixture. Returns the exit code of the run."""
    if code := main([*command(), "--out", str(RUN), "--no-progress"]):
        return code
    manifest = json.loads((RUN / "manifest.json").read_text(encoding="utf-8"))
    versions = manifest["versions"]
    source = (
        f"Fitted to {len(manifest['seeds'])} recorded seeds of preset smoke: "
        f"rsft-bench {shlex.join(command())} (tools/record_components.py; rsft-bench "
        f"{versions['rsft-bench']}, torch {versions['torch']}, numpy {versions['numpy']})"
    )
    save_components(FIXTURE, fit_run(RUN, ["gold_pass"], ["sft", PRIMARY]), source)
    return 0


if __name__ == "__main__":
    sys.exit(record())
