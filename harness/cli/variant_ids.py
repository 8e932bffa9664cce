"""Variant ids that a user types, matched against a run's own."""

from __future__ import annotations

from pathlib import Path

from rsft_bench.harness.errors import UnknownNameError, did_you_mean


def in_run(folder: Path, text: str) -> str:
    """The id of the run's variant that ``text`` means: its id, any spelling of it, or `primary`.

    Raises:
        UserError: no such variant in the run (names a near one and all of them), or no such method.
    """
    from rsft_bench.harness.cli import compose
    from rsft_bench.harness.runfolder import RunFolder
    from rsft_bench.harness.variants import parse_variant

    manifest = RunFolder(folder).manifest()
    ids = [str(v["id"]) for v in manifest["variants"]]
    if text == "primary" and manifest.get("primary"):
        return str(manifest["primary"])
    if text in ids:
        return text
    written_out = parse_variant(text, compose.catalog().registry("method")).id
    if written_out in ids:
        return written_out
    hint = did_you_mean(text, ids)
    raise UnknownNameError(f"{folder} has no variant {text!r}.{hint} It has: {', '.join(ids)}")
