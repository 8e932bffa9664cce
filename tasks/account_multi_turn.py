"""Authored suite ``account_multi_turn``: identify first, then tell, do or refuse; several turns."""

from __future__ import annotations

from rsft_bench.tasks.authored.identify import IDENTIFY_KIT
from rsft_bench.tasks.authored.suite import AuthoredSuite

ACCOUNT_MULTI_TURN = AuthoredSuite(name="account_multi_turn", revision="1", kit=IDENTIFY_KIT)
