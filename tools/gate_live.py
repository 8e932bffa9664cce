"""Ten live A/A runs: a baseline of ten seeds, ten candidates of five other seeds, no change at all.

Run as `make gate-live`. Finished runs are reused, so an interrupted call goes on where it stopped.
Writes a Markdown table; a regression verdict in it is a false alarm. Anything but a verdict (a run
that failed, a baseline that cannot be saved, runs that are not comparable) stops it without a
table: ten failures are not "0 false alarms".
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsft_bench.harness.cli import main

ROOT = Path("runs/gate-live")
TABLE = Path("docs/gate-live.md")
BASELINE_SEEDS = 10
CANDIDATES = 10
SEEDS_EACH = 5
WIDEST = 0.1
CANNOT_TELL = 3
INFRASTRUCTURE = 4
VERDICTS = {0: "pass", 1: "regression", CANNOT_TELL: "inconclusive"}
HEAD = "run | seeds | verdict | suite | variant | metric | scope | margin | estimate | lower 95 %"


def ask(*argv: object) -> int:
    """Run one command of the command line and return its exit code."""
    return main([str(a) for a in argv])


def run(name: str, first: int, count: int, extra: Sequence[str]) -> Path:
    """A finished run of preset gate on ``count`` seeds from ``first``; exits where it fails."""
    out = ROOT / name
    seeds = f"{first}-{first + count - 1}"
    code = ask("run", "--preset", "gate", "--seeds", seeds, "--out", out, "--no-progress", *extra)
    if code:
        sys.exit(code)
    return out


def save(made: Path, baseline: Path) -> bool:
    """Save the baseline at the margin asked for, else at a wider one; whether it had to be wider.

    Exits where neither can be saved.
    """
    code = ask("baseline", "save", made, "--to", baseline)
    if code not in (0, CANNOT_TELL):
        sys.exit(code)
    if code == 0:
        return False
    if code := ask("baseline", "save", made, "--to", baseline, "--accept-margin", WIDEST):
        sys.exit(code)
    return True


def judge(out: Path, baseline: Path) -> dict[str, Any]:
    """The gate's result as JSON; exits where there is no verdict."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = ask("gate", out, "--baseline", baseline, "--markdown", out / "gate.md", "--json")
    if code not in VERDICTS:
        sys.exit(code)
    result: dict[str, Any] = json.loads(text.getvalue())
    if result["verdict"] != VERDICTS[code]:
        sys.stderr.write(f"{out}: exit {code}, {result['verdict']}: {result['reasons']}\n")
        sys.exit(code if code == CANNOT_TELL else INFRASTRUCTURE)
    return result


def rows(index: int, result: Mapping[str, Any]) -> list[str]:
    """A table row for every blocking check, so that a near miss is seen as well as an alarm."""
    first = BASELINE_SEEDS + index * SEEDS_EACH
    found = []
    for c in result["checks"]:
        lower = "none" if c["lower"] is None else f"{c['lower']:+.3f}"
        words = [str(index), f"{first}-{first + SEEDS_EACH - 1}", c["verdict"], c["suite"]]
        words += [f"`{c['variant']}`", c["metric"], c["scope"], f"{c['margin']:.3f}"]
        found.append("| " + " | ".join([*words, f"{c['estimate']:+.3f}", lower]) + " |")
    return found


def margin_words(margins: Mapping[str, Any], wider: bool) -> str:
    """The margins in force, what was asked for, and whether a wider one had to be accepted."""
    asked, computed = margins["asked"], margins["computed"]
    words = (
        f"Margin asked for {asked:g}; an unchanged program passes 90 times in 100 at "
        f"{computed['recipe']:.3f} (scope recipe) and {computed['artifact']:.3f} (scope artifact); "
        f"in force {margins['recipe']:g} and {margins['artifact']:.3f}."
    )
    if not wider:
        return f"{words} `baseline save` took the margin asked for."
    return (
        f"{words} `baseline save` refused {asked:g} at this size (exit 3); this table was made "
        f"with `--accept-margin {WIDEST:g}`, so it says nothing about a gate at {asked:g}."
    )


def table(
    results: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
    margins: Mapping[str, Any],
    wider: bool,
) -> str:
    """The whole page."""
    counts = Counter(str(r["verdict"]) for r in results)
    tally = ", ".join(f"{counts[v]} {v}" for v in VERDICTS.values())
    lines = [
        "# Ten live A/A runs through the gate",
        "",
        "Made by `make gate-live`: nothing differs between baseline and candidates but the seeds.",
        f"rsft-bench {versions['rsft-bench']}, torch {versions['torch']}; baseline seeds "
        f"0-{BASELINE_SEEDS - 1}.",
        "",
        f"{len(results)} runs: {tally}. A regression is a false alarm: {counts['regression']}.",
        "",
        margin_words(margins, wider),
        "",
        f"| {HEAD} |",
        "|" + " --- |" * (HEAD.count("|") + 1),
        *(line for i, r in enumerate(results) for line in rows(i, r)),
    ]
    return "\n".join(lines) + "\n"


def measure(extra: Sequence[str]) -> int:
    """Run everything and write the table. Returns how many candidates raised a false alarm."""
    baseline = ROOT / "saved"
    made = run("baseline", 0, BASELINE_SEEDS, extra)
    wider = save(made, baseline)
    results = []
    for i in range(CANDIDATES):
        out = run(f"candidate-{i}", BASELINE_SEEDS + i * SEEDS_EACH, SEEDS_EACH, extra)
        results.append(judge(out, baseline))
    versions = json.loads((made / "manifest.json").read_text(encoding="utf-8"))["versions"]
    margins = json.loads((baseline / "baseline.json").read_text(encoding="utf-8"))["margins"]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table(results, versions, margins, wider), encoding="utf-8")
    return sum(r["verdict"] == "regression" for r in results)


if __name__ == "__main__":
    sys.exit(INFRASTRUCTURE if measure(sys.argv[1:]) else 0)
