"""Stop strings: an answer ends where its decoded text first contains one of them."""

from __future__ import annotations

from collections.abc import Sequence

from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.sampling.answers import Ended


def stop_check(lm: LanguageModel, stop: Sequence[str]) -> Ended | None:
    """Test whether tokens drawn so far contain a stop string; None where there are none."""
    if not stop:
        return None
    return lambda ids: before_stop(lm, ids, stop) is not None


def before_stop(lm: LanguageModel, ids: Sequence[int], stop: Sequence[str]) -> str | None:
    """Text before the first stop string, stripped; None if ``ids`` decode to none of them.

    Strings are sought before stripping, so that a leading line break can stop an answer. Empty
    strings never stop anything.
    """
    if not stop:
        return None
    text = str(
        lm.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    )
    found = [at for at in (text.find(s) for s in stop if s) if at >= 0]
    return text[: min(found)].strip() if found else None
