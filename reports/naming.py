"""What variants are, read from the manifest, and how a reader is told. Pure; standard library only.

Every table shows a short label; the exact id stands beside it once, in the method table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.types import Json

METHODS = {
    "base": "base model",
    "sft": "SFT",
    "sft_more": "SFT, same steps",
    "sft_more2": "SFT, same tokens",
    "sft_flops": "SFT, same FLOPs",
    "sft_filtered": "SFT on filtered data",
    "sft_labelled": "SFT on labelled answers",
    "sft_clean": "SFT on clean data (ceiling)",
}
RULES = {
    "argmax": "best of {k}",
    "threshold": "above a threshold, {k} drawn",
    "random": "random of {k}",
    "all": "all of {k}",
    "top_m": "top m of {k}",
    "statistical": "statistical, {k} drawn",
    "best_and_distinct": "best and distinct of {k}",
}
SHOWN = {"accept", "k", "lambda", "temperature", "n", "match"}


@dataclass(frozen=True)
class Variant:
    """One variant of a run. ``temperature`` is the serving temperature, 1 unless stated."""

    id: str
    method: str
    parameters: Mapping[str, Json]
    trained: bool
    oracle: bool

    @property
    def temperature(self) -> float:
        """Serving temperature."""
        return number(self.parameters.get("temperature", 1.0))

    @property
    def n(self) -> int:
        """Answers drawn a request: n of best-of-n, else 1."""
        return int(self.parameters.get("n", 1)) if self.method == "best_of_n" else 1

    @property
    def is_control(self) -> bool:
        """Whether acceptance ignores the proxy: ``random`` and ``all``."""
        return self.parameters.get("accept") in {"random", "all"}

    @property
    def label(self) -> str:
        """Short words for tables and plots, such as ``RSFT, best of 16, λ=1``."""
        if self.method == "best_of_n":
            source = self.parameters.get("source")
            return f"best-of-{self.n}" + (f" of {source}" if source not in {None, "sft"} else "")
        head = self._rsft() if self.method == "rsft" else METHODS.get(self.method, self.method)
        # The id names what differs from a default; the parameters hold the defaults as well.
        told = {k: v for k, v in self.parameters.items() if f"{k}=" in self.id and k not in SHOWN}
        rest = [f"{k}={v}" for k, v in sorted(told.items())]
        tail = f", T={self.temperature:g}" if self.temperature != 1 else ""
        extra = f", {', '.join(rest)}" if rest and self.method in {"rsft", *METHODS} else ""
        return head + extra + tail + (" (oracle)" if self.oracle else "")

    def _rsft(self) -> str:
        rule = str(self.parameters.get("accept", "argmax"))
        words = RULES.get(rule, rule + " of {k}").format(k=self.parameters.get("k", "?"))
        weight = number(self.parameters.get("lambda", 1.0))
        return f"RSFT, {words}, λ={'∞' if weight == float('inf') else format(weight, 'g')}"


def variants(manifest: Mapping[str, Json]) -> dict[str, Variant]:
    """Variants of a run by id, in the manifest's order. A parameter that is not set is left out."""
    table = {}
    for item in manifest.get("variants", []):
        parameters = {k: v for k, v in (item.get("parameters") or {}).items() if v is not None}
        table[item["id"]] = Variant(
            item["id"],
            item["method"],
            parameters,
            bool(item.get("trained", False)),
            bool(item.get("oracle", False)),
        )
    return table


def number(value: Json) -> float:
    """A parameter as a float; YAML's ``.inf`` and JSON's ``"inf"`` included."""
    return float(str(value).replace(".inf", "inf")) if isinstance(value, str) else float(value)


def order(variant: Variant) -> tuple[int, float, str]:
    """Reading order of tables: base, SFT and its controls, RSFT, controls of RSFT, best-of-n."""
    ranks = {name: i for i, name in enumerate(METHODS)}
    if variant.method == "best_of_n":
        return (40, variant.n, variant.id)
    if variant.method == "rsft":
        return (30 if variant.is_control else 20, -variant.temperature, variant.id)
    return (ranks.get(variant.method, 35), -variant.temperature, variant.id)
