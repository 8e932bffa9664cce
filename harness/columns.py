"""Pinned columns and types of a run's tables; ``runfolder`` reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

SCHEMA_VERSION = 2
#: Sides of a comparison that stand for the leave-one-seed-out choice, not for one variant.
WINNER = "winner"
WINNER_CONTROL = "winner's matched random"
STAGES: tuple[str, ...] = ("sample", "score", "train", "serve", "evaluate")
CELL: tuple[str, ...] = ("suite", "policy", "variant", "seed")

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "list": pa.list_(pa.string()),
}
_EXAMPLES = (
    "suite:string example_id:string split:string prompt:string references:list facts:string "
    "cluster:string stratum:string language:string"
)
_POOL = (
    "suite:string policy:string seed:int proposal:string round:int example_id:string draw:int "
    "text:string text_id:int tokens_in:int tokens_out:int finish_reason:string proxy:float "
    "gold:float gold_pass:bool logprob:float logprob_ref:float"
)
_SELECTED = (
    "suite:string policy:string variant:string seed:int round:int example_id:string draw:int "
    "count:int row_weight:float"
)
_ROWS = (
    "suite:string policy:string variant:string seed:int example_id:string draw:int split:string "
    "text:string tokens_in:int tokens_out:int served_tokens_out:int finish_reason:string "
    "proxy:float gold:float gold_pass:bool logprob:float latency_s:float weight:float "
    "cluster:string stratum:string"
)
_CELLS = (
    "suite:string policy:string variant:string seed:int method:string parameters:string "
    "accept_rate:float policy_fingerprint:string gold_labels:int epochs_d:float epochs_a:float "
    "peak_rss_gib:float steps:int rows_d:int rows_a:int keep:float tau:float lr:float "
    "last_select:float best_select:float best_step:float"
)
_COST_WORDS = (
    "tokens:int flops:float wall_s:float cpu_s:float spent_flops:float spent_wall_s:float paid:bool"
)
_COSTS = " ".join(f"{stage}_{word}" for stage in STAGES for word in _COST_WORDS.split())


def _schema(text: str) -> pa.Schema:
    pairs = [word.split(":") for word in text.split()]
    return pa.schema([pa.field(n, _TYPES[t], nullable=t == "float") for n, t in pairs])


SCHEMAS: Mapping[str, pa.Schema] = {
    "examples": _schema(_EXAMPLES),
    "pool": _schema(_POOL),
    "selected": _schema(_SELECTED),
    "rows": _schema(_ROWS),
    "cells": _schema(f"{_CELLS} {_COSTS}"),
}
