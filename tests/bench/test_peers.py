"""The comparison with peers: its counting, its table, and that it runs at all."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peer_flops import Sizes, ceiling
from peer_models import SMOLLM2_135M, drawn_lengths
from peer_runs import WholeRun, joined
from peer_side import Measurement, Pair
from peer_sweep import Sweep
from peer_table import Line, table

from rsft_bench.harness.metering.formulas import forward_flops, matrix_weights, sample_flops
from rsft_bench.harness.stages import STAGES

SCRIPT = Path(__file__).with_name("peers.py")
# Two layers, two query heads and one key/value head of width 2, hidden 4, inner 3, vocabulary 5.
TOY = {
    "hidden_size": 4,
    "intermediate_size": 3,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 5,
}


def test_weights_by_hand() -> None:
    sizes = Sizes.of(TOY)
    # Query 4x4, key and value 4x4 together, output 4x4, gate and up 6x4, down 4x3.
    assert sizes.block == 16 + 16 + 16 + 24 + 12
    assert sizes.keys_only == 16


def test_full_passes_are_those_of_the_published_count() -> None:
    sizes = Sizes.of(SMOLLM2_135M)
    assert sizes.layers * sizes.block + sizes.head[0] * sizes.head[1] == matrix_weights(
        SMOLLM2_135M
    )
    assert sizes.forward(9, 9, 81, 81) == forward_flops(SMOLLM2_135M, 9)


def test_sampling_by_hand() -> None:
    """A prompt of 3 tokens, one answer of 2: the second token costs one pass over 3 + 1 keys."""
    sizes = Sizes.of(TOY)
    first = 2 * (84 * 3 + 16 * 3 + 68 + 20) + 4 * 4 * (6 + 3)
    second = 2 * (84 * 2 + 20) + 4 * 4 * (4 + 4)
    assert sizes.sampling(3, [2]) == first + second
    # What is skipped lies in the prompt alone.
    assert sizes.sampling(3, [2]) < sample_flops(TOY, 3, 2)
    assert sizes.sampling(3, [2, 2]) - sizes.sampling(3, [2]) == second


def test_training_by_hand() -> None:
    """Two prompt tokens and two answer tokens: the model reads three, two of which predict."""
    sizes = Sizes.of(TOY)
    forward = 2 * (84 * 3 + 16 * 3 + 68 * 2 + 20 * 2) + 4 * 4 * (6 + 2 + 3)
    assert sizes.training(2, 2) == 3 * forward


def test_products_cover_the_weights() -> None:
    sizes = Sizes.of(TOY)
    covered = sum(times * i * o for times, _, i, o in sizes.matrices(7, 7))
    assert covered == 2 * 84 + 20


def test_a_chain_is_no_faster_than_its_fastest_product() -> None:
    found = ceiling([(1, 8, 16, 16), (2, 8, 64, 16)])
    assert 0 < found["chain"] <= found["fastest"]


def test_lengths_are_drawn_once_and_within_bounds() -> None:
    lengths = drawn_lengths(40, 16, 8, 48)
    assert lengths == drawn_lengths(40, 16, 8, 48)
    assert {min(map(min, lengths)), max(map(max, lengths))} == {8, 48}


def test_overlapping_stages_count_once() -> None:
    assert joined([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.75)]) == 4.0
    assert joined([]) == 0.0


def test_ratios_pair_neighbours() -> None:
    def took(*seconds: float) -> list[Measurement]:
        return [Measurement(s, {"tokens": 100, "flops": 50}) for s in seconds]

    pair = Pair(took(1, 2), took(4, 4), [{"chain": 100}, {"chain": 100}], ("a", "b"))
    assert pair.ratios("tokens") == [4, 2]
    assert pair.share() == pytest.approx((0.5 + 0.25) / 2)


@pytest.mark.parametrize(
    ("ratios", "at_least", "met"),
    [([3, 1, 2], True, "yes"), ([1, 1.9, 5], True, "no"), ([9, 2, 1], False, "yes")],
)
def test_the_median_decides(ratios: list[float], at_least: bool, met: str) -> None:
    line = Line("sampling", "10/s", "5/s", ratios, 2.0, at_least)
    assert line.markdown().endswith(f"| {met} |")
    assert table([line]).count("\n") == 2


@pytest.mark.slow
def test_the_script_runs() -> None:
    """Two prompts, 16 rows: every process starts, every assertion in it holds."""
    if importlib.util.find_spec("trl") is None:
        pytest.skip("trl is not installed: `make peers` installs the extra `bench`")
    command = [sys.executable, str(SCRIPT), "--quick-check", "--alternations", "1"]
    command += ["--pilots", "1", "--parts", "sampling-nano,training,memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + 4


def test_unknown_parts_are_named() -> None:
    command = [sys.executable, str(SCRIPT), "--quick-check", "--parts", "swep"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown part 'swep'" in done.stderr


def test_one_process_imports_every_stage_before_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer of the line "workers" starts warm, and its stages may not pin the thread count."""
    monkeypatch.setattr(torch, "set_num_threads", torch.set_num_threads)
    job = WholeRun("smoke", (), workers=0, part=0, parts=1)
    missing = {f"rsft_bench.harness.stages.{name}" for name in STAGES} - set(sys.modules)
    assert not missing
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads
    job.home.cleanup()


def test_both_sides_of_the_sweep_train_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The naive loop and the graph, on a tiny sweep: equal trainings over equal tokens."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    counts = []
    for naive in (False, True):
        job = Sweep(prompts=16, steps=1, quick=True, naive=naive, part=0, parts=1)
        job.prepare()
        counts.append(job.run())
        job.home.cleanup()
    shared, apart = counts
    assert shared["fits"] == apart["fits"] == 2
    assert shared["trained"] == apart["trained"] > 0
