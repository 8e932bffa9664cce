"""What variants are, read from the manifest, and how a reader is told. Pure; standard library only.

Every table shows a short label; the exact id stands beside it once, in the method table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
    "argmax": "trained on best of {k}",
    "threshold": "trained above a threshold, {k} drawn",
    "random": "trained on random of {k}",
    "all": "trained on all of {k}",
    "top_m": "trained on top m of {k}",
    "statistical": "trained on a statistical choice, {k} drawn",
    "best_and_distinct": "trained on best and distinct of {k}",
    "rejection": "trained by rejection, {k} drawn",
}
#: Methods that draw n answers a request and serve one of them.
SERVED = {
    "best_of_n": "best-of-{n} at serving",
    "weighted_vote": "proxy-weighted vote of {n} at serving",
    "majority_vote": "majority vote of {n} at serving",
    "mbr": "closest to the rest of {n} (MBR) at serving",
}
SHOWN = {"accept", "k", "lambda", "temperature", "n", "match", "oracle", "source", "reward"}


@dataclass(frozen=True)
class Variant:
    """One variant of a run. ``temperature`` is the serving temperature, 1 unless stated.

    ``apart`` sets its label off from another variant's that would be equal; ``source`` is the
    label of the variant whose draws a serving rule picks from or RSFT's pool holds, empty where
    that is SFT.
    """

    id: str
    method: str
    parameters: Mapping[str, Json]
    trained: bool
    oracle: bool
    apart: str = ""
    source: str = ""

    @property
    def temperature(self) -> float:
        """Serving temperature."""
        return number(self.parameters.get("temperature", 1.0))

    @property
    def n(self) -> int:
        """Answers drawn a request: n of best-of-n and of votes, else 1."""
        return int(self.parameters.get("n", 1)) if self.served else 1

    @property
    def served(self) -> bool:
        """Whether one of several draws is served, so that draws have unequal weights."""
        return self.method in SERVED

    @property
    def best_of(self) -> bool:
        """Whether it is best-of-n, which alone the break-even and its curve are about."""
        return self.method == "best_of_n"

    @property
    def on_rsft(self) -> bool:
        """Whether it picks from draws of another variant than SFT or base."""
        return self.served and self.parameters.get("source") not in {None, "sft", "base"}

    @property
    def is_control(self) -> bool:
        """Whether acceptance ignores the proxy: ``random`` and ``all``."""
        return self.parameters.get("accept") in {"random", "all"}

    @property
    def label(self) -> str:
        """Short words for tables and plots, such as ``RSFT (trained on best of 16), λ=1``."""
        if self.served:
            words = SERVED[self.method].format(n=self.n)
            if "reward" in self.parameters:
                words += f", by {self.parameters['reward']}"
            return words + (f", from {self.source}" if self.source else "")
        head = self._rsft() if self.method == "rsft" else METHODS.get(self.method, self.method)
        rest = [f"{k}={v}" for k, v in sorted(self.told.items())]
        tail = f", T={self.temperature:g}" if self.temperature != 1 else ""
        extra = f", {', '.join(rest)}" if rest and self.method in {"rsft", *METHODS} else ""
        extra += f", pool from {self.source}" if self.source else ""
        return head + extra + tail + self.apart + (" (oracle)" if self.oracle else "")

    @property
    def told(self) -> dict[str, Json]:
        """Parameters that the id names (they differ from a default) and no other word shows."""
        outer = self.id.partition("[")[2]
        # Ids nest: what stands in an inner bracket belongs to another variant.
        while (start := outer.rfind("[")) >= 0:
            outer = outer[:start] + outer[outer.find("]", start) + 1 :]
        named = {part.partition("=")[0] for part in outer.rstrip("]").split(",")}
        return {k: v for k, v in self.parameters.items() if k in named and k not in SHOWN}

    def _rsft(self) -> str:
        rule = str(self.parameters.get("accept", "argmax"))
        words = RULES.get(rule, rule + " of {k}").format(k=self.parameters.get("k", "?"))
        weight = number(self.parameters.get("lambda", 1.0))
        return f"RSFT ({words}), λ={'∞' if weight == float('inf') else format(weight, 'g')}"


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
    return _named(table)


def _named(table: Mapping[str, Variant]) -> dict[str, Variant]:
    """A source is named by its label, and equal labels are told apart.

    By what their draws were matched to, else by their id.
    """
    named = {}
    for name, v in table.items():
        source = v.parameters.get("source")
        if source not in {None, "sft"}:
            v = replace(v, source=table[source].label if source in table else str(source))
        named[name] = v
    labels = [v.label for v in named.values()]
    out = {}
    for name, v in named.items():
        if labels.count(v.label) > 1:
            match = str(v.parameters.get("match", ""))
            words = table[match].label if match in table else match
            v = replace(v, apart=f", matched to {words}" if match else f", {name}")
        out[name] = v
    return out


def number(value: Json) -> float:
    """A parameter as a float; YAML's ``.inf`` and JSON's ``"inf"`` included."""
    return float(str(value).replace(".inf", "inf")) if isinstance(value, str) else float(value)


def order(variant: Variant) -> tuple[int, float, str]:
    """Reading order of tables: base, SFT and its controls, RSFT and its controls, serving rules."""
    ranks = {name: i for i, name in enumerate(METHODS)}
    if variant.served:
        return (40 + list(SERVED).index(variant.method), variant.n, variant.id)
    if variant.method == "rsft":
        return (30 if variant.is_control else 20, -variant.temperature, variant.id)
    return (ranks.get(variant.method, 35), -variant.temperature, variant.id)
