"""The parts of the comparison: what each one runs, and the lines it adds to the table."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from peer_models import NANO, read_prompts
from peer_side import LAYOUTS, Pair, Side, alternate, once
from peer_table import Line, per_second

K = 16
BATCH = 32
MIB = 1024


@dataclass(frozen=True)
class Options:
    """How the parts run.

    Attributes:
        prompts: JSON-lines file of prompts; None takes two built-in ones.
        smol: folder with SmolLM2-135M; None takes random weights of its shape.
        alternations: repetitions of each side.
        pilots: repetitions of each layout before one is chosen.
        smol_prompts: how many prompts SmolLM2 answers.
        sweep_share: the sweep's prompts and steps are those of the preset divided by this.
        quick: the smallest workload that runs every line of code; its ratios mean nothing.
    """

    prompts: Path | None
    smol: Path | None
    alternations: int = 5
    pilots: int = 2
    smol_prompts: int = 8
    sweep_share: int = 8
    quick: bool = False


@dataclass
class Result:
    """Lines of the table and remarks below it."""

    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def note(name: str, pair: Pair) -> str:
    """How the two sides ran, and the ceiling measured beside ours."""
    ours, peer = pair.layouts
    text = f"{name}: ours {ours}, peer {peer}"
    if pair.ceilings[0]["chain"]:
        chain, fastest = (
            statistics.median(c[at] for c in pair.ceilings) / 1e9 for at in ("chain", "fastest")
        )
        text += f"; ceiling {chain:.0f} GFLOP/s over all shapes, {fastest:.0f} at the fastest"
    return text


def versus_generate(
    options: Options, title: str, model: str, prompts: int | None, lengths: tuple[int, int]
) -> tuple[Result, list[tuple[str, Pair]]]:
    """Ours against ``generate`` prompt by prompt, then in sorted batches of 8 prompts."""
    found: list[tuple[str, Pair]] = []
    result = Result()
    with tempfile.TemporaryDirectory() as name:
        folder, random = prepared(options, Path(name), model, prompts, lengths)
        if random:
            result.notes.append(f"{title}: random weights of SmolLM2-135M's shape")
        common = {"folder": str(folder), "workload": f"{name}/workload.json"}
        layouts = LAYOUTS[:1] if options.quick else LAYOUTS
        warm = model == "nano"
        ours = Side("sample-packed", common, layouts, warm)
        for what, batch in (("prompt by prompt", 1), ("sorted batches of 8", 8)):
            peer = Side("sample-generate", {**common, "batch": batch}, layouts, warm)
            pair = alternate(ours, peer, options.alternations, options.pilots)
            label = f"{title}, against generate {what}"
            found.append((label, pair))
            result.notes.append(note(label, pair))
    return result, found


def prepared(
    options: Options, home: Path, model: str, prompts: int | None, lengths: tuple[int, int]
) -> tuple[Path, bool]:
    """Write the workload; the model's folder and whether its weights are random."""
    arguments = {
        "folder": str(home),
        "model": model,
        "prompts": read_prompts(options.prompts, 2 if options.quick else prompts),
        "k": 2 if options.quick else K,
        "lengths": (2, 4) if options.quick else lengths,
        "source": None if options.smol is None else str(options.smol),
        "tiny": options.quick,
    }
    random = bool(once("model", arguments)["random"])
    return (NANO if model == "nano" else home / "model"), random


def sampling_nano(options: Options) -> Result:
    """All prompts, stop lengths drawn once in 8 to 48."""
    result, found = versus_generate(options, "sampling, nano, k=16", "nano", None, (8, 48))
    result.lines = [token_line(*item, target=t) for item, t in zip(found, (8, 4.5), strict=True)]
    return result


def sampling_smol(options: Options) -> Result:
    """A few prompts, 48 tokens an answer, one pilot: a repetition takes a minute or two."""
    title = "sampling, SmolLM2-135M, k=16"
    few = replace(options, pilots=1)
    result, found = versus_generate(few, title, "smol", options.smol_prompts, (48, 48))
    result.lines = [token_line(*item, target=t) for item, t in zip(found, (3, 2.5), strict=True)]
    return result


def token_line(what: str, pair: Pair, target: float, name: str = "tokens") -> Line:
    """A line of rates of one count."""
    return Line(
        what,
        f"{per_second([m.rate(name) for m in pair.ours])} tokens",
        f"{per_second([m.rate(name) for m in pair.peer])} tokens",
        pair.ratios(name),
        target,
        share=pair.share(),
    )


def training(options: Options) -> Result:
    """One epoch of 800 logs of order_status at batch 32."""
    with tempfile.TemporaryDirectory() as name:
        data = {"file": f"{name}/rows.json", "rows": 16 if options.quick else 800}
        once("train-data", data)
        common = {"file": data["file"], "batch": 8 if options.quick else BATCH}
        pair = alternate(
            Side("train-fit", common),
            Side("train-trl", common),
            options.alternations,
            options.pilots,
        )
    what = "training, nano, against SFTTrainer grouped by length"
    answers = [per_second([m.rate("answer_tokens") for m in s]) for s in (pair.ours, pair.peer)]
    notes = [note(what, pair), f"{what}: answer tokens, ours {answers[0]}, peer {answers[1]}"]
    return Result([token_line(what, pair, 1.6)], notes)


def seconds_line(what: str, pair: Pair, target: float) -> Line:
    """A line of seconds a repetition."""
    ours, peer = (
        f"{statistics.median(m.seconds for m in side):.1f} s" for side in (pair.ours, pair.peer)
    )
    return Line(what, ours, peer, pair.ratios("runs"), target)


def workers(options: Options) -> Result:
    """A run with two one-thread workers against one process with two threads."""
    preset = "smoke" if options.quick else "quick"
    common = {"preset": preset, "sets": ["seeds=[0]"]}
    pair = alternate(
        Side("run", {**common, "workers": 2}, ((1, 1),), warm=False),
        Side("run", {**common, "workers": 0}, ((1, 2),), warm=False),
        options.alternations,
        0,
    )
    what = f"{preset}, one seed: two workers against one process with two threads"
    return Result([seconds_line(what, pair, 1.3)])


def sweep(options: Options) -> Result:
    """108 variants with the shared pool against variant after variant."""
    share = 64 if options.quick else options.sweep_share
    size = {"prompts": max(256 // share, 16), "steps": max(32 // share, 1), "quick": options.quick}
    pair = alternate(
        Side("sweep", {**size, "naive": False}, ((1, 1),), warm=False),
        Side("sweep", {**size, "naive": True}, ((1, 2),), warm=False),
        options.alternations,
        0,
    )
    ours, peer = pair.ours[-1].counts, pair.peer[-1].counts
    what = f"sweep of 108 variants at 1/{share} size against the naive loop"
    tokens = Line(
        f"{what}: sampled answers",
        f"{ours['answers']:,}",
        f"{peer['answers']:,}",
        [peer["answers"] / ours["answers"]],
        16.875,
    )
    notes = [
        f"{what}: {size['prompts']} prompts and {size['steps']} training steps a variant; "
        f"sampled tokens {ours['sampled']:,} and {peer['sampled']:,}, "
        f"{peer['sampled'] / ours['sampled']:.2f}×; trainings {ours['fits']} and {peer['fits']}, "
        f"trained tokens {ours['trained']:,} and {peer['trained']:,}"
    ]
    return Result([tokens, seconds_line(f"{what}: wall time", pair, 4)], notes)


def overhead(options: Options) -> Result:
    """A whole run from a cold cache by the command itself, as a user types it."""
    from peer_runs import busy_seconds

    preset = "smoke" if options.quick else "quick"
    with tempfile.TemporaryDirectory() as name:
        command = [
            str(Path(sys.executable).with_name("rsft-bench")),
            *("run", "--preset", preset, "--out", f"{name}/run"),
        ]
        environment = {"RSFT_BENCH_CACHE_DIR": f"{name}/cache"}
        begin = time.perf_counter()
        run_command(command, environment)
        wall = time.perf_counter() - begin
        outside = wall - busy_seconds(Path(name) / "cache")
    lines = [
        absolute(f"{preset}: wall outside stages", outside, 45, " s"),
        absolute(f"{preset}: cold cache, start to report", wall / 60, 15, " min"),
    ]
    text = "wall of the command less the union of the stages' intervals; one run, not alternated"
    return Result(lines, [f"wall outside stages: {text}"])


def run_command(command: list[str], environment: Mapping[str, str]) -> None:
    """Run to the end; the command's words are shown only if it fails."""
    import os

    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")


def absolute(what: str, value: float, limit: float, unit: str) -> Line:
    """A line that bounds a value from above and has no peer."""
    return Line(what, f"{value:.1f}{unit}", "-", [value], limit, False, unit=unit, decimals=1)


def memory(options: Options) -> Result:
    """Resident memory above the libraries, weights included: all prompts in flight at once."""
    sizes = {"nano": 8, "smol": min(8, options.smol_prompts)}
    lines = []
    for model in ("nano",) if options.quick else sizes:
        with tempfile.TemporaryDirectory() as name:
            folder, _ = prepared(options, Path(name), model, sizes[model], (48, 48))
            work = {"folder": str(folder), "workload": f"{name}/workload.json"}
            common: dict[str, object] = {**work, "part": 0, "parts": 1, "late": True}
            peaks: list[tuple[float, float]] = []
            for _ in range(options.alternations):
                ours = once("sample-packed", common, "memory")
                peer = once("sample-generate", {**common, "batch": 8}, "memory")
                peaks.append((ours["peak_kib"] / MIB, peer["peak_kib"] / MIB))
        a, b = (f"{statistics.median(side):.0f} MiB" for side in zip(*peaks, strict=True))
        what = f"memory, weights included, {model}, {sizes[model]} prompts × 16 × 48 tokens"
        lines.append(Line(what, a, b, [x / y for x, y in peaks], 0.6, at_least=False))
    text = "peak resident memory above a process with its libraries and nano loaded"
    return Result(lines, [f"memory: {text}; generate runs the same prompts in one batch"])


PARTS: Mapping[str, Callable[[Options], Result]] = {
    "sampling-nano": sampling_nano,
    "sampling-smol": sampling_smol,
    "training": training,
    "workers": workers,
    "sweep": sweep,
    "overhead": overhead,
    "memory": memory,
}
