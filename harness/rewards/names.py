"""Values that options of rewards may have; apart, so that listing them imports no SciPy."""

from __future__ import annotations

GRADES = ("pass", "gold")
KEYS = ("text", "draw")
LAWS = ("gaussian", "student_t2")
