"""Variant ids that a user types, matched against a run's own."""

from __future__ import annotations

import difflib
from pathlib import Path

from rsft_bench.harness.errors import UnknownNameError


def in_run(folder: Path, text: str) -> str:
    """The id of the run's variant that ``text`` means: its id, any spelling of it, or `primary`.

    Raises:
        UnknownNameError: no such variant in the run; names a near one and all of them.
    """
    from rsft_bench.harness.runfolder import RunFolder
    from rsft_bench.harness.variants import split_id

    manifest = RunFolder(folder).manifest()
    ids = [str(v["id"]) for v in manifest["variants"]]
    if text == "primary" and manifest.get("primary"):
        return str(manifest["primary"])
    if text in ids:
        return text
    wanted = split_id(text)
    same = [i for i in ids if split_id(i) == wanted]
    if same:
        return same[0]
    near = difflib.get_close_matches(text, ids, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownNameError(f"{folder} has no variant {text!r}.{hint} It has: {', '.join(ids)}")
