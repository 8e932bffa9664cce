"""The sizes of a model folder, read from its ``config.json`` without torch."""

from __future__ import annotations

import json
from pathlib import Path

from rsft_bench.harness.types import Json


def model_shape(folder: Path) -> dict[str, Json] | None:
    """The folder's ``config.json``, or None where there is none (a file of recorded answers)."""
    path = folder / "config.json"
    if not path.is_file():
        return None
    shape: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
    return shape
