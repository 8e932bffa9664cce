"""Corrections for testing many hypotheses at once. Pure, numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.types import FloatArray


def holm(p: FloatArray) -> FloatArray:
    """Holm-adjusted p-values along the last axis, shape (..., m), same order, at most 1.

    Controls the family-wise error; leading axes are separate families.

    Raises:
        ValueError: a p-value outside [0, 1] or NaN.

    Source: Holm 1979 (Scandinavian Journal of Statistics 6:65-70).
    """
    values = _checked(p)
    m = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")
    scaled = np.take_along_axis(values, order, axis=-1) * np.arange(m, 0, -1)
    return _unsort(np.minimum(np.maximum.accumulate(scaled, axis=-1), 1.0), order)


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """Benjamini-Hochberg adjusted p-values along the last axis, same order, at most 1.

    Controls the false discovery rate for independent or positively dependent tests.

    Raises:
        ValueError: a p-value outside [0, 1] or NaN.

    Source: Benjamini and Hochberg 1995 (JRSS B 57:289-300).
    """
    values = _checked(p)
    m = values.shape[-1]
    order = np.argsort(values, axis=-1, kind="stable")
    scaled = np.take_along_axis(values, order, axis=-1) * m / np.arange(1, m + 1)
    stepped = np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1]
    return _unsort(np.minimum(stepped, 1.0), order)


def _checked(p: FloatArray) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values must lie in [0, 1]")
    return values


def _unsort(values: FloatArray, order: NDArray[np.intp]) -> FloatArray:
    out = np.empty_like(values)
    np.put_along_axis(out, order, values, axis=-1)
    return out
