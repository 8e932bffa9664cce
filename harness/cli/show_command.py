"""`rsft-bench show`: one example with the answers of every variant side by side."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path
from typing import Any

from rsft_bench.harness.cli.parser import add_json

HELP = "one example of a run: prompt, references and what each variant answered"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--example", metavar="ID", help="example id; left out, ids are listed")
    parser.add_argument("--suite", help="only this suite (default: all)")
    parser.add_argument("--seed", type=int, help="one seed (default: the first)")
    parser.add_argument("--variant", action="append", default=[], help="only these; repeatable")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Find the example and print its answers."""
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.cli.variant_ids import in_run
    from rsft_bench.harness.runfolder import RunFolder

    folder = RunFolder(args.run_dir)
    examples = _of_suite(folder.examples(), args.suite)
    if args.example is None:
        tested = examples[examples["split"].isin(["select", "confirm"])]
        for _, row in tested.iterrows():
            console.say(f"{row['suite']}  {row['example_id']}  {row['split']}  {row['stratum']}")
        return 0
    example = _find(examples, args.example)
    rows = folder.rows()
    seeds = sorted({int(s) for s in rows["seed"]})
    seed = seeds[0] if args.seed is None else _known_seed(args.seed, seeds)
    here = (rows["suite"] == example["suite"]) & (rows["example_id"] == example["example_id"])
    answers = rows[here & (rows["seed"] == seed)]
    if args.variant:
        answers = answers[answers["variant"].isin([in_run(folder.path, v) for v in args.variant])]
    if args.json:
        console.print_json({**example.to_dict(), "answers": answers.to_dict("records")})
        return 0
    console.say(f"{example['suite']} {example['example_id']} ({example['split']})")
    console.say(example["prompt"])
    for text in example["references"]:
        console.say(f"  reference: {text}")
    several = answers["policy"].nunique() > 1
    head = ("variant", "draw", "gold", "proxy", "weight", f"answer, seed {seed}")
    console.print_table(
        ("policy", *head) if several else head,
        [_line(row, several) for _, row in answers.iterrows()],
    )
    return 0


def _known_seed(seed: int, seeds: list[int]) -> int:
    """The seed, where the run has it. Raises UserError."""
    from rsft_bench.harness.errors import UserError

    if seed not in seeds:
        raise UserError(
            f"--seed {seed} is not in this run; the run has: {', '.join(map(str, seeds))}"
        )
    return seed


def _of_suite(examples: Any, suite: str | None) -> Any:
    """Examples of one suite, or all of them. Raises UnknownNameError."""
    from rsft_bench.harness.errors import UnknownNameError, did_you_mean

    known = sorted(set(examples["suite"]))
    if suite is None:
        return examples
    if suite not in known:
        hint = did_you_mean(suite, known)
        raise UnknownNameError(f"this run has no suite {suite!r}.{hint} It has: {', '.join(known)}")
    return examples[examples["suite"] == suite]


def _line(row: Any, several: bool) -> tuple[str, ...]:
    """One answer; an example without gold has neither passed nor failed."""
    mark = "n/a" if isnan(row["gold"]) else "pass" if row["gold_pass"] else "fail"
    return (
        *([row["policy"]] if several else []),
        row["variant"],
        str(row["draw"]),
        mark,
        f"{row['proxy']:.2f}",
        f"{row['weight']:.2f}",
        row["text"],
    )


def _find(examples: Any, example_id: str) -> Any:
    """The one example meant. Raises UnknownNameError or UserError."""
    from rsft_bench.harness.errors import UnknownNameError, UserError, did_you_mean

    found = examples[examples["example_id"] == example_id]
    if len(found) == 0:
        hint = did_you_mean(example_id, examples["example_id"])
        raise UnknownNameError(
            f"no example {example_id!r} in this run.{hint} Leave --example out to list them"
        )
    if len(found) > 1:
        suites = ", ".join(found["suite"])
        raise UserError(f"example {example_id!r} is in suites {suites}; choose with --suite")
    return found.iloc[0]
