"""The record of each authored suite's difficulty belongs to the suite's present version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rsft_bench.harness import presets
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS

FILE = Path(__file__).parents[2] / "tasks" / "data" / "calibration.yaml"
RECORD: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SUITES = pytest.mark.parametrize("suite", [ORDER_STATUS, RETURNS_REFUNDS], ids=lambda s: s.name)


@SUITES
def test_the_present_version_was_calibrated(suite: AuthoredSuite) -> None:
    found = RECORD["suites"][suite.name]
    assert found["version"] == suite.version, "run tools/calibrate.py and commit its file"
    asked = [e for e in suite.load({}, 0).examples if e.split == "calibrate"]
    assert found["prompts"] == len(asked)
    assert found["clusters"] == len({e.cluster for e in asked})


@SUITES
def test_difficulty_leaves_room_in_both_directions(suite: AuthoredSuite) -> None:
    """Protocol section 8: under .1 of headroom no gain is to be expected."""
    sft = RECORD["suites"][suite.name]["sft"]
    assert 0.05 <= sft["pass_1"] <= 0.6
    assert sft["headroom"] >= 0.1


def test_it_was_measured_as_quick_trains() -> None:
    settings = RECORD["settings"]
    assert settings["sft_steps"] == presets.SFT_STEPS
    assert settings["batch"] == presets.BATCH
    assert settings["lr"] == presets.LEARNING_RATE
