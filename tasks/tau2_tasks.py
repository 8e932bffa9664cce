"""Reader of tau2-bench task files: what a task asks, its records, and what its answer must hold.

Source: sierra-research/tau2-bench, ``data/tau2/domains/*/tasks*.json``, ``policy.md``, ``db.json``.
Kernel imports only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.reading import need, read_json, read_text
from rsft_bench.tasks.real_placing import SIDES

WHO = "suite tau2"
#: Tools that only read; every other one acts.
READS = re.compile(
    r"^(?:get|find|search|list|calculate|check|can|run|think|verify|lookup)(?:_|$)|_lookup$"
)
_NAME = re.compile(r"(?:[Yy]ou are|[Yy]our name is|[Yy]ou name is|I am) ([A-Z]\w+) ([A-Z]\w+)")
_USER_ID = re.compile(r"\b([a-z]+)_([a-z]+)_\d{4}\b")
_HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
#: Words of a must-say; a longer one is prose, which no string test can find.
MUST_SAY_WORDS = 4
POLICY_CHARS, RECORD_CHARS, ORDERS = 900, 1600, 5


@dataclass(frozen=True, slots=True)
class Task:
    """One task. ``acts`` are tools that change something, in order, with their arguments."""

    name: str
    domain: str
    side: Split
    customer: str
    request: str
    setting: str
    acts: tuple[tuple[str, Mapping[str, Json]], ...]
    looked_up: tuple[str, ...]
    must_say: tuple[str, ...]


def read_tasks(file: Path, sides: Mapping[str, Split], skipped: Counter[str]) -> Iterator[Task]:
    """Tasks of one file; ``sides`` by task id where upstream names splits.

    Raises:
        DataError: the file is not what it claims.
    """
    tasks = read_json(file, WHO)
    if not isinstance(tasks, list):
        raise DataError(f"{file}: expected a list of tasks, found {type(tasks).__name__}")
    for number, task in enumerate(tasks):
        where = f"{file}: task {number}"
        name = need(task, "id", str, where)
        scenario = need(task, "user_scenario", dict, where)
        asked, told = _asked(scenario.get("instructions"), task.get("ticket"), where)
        if not asked:
            skipped["no request"] += 1
            continue
        criteria = task.get("evaluation_criteria") or {}
        acts = [
            (need(a, "name", str, where), need(a, "arguments", dict, where))
            for a in criteria.get("actions") or []
        ]
        texts = [str(s) for s in criteria.get("communicate_info") or []]
        kept = tuple(s for s in texts if len(s.split()) <= MUST_SAY_WORDS)
        skipped["must-say in prose"] += len(texts) - len(kept)
        domain = file.parent.name
        yield Task(
            name=f"{domain}/{name}",
            domain=domain,
            side=sides.get(name, "train"),
            customer=_customer(domain, name, f"{told} {acts}"),
            request=asked,
            setting=_setting(task.get("initial_state")),
            acts=tuple((n, a) for n, a in acts if not READS.search(n)),
            looked_up=tuple(str(v) for _, a in acts for v in a.values() if isinstance(v, str)),
            must_say=kept,
        )


def _asked(instructions: Json, ticket: Json, where: str) -> tuple[str, str]:
    """The request on one line, and all that the customer is told."""
    if isinstance(instructions, str):
        return " ".join(instructions.split()), instructions
    if not isinstance(instructions, Mapping):
        raise DataError(f"{where}: 'instructions' must be text or an object")
    keys = ("known_info", "reason_for_call", "task_instructions")
    told = [str(instructions.get(key) or "") for key in keys]
    asked = ticket if isinstance(ticket, str) else f"{told[1]} {told[0]}"
    return " ".join(asked.split()), " ".join(told)


def _customer(domain: str, name: str, text: str) -> str:
    """Whom the task is about: tasks of one customer are variants of each other.

    Where the name says the fault (``[mobile_data_issue]data_mode_off[PERSONA:None]``), it is that.
    """
    if name.startswith("["):
        return f"{domain}/{name.partition('[PERSONA')[0]}"
    found = _USER_ID.search(text) or _NAME.search(text)
    if found is None:
        return f"{domain}/{name}"
    return f"{domain}/{found[1].lower()} {found[2].lower()}"


def _setting(state: Json) -> str:
    """Names of the calls that set the scene, as words, with their true or false and text values."""
    calls = (state or {}).get("initialization_actions") or [] if isinstance(state, Mapping) else []
    names = [str(c.get("func_name")).replace("_", " ") for c in calls if isinstance(c, Mapping)]
    return "; ".join(n for n in names if not n.startswith("set user") and "simulate" not in n)


def read_sides(file: Path) -> dict[str, Split]:
    """Side of each task id in ``split_tasks.json``; splits of other names (``base``) are passed."""
    content = read_json(file, WHO)
    if not isinstance(content, dict):
        raise DataError(f"{file}: expected an object of splits")
    return {
        str(name): SIDES[split]
        for split in content
        if split in SIDES
        for name in need(content, split, list, str(file))
    }


def read_policy(file: Path) -> str:
    """First sentence of every section, at most ``POLICY_CHARS``: what an agent may do, in short."""
    text = read_text(file, WHO)
    parts = _HEADING.split(text)
    found = []
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        plain = " ".join(re.sub(r"[*`#>-]", " ", body).split())
        first = re.split(r"(?<=[.!?:])\s", plain, maxsplit=1)[0]
        if len(first.split()) > 4:
            found.append(f"{heading.strip()}: {first}")
    if not found:
        found = [" ".join(text.split())]
    return " ".join(found)[:POLICY_CHARS]


def record(task: Task, db: Mapping[str, Json]) -> str:
    """The orders and products of ``db`` that the task's own calls name, as one line."""
    lines = [task.setting] if task.setting else []
    orders, products = db.get("orders") or {}, db.get("products") or {}
    for name in list(dict.fromkeys(n for n in task.looked_up if n in orders))[:ORDERS]:
        lines.append(_order(name, orders[name]))
    for name in dict.fromkeys(n for n in task.looked_up if n in products):
        variants = list((products[name].get("variants") or {}).values())
        there = sum(bool(v.get("available")) for v in variants)
        lines.append(f"{products[name].get('name')}: {there} of {len(variants)} options available")
    return "; ".join(lines)[:RECORD_CHARS]


def _order(name: str, order: Mapping[str, Json]) -> str:
    items = ", ".join(
        f"{i.get('name')} ({', '.join(str(v) for v in (i.get('options') or {}).values())}) "
        f"{i.get('price')}"
        for i in order.get("items") or []
    )
    track = [t for f in order.get("fulfillments") or [] for t in f.get("tracking_id") or []]
    address = ", ".join(str(v) for v in (order.get("address") or {}).values() if v)
    paid = sum(
        float(p.get("amount", 0)) for p in order.get("payment_history") or [] if p.get("amount")
    )
    return f"order {name}: {order.get('status')}, {items}, paid {paid:.2f}, to {address}" + (
        f", tracking {', '.join(map(str, track))}" if track else ""
    )


def acts_of(tools: Sequence[str]) -> list[str]:
    """What the tools do in an agent's words, such as ``cancel``, each once."""
    return list(dict.fromkeys(_ACTS.get(t, t.replace("_", " ")) for t in tools))


_ACTS: Mapping[str, str] = {
    "cancel_pending_order": "cancel",
    "cancel_reservation": "cancel",
    "return_delivered_order_items": "return",
    "exchange_delivered_order_items": "exchange",
    "modify_pending_order_items": "modify the items",
    "modify_pending_order_address": "change the address",
    "modify_user_address": "change the address",
    "modify_pending_order_payment": "change the payment",
    "transfer_to_human_agents": "transfer",
    "update_reservation_flights": "change the flights",
    "update_reservation_baggages": "add baggage",
    "update_reservation_passengers": "change the passengers",
    "book_reservation": "book",
    "send_certificate": "certificate",
}
