"""Values that options of keyed rewards may have; apart, so that listing them imports no SciPy."""

from __future__ import annotations

KEYS = ("text", "draw")
LAWS = ("gaussian", "student_t2")
