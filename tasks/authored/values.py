"""What one example's record says, and how a careless writer gets it wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from rsft_bench.harness.rewards.claims import normal_date, normal_number
from rsft_bench.harness.types import Split
from rsft_bench.tasks.authored.bank import Bank, Family, Outcome, Stratum

DATES = frozenset(("expected", "due", "newdate", "approved", "xdate"))
DATE_ROLES = {"newdate": "newdate", "approved": "start"}
NUMBERS = frozenset(("order", "n", "amount", "total", "days", "hours"))
ENTITIES = ("item", "carrier", "city", "name", "method", "offer")
_FIRST_DAY = date(2023, 1, 8)
_MONTHS = (
    "January February March April May June July August September October November December"
).split()


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    """One of ``options``, each equally likely."""
    return options[int(rng.integers(len(options)))]


def outcome_of(bank: Bank, family: Family, index: int) -> Outcome:
    """The outcome of a family's ``index``-th example: outcomes take turns, so both are frequent."""
    names = bank.strata[family.stratum].outcomes
    name = names[(index + int(family.family_id[1:])) % len(names)]
    return bank.outcomes[name if name in bank.outcomes else f"{name}_{family.rule}"]


def day_text(day: date, family: Family) -> str:
    """``14 March`` or ``March 14``, fixed per family."""
    month = _MONTHS[day.month - 1]
    return f"{day.day} {month}" if int(family.family_id[1:]) % 2 else f"{month} {day.day}"


def _money(rng: np.random.Generator) -> str:
    cents = (0, 20, 25, 40, 50, 75, 80, 95)[int(rng.integers(8))]
    return f"${int(rng.integers(6, 160))}.{cents:02d}"


def _elapsed(limit: int, within: bool, rng: np.random.Generator) -> int:
    """Days or hours clearly inside or clearly past the limit; the gap is part of the difficulty."""
    if within:
        return int(rng.integers(1, max(2, int(limit * 0.75))))
    return int(rng.integers(int(limit * 1.25) + 1, limit * 3))


def draw_values(
    bank: Bank, family: Family, outcome: Outcome, split: Split, rng: np.random.Generator
) -> dict[str, str]:
    """Slot values of one example. Slots that do not occur in its record are harmless extras."""
    values = {
        kind: pick(options, rng)
        for kind, options in sorted(bank.entities[split].items())
        if kind in ENTITIES
    }
    first = _FIRST_DAY + timedelta(days=int(rng.integers(340)))
    later = first + timedelta(days=int(rng.integers(2, 12)))
    values |= {
        "order": str(int(rng.integers(10_000, 100_000))),
        "total": _money(rng),
        "amount": _money(rng),
        "expected": day_text(first, family),
        "approved": day_text(first, family),
        "due": day_text(first, family),
        "newdate": day_text(later, family),
        "x": str(int(rng.integers(10_000, 100_000))),
        "xdate": day_text(later + timedelta(days=20), family),
        "photo": "received" if outcome.decision == "affirm" else "none",
    }
    _draw_policy(bank, family, outcome, values, rng)
    _draw_status(bank.strata[family.stratum], family, outcome, values, rng)
    return values


def _draw_policy(
    bank: Bank, family: Family, outcome: Outcome, values: dict[str, str], rng: np.random.Generator
) -> None:
    if family.limits:
        limit = family.limits[int(rng.integers(len(family.limits)))]
        values["n"] = str(limit)
        elapsed = str(_elapsed(limit, outcome.decision == "affirm", rng))
        values |= {"days": elapsed, "hours": elapsed}
    if family.asks:
        values["ask"] = pick(family.asks, rng)
    if bank.remedies:
        values["remedy"] = pick(bank.remedies, rng)
    if family.topic:
        values["act"] = pick(bank.topics[family.topic].act, rng)


def _draw_status(
    stratum: Stratum,
    family: Family,
    outcome: Outcome,
    values: dict[str, str],
    rng: np.random.Generator,
) -> None:
    """A state where the record shows one: a writer that names a hidden one has no value for it."""
    if family.rule == "status":
        values["status"] = pick(
            family.allowed if outcome.decision == "affirm" else family.refused, rng
        )
    elif stratum.status:
        values["status"] = pick(stratum.status, rng)


def record_slots(stratum: Stratum, family: Family) -> tuple[str, ...]:
    """Slots shown in the record: a status rule hides the hours and the reverse."""
    hidden = {"status": "hours", "hours": "status"}.get(family.rule, "")
    return tuple(slot for slot in stratum.record if slot != hidden)


def required(outcome: Outcome, values: Mapping[str, str]) -> list[list[str]]:
    """Facts a right answer states, as ``[kind, normal form]``; kinds as in ``stated.stated``."""
    out: list[list[str]] = []
    for slot in outcome.need:
        value = values[slot]
        if slot in DATES:
            out.append([DATE_ROLES.get(slot, "date"), str(normal_date(value))])
        elif slot in NUMBERS:
            kind = "limit" if slot == "n" else "number"
            out.append([kind, normal_number(value.lstrip("$"))])
        elif slot == "remedy":
            out.append(["stem", {"replacement": "replac"}.get(value, value)])
        else:
            kind = "state" if slot == "status" else "term"
            out.append([kind, value.removeprefix("a ").removeprefix("an ").lower()])
    return out


def corrupt(
    slot: str,
    values: Mapping[str, str],
    bank: Bank,
    family: Family,
    split: Split,
    rng: np.random.Generator,
) -> dict[str, str]:
    """``values`` with a wrong ``slot``: a plausible value of the same kind, never the true one."""
    true = values[slot]
    if slot in DATES:
        wrong = values["xdate"]
    elif slot == "order":
        at = int(rng.integers(1, len(true)))
        wrong = true[:at] + str((int(true[at]) + 1 + int(rng.integers(8))) % 10) + true[at + 1 :]
    elif slot == "n":
        wrong = str(int(true) + int(rng.integers(1, 9)))
    elif slot in ("amount", "total"):
        wrong = f"${int(float(true[1:])) + int(rng.integers(1, 9))}{true[true.index('.') :]}"
    else:
        pool = {"remedy": bank.remedies, "status": ("lost", "on hold", "returned", "refused")}
        options = pool.get(slot) or bank.entities[split][slot]
        wrong = pick([o for o in options if o != true], rng)
    return {**values, slot: wrong}
