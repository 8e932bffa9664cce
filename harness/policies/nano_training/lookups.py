"""Writers of documents whose answer copies the record or the policy, or lacks something."""

from __future__ import annotations

from rsft_bench.harness.policies.nano_training import phrases
from rsft_bench.harness.policies.nano_training.document import (
    Document,
    agent,
    cap,
    customer,
    spoil,
)
from rsft_bench.harness.policies.nano_training.domains import Field
from rsft_bench.harness.policies.nano_training.draw import Draw, money, pseudo, value
from rsft_bench.harness.policies.nano_training.records import Case, case, context, policy, record

FLAWED = 0.1


def ask(d: Draw, field: Field) -> str:
    """A question for one field."""
    if field.asks and d.chance(0.5):
        return d.pick(field.asks)
    return d.pick(phrases.ASK).format(k=field.key)


def tell(d: Draw, field: Field, v: str, noun: str) -> str:
    """A statement of one field's value."""
    if field.tells and d.chance(0.5):
        return d.pick(field.tells).format(v=v)
    return d.pick(phrases.TELL).format(k=field.key, v=v, n=noun)


def _turn(d: Draw, c: Case, field: Field, v: str) -> tuple[str, str, bool]:
    question, body = ask(d, field), tell(d, field, v, c.domain.noun)
    flawed = d.chance(FLAWED)
    if flawed and d.chance(0.3):
        wrong = d.pick(c.entries)[1] if d.chance(0.5) else value(d, field.kind)
        body = tell(d, field, wrong, c.domain.noun)
        text = agent(d, body, c.domain.noun)
    elif flawed:
        text = spoil(d, body, f"{v}.")
    else:
        if len(c.entries) > 1 and d.chance(0.1):
            other, w = d.pick([e for e in c.entries if e[0] is not field])
            question += f" and {ask(d, other)}"
            second = tell(d, other, w, c.domain.noun)
            body += f", and {second[0].lower() + second[1:]}" if d.chance(0.5) else f". {second}"
        text = agent(d, body, c.domain.noun)
    return customer(d, question, c.domain.key, c.number), text, flawed


def copy(d: Draw) -> Document:
    """One to three questions on fields of a record."""
    c = case(d)
    turns = 1 if d.chance(0.45) else d.between(2, 3)
    asked = d.sample(c.entries, turns)
    parts: list[str] = []
    flawed = False
    for i, (field, v) in enumerate(asked):
        question, text, flawed = _turn(d, c, field, v)
        head = (
            context(policy(d, c, ()), record(d, c), question)
            if i == 0
            else f"\nCustomer: {question}\nAgent:"
        )
        parts += [head, " " + text]
    return Document(tuple(parts), "copy", expected=asked[-1][1], flawed=flawed)


def drill(d: Draw) -> Document:
    """A short record and questions by key alone: the plainest form of looking something up."""
    n = d.between(2, 4)
    kinds = ("id", "brand", "name", "thing", "money", "date", "word", "word", "count", "state")
    known = [f for f, _ in case(d, 4, 4).entries]
    keys = [pseudo(d) if d.chance(0.4) else d.pick(known).key for _ in range(n)]
    entries = [(k, value(d, d.pick(kinds))) for k in dict.fromkeys(keys)]
    line = "; ".join(f"{k}: {v}" for k, v in entries)
    parts: list[str] = []
    asked = d.sample(entries, len(entries))
    for i, (k, v) in enumerate(asked):
        head = f"Record: {line}\nCustomer: {k}?\nAgent:" if i == 0 else f"\nCustomer: {k}?\nAgent:"
        parts += [head, f" The {k} is {v}." if d.chance(0.6) else f" {v}"]
    return Document(tuple(parts), "drill", expected=asked[-1][1])


def repeat(d: Draw) -> Document:
    """A list of made-up words and numbers that the agent repeats: copying and nothing else."""
    words = [value(d, d.pick(("word", "id", "thing", "brand", "count"))) for _ in
             range(d.between(2, 5))]  # fmt: skip
    text = ", ".join(words)
    return Document((f"Customer: {text}\nAgent:", " " + text), "repeat", expected=text)


def missing(d: Draw) -> Document:
    """The record was not found: the agent asks for what it needs to look."""
    c = case(d)
    field = d.pick(c.entries)[0]
    key = c.domain.key if d.chance(0.8) else d.split("name|email|date of birth|phone number")
    line = "Record: " + d.split("none found|none found|none found|none found|none|empty")
    verb, gerund = d.pick(c.domain.acts)
    question = ask(d, field) if d.chance(0.6) else d.pick(phrases.ACT_ASK).format(V=verb, g=gerund)
    rule = (f"Ask for the {key} if there is no record.",) if key != c.domain.key else ()
    if not rule and d.chance(0.4):
        rule = (d.split(f"Without the {key} nothing can be said.|First ask for the {key}."
                        f"|No answer without {key}."),)  # fmt: skip
    body = d.pick(phrases.MISSING_ASK).format(k=key)
    if d.chance(0.6):
        body = d.pick(phrases.MISSING_WHY).format(n=c.domain.noun) + ". " + body
    flawed = d.chance(FLAWED)
    text = spoil(d, body, cap(key) + "?") if flawed else agent(d, body, c.domain.noun)
    head = context(policy(d, c, rule), line, customer(d, question))
    return Document((head, " " + text), "missing", expected=key, flawed=flawed)


def unknown(d: Draw) -> Document:
    """The asked field is ``unknown`` or absent: the agent says so and invents nothing."""
    c = case(d, 3, 5)
    field = c.entries[0][0]
    absent = d.split("unknown|unknown|unknown|not set|n/a|none")
    rest = Case(c.domain, c.number, c.entries[1:])
    extra = ((field.key, absent),) if d.chance(0.8) else ()
    body = d.pick(phrases.UNKNOWN).format(k=field.key)
    if d.chance(0.6):
        body += ". " + d.pick(phrases.UNKNOWN_END).format(t=d.pick(c.domain.teams))
    question = customer(d, ask(d, field), c.domain.key, c.number)
    head = context(policy(d, c, ()), record(d, rest, extra), question)
    return Document((head, " " + agent(d, body, c.domain.noun)), "unknown", expected=field.key)


def fee(d: Draw) -> Document:
    """The answer is an amount that stands in the policy."""
    c = case(d, 1, 4)
    verb, gerund = d.pick(c.domain.acts)
    names = {"V": verb, "G": cap(gerund), "g": gerund, "m": money(d)}
    rule = d.pick(phrases.FEE_RULE).format(**names)
    question = customer(d, d.pick(phrases.FEE_ASK).format(**names), c.domain.key, c.number)
    body = d.pick(phrases.FEE_TELL).format(**names)
    flawed = d.chance(FLAWED)
    text = spoil(d, body, names["m"] + ".") if flawed else agent(d, body, c.domain.noun)
    head = context(policy(d, c, (rule,)), record(d, c), question)
    return Document((head, " " + text), "fee", expected=names["m"], flawed=flawed)


def term(d: Draw) -> Document:
    """The answer is a number of days that stands in the policy."""
    c = case(d, 1, 4)
    verb, gerund = d.pick(c.domain.acts)
    names = {"V": verb, "G": cap(gerund), "g": gerund, "l": str(d.between(2, 90)),
             "u": d.split("days|days|days|weeks|hours"), "E": d.pick(c.domain.events)}  # fmt: skip
    rule = d.pick(phrases.LIMIT_MAX + phrases.LIMIT_MIN).format(**names)
    question = customer(d, d.pick(phrases.TERM_ASK).format(**names), c.domain.key, c.number)
    body = d.pick(phrases.TERM_TELL).format(**names)
    head = context(policy(d, c, (rule,)), record(d, c), question)
    return Document((head, " " + agent(d, body, c.domain.noun)), "term",
                    expected=f"{names['l']} {names['u']}")  # fmt: skip
