"""Presets as plain data: where a run starts when no file says otherwise.

The numbers of ``quick`` are floors (asserted by a test): they decide what the statistics can
see, so they may rise and never fall to save minutes. Standard library only.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from types import MappingProxyType

from rsft_bench.harness.errors import UnknownNameError, did_you_mean
from rsft_bench.harness.types import Json

DEFAULT_PRESET = "quick"
PRIMARY = "rsft[accept=argmax,k=16,lambda=1]"
MATCHED_RANDOM = "rsft[accept=random,k=16,lambda=1,match=argmax]"

SFT_STEPS = 75
STEPS = 32
BATCH = 32
#: Set on sft_more (75 SFT steps, then 32): over two seeds it passed .095 and .094 of ``select`` on
#: the two suites; half the rate .081 and .082, twice the rate .098 and .111, within noise of it.
LEARNING_RATE = 1e-3

N_TRAIN = 256
LOGS_PER_PROMPT = 4
N_SELECT = 120
N_CONFIRM = 150

_TRAINING = {"lr": LEARNING_RATE, "batch": BATCH, "sft_steps": SFT_STEPS, "steps": STEPS}
_POOL = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 64, "extra_prompts": 0}
_REWARD = {"name": "proxy", "n_label": 400}
_GATE = {"metrics": ["gold_pass"], "variants": ["sft", "primary"], "margin": 0.05}
_SIZES = {
    "n_train": N_TRAIN,
    "logs_per_prompt": LOGS_PER_PROMPT,
    "n_select": N_SELECT,
    "n_confirm": N_CONFIRM,
}
_SUITES = [{"name": "order_status", **_SIZES}, {"name": "returns_refunds", **_SIZES}]
_CONTROLS: list[Json] = ["base", "sft", "sft_more", "sft_filtered"]
_BEST_OF_N = {"method": "best_of_n", "n": [2, 4, 8]}
#: Other ways to serve one of eight draws, at best-of-8's price or less.
_ONE_OF_EIGHT: list[Json] = ["weighted_vote[n=8]", "majority_vote[n=8]", "mbr[n=8]"]

_QUICK: dict[str, Json] = {
    "policies": ["nano-1"],
    "suites": _SUITES,
    "seeds": [0, 1, 2, 3, 4],
    "variants": [
        *_CONTROLS,
        _BEST_OF_N,
        {"method": "rsft", "accept": "argmax", "k": 16, "lambda": [1, math.inf]},
        MATCHED_RANDOM,
    ],
    "primary": PRIMARY,
    "pool": _POOL,
    "training": _TRAINING,
    "reward": _REWARD,
    "evaluation": {
        "draws": 2,
        "best_of_draws": 16,
        "primary_draws": 4,
        "temperatures": [0, 0.5],
    },
    "gate": _GATE,
}

_SWEEP: dict[str, Json] = {
    **_QUICK,
    "seeds": [0, 1, 2],
    "variants": [
        *_CONTROLS,
        {
            "method": "rsft",
            "accept": "argmax",
            "k": [2, 4, 8, 16],
            "lambda": [0.25, 1, 4, math.inf],
        },
        {
            "method": "rsft",
            "accept": "threshold",
            "k": [2, 4, 8, 16],
            "target_rate": [0.1, 0.25, 0.5],
            "lambda": 1,
        },
        MATCHED_RANDOM,
    ],
    "evaluation": {"draws": 4, "best_of_draws": 4, "primary_draws": 4, "temperatures": []},
}

#: Rounds pressed on the proxy alone (lambda=inf), so that whatever turns gold down has its way.
_PRESSED = {"method": "rsft", "accept": "argmax", "k": 16, "lambda": math.inf}
_OVEROPTIMIZATION: dict[str, Json] = {
    **_QUICK,
    "variants": [
        *_CONTROLS,
        {"method": "best_of_n", "n": [2, 4, 8, 16, 32]},
        PRIMARY,
        MATCHED_RANDOM,
        {**_PRESSED, "rounds": [1, 2, 3, 4, 6]},
    ],
    "evaluation": {
        "draws": 4,
        "best_of_draws": 64,
        "primary_draws": 4,
        "temperatures": [],
        "kl": True,
    },
}

_GATE_PRESET: dict[str, Json] = {
    **_QUICK,
    "variants": ["sft", PRIMARY],
    "evaluation": {"draws": 4, "best_of_draws": 4, "primary_draws": 4, "temperatures": []},
}

#: Shares of good answers in D at which ``standard`` draws the gain of RSFT as a curve.
GOOD_SHARES = (0.9, 0.6, 0.3)
_BAD = {
    "terse": 0.12,
    "wrong_fact": 0.14,
    "wrong_decision": 0.12,
    "rude": 0.08,
    "over_promising": 0.09,
}
_CURVE_ARMS = ["base", "sft", "sft_more", PRIMARY]


def mixture(good: float) -> dict[str, float]:
    """Shares of D with ``good`` correct answers; the bad kinds keep their proportions."""
    scale = (1 - good) / sum(_BAD.values())
    return {"correct": good, **{kind: round(share * scale, 9) for kind, share in _BAD.items()}}


def _curve_suites() -> list[Json]:
    """Every suite again at each mixture, with the arms that the curve needs."""
    return [
        {
            **suite,
            "label": f"{suite['name']}@{100 * good:.0f}",
            "mixture": mixture(good),
            "variants": _CURVE_ARMS,
        }
        for suite in _SUITES
        for good in GOOD_SHARES
    ]


_STANDARD: dict[str, Json] = {
    **_QUICK,
    "suites": [*_SUITES, *_curve_suites()],
    "variants": [
        *_CONTROLS,
        "sft_more2",
        "sft_flops",
        "sft_labelled",
        "sft_clean",
        _BEST_OF_N,
        *_ONE_OF_EIGHT,
        {"method": "best_of_n", "n": [2, 4], "source": PRIMARY},
        {"method": "rsft", "accept": "argmax", "k": [4, 16], "lambda": [0.25, 1, 4, math.inf]},
        {"method": "rsft", "accept": "threshold", "k": 16, "target_rate": [0.1, 0.25], "lambda": 1},
        "rsft[accept=all,k=1,lambda=1]",
        "rsft[accept=argmax,k=16,lambda=1,oracle=true]",
        MATCHED_RANDOM,
    ],
    "evaluation": {
        "draws": 4,
        "best_of_draws": 16,
        "primary_draws": 4,
        "temperatures": [0, 0.3, 0.5, 0.7],
        "winner": "confirmatory",
    },
    "training": {**_TRAINING, "lr_factors": [1, 0.5, 2], "checkpoints": [0.25, 0.5, 0.75]},
}

_SMOKE: dict[str, Json] = {
    **_QUICK,
    "suites": [
        {
            "name": "order_status",
            "n_train": 32,
            "logs_per_prompt": 2,
            "n_select": 30,
            "n_confirm": 30,
        }
    ],
    "seeds": [0, 1],
    "variants": [
        *_CONTROLS,
        {"method": "best_of_n", "n": 2},
        "rsft[accept=argmax,k=4,lambda=1]",
        "rsft[accept=random,k=4,lambda=1,match=argmax]",
    ],
    "primary": "rsft[accept=argmax,k=4,lambda=1]",
    "pool": {**_POOL, "max_new_tokens": 32},
    "training": {"lr": LEARNING_RATE, "batch": 8, "sft_steps": 10, "steps": 5},
    "reward": {"name": "proxy", "n_label": 60},
    "evaluation": {
        "draws": 1,
        "best_of_draws": 4,
        "primary_draws": 1,
        "temperatures": [0],
        "serve_prompts": 2,
    },
}

DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "smoke": "under a minute: checks the plumbing and proves nothing about any method",
        "quick": "the default: RSFT against its controls on both authored suites, 5 seeds",
        "sweep": "maps of k x lambda and k x target_rate, 3 seeds, exploratory only",
        "overoptimization": "gold and proxy against √KL to SFT: best-of-n and RSFT rounds, 5 seeds",
        "gate": "only the variants that block in CI, 5 seeds",
        "standard": "quick with more arms, temperatures and draws, for a decision",
    }
)

_PRESETS: Mapping[str, dict[str, Json]] = {
    "smoke": _SMOKE,
    "quick": _QUICK,
    "sweep": _SWEEP,
    "overoptimization": _OVEROPTIMIZATION,
    "gate": _GATE_PRESET,
    "standard": _STANDARD,
}


def names() -> tuple[str, ...]:
    """All presets, from the smallest to the largest run."""
    return tuple(_PRESETS)


def preset(name: str) -> dict[str, Json]:
    """A fresh copy of one preset.

    Raises:
        UnknownNameError: no such preset; names a near one and the allowed set.
    """
    if name not in _PRESETS:
        hint = did_you_mean(name, _PRESETS)
        raise UnknownNameError(f"unknown preset {name!r}.{hint} Known: {', '.join(_PRESETS)}")
    return copy.deepcopy(_PRESETS[name])
