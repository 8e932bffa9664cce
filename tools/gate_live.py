"""Ten live A/A runs: a baseline of ten seeds, ten candidates of five other seeds, no change at all.

Run as `make gate-live`. Finished runs are reused, so an interrupted call goes on where it stopped.
Writes a Markdown table; a regression verdict in it is a false alarm.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rsft_bench.harness.cli import main

ROOT = Path("runs/gate-live")
TABLE = Path("docs/gate-live.md")
BASELINE_SEEDS = 10
CANDIDATES = 10
SEEDS_EACH = 5
WORDS = {0: "pass", 1: "regression", 3: "inconclusive"}


def ask(*argv: object) -> int:
    """Run one command of the command line and return its exit code."""
    return main([str(a) for a in argv])


def run(name: str, first: int, count: int, extra: list[str]) -> Path:
    """A finished run of preset gate on ``count`` seeds from ``first``; exits where it fails."""
    out = ROOT / name
    seeds = f"{first}-{first + count - 1}"
    code = ask("run", "--preset", "gate", "--seeds", seeds, "--out", out, "--no-progress", *extra)
    if code:
        sys.exit(code)
    return out


def row(index: int, baseline: Path, extra: list[str]) -> tuple[int, str]:
    """Exit code and table row of one candidate."""
    first = BASELINE_SEEDS + index * SEEDS_EACH
    out = run(f"candidate-{index}", first, SEEDS_EACH, extra)
    code = ask("gate", out, "--baseline", baseline, "--markdown", out / "gate.md")
    # The whole table is shown, so that a near miss is seen as well as an alarm.
    verdict = WORDS.get(code, f"exit {code}")
    return code, f"| {index} | {first}-{first + SEEDS_EACH - 1} | {verdict} |"


def measure(extra: list[str]) -> int:
    """Run everything and write the table. Returns how many candidates raised a false alarm."""
    baseline = ROOT / "saved"
    made = run("baseline", 0, BASELINE_SEEDS, extra)
    if code := ask("baseline", "save", made, "--to", baseline, "--accept-margin", "0.1"):
        sys.exit(code)
    rows = [row(i, baseline, extra) for i in range(CANDIDATES)]
    alarms = sum(code == 1 for code, _ in rows)
    versions = json.loads((made / "manifest.json").read_text())["versions"]
    lines = [
        "# Ten live A/A runs through the gate",
        "",
        "Made by `make gate-live`: nothing differs between baseline and candidates but the seeds.",
        f"rsft-bench {versions['rsft-bench']}, torch {versions['torch']}; baseline seeds "
        f"0-{BASELINE_SEEDS - 1}; {alarms} false alarms in {CANDIDATES}.",
        "",
        "| run | seeds | verdict |",
        "| --- | --- | --- |",
        *(text for _, text in rows),
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return alarms


if __name__ == "__main__":
    sys.exit(4 if measure(sys.argv[1:]) else 0)
