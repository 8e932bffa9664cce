"""Records and policies around a question: what the agent sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsft_bench.harness.policies.nano_training import phrases
from rsft_bench.harness.policies.nano_training.document import cap, sentence
from rsft_bench.harness.policies.nano_training.domains import DOMAINS, Domain, Field
from rsft_bench.harness.policies.nano_training.draw import (
    Draw,
    clock,
    count,
    identifier,
    money,
    pseudo,
    value,
)
from rsft_bench.harness.policies.nano_training.shop import SHOP


@dataclass(frozen=True)
class Case:
    """A customer's file: domain, id, shown fields with their values."""

    domain: Domain
    number: str
    entries: tuple[tuple[Field, str], ...]


def case(d: Draw, least: int = 2, most: int = 5) -> Case:
    """A random domain with some of its fields filled in, in random order.

    A fifth of the domains get a made-up noun, so that wording alone does not tell what to copy.
    """
    domain = d.pick(SHOP if d.goods and d.chance(0.6) else DOMAINS)
    if d.chance(0.1):
        noun = pseudo(d)
        domain = Domain(
            noun, f"{noun} number", domain.fields, domain.acts, domain.events, domain.teams
        )
    fields = d.sample(domain.fields, d.between(least, most))
    if d.chance(0.15):
        kind = d.pick(("id", "thing", "brand", "money", "date", "count", "name", "state"))
        fields[0] = Field(pseudo(d), kind, (), ())
    return Case(domain, identifier(d), tuple((f, value(d, f.kind)) for f in fields))


def record(d: Draw, c: Case, extra: Sequence[tuple[str, str]] = ()) -> str:
    """The record line: id (nearly always, mostly first) and entries, order shuffled."""
    pairs = [(f.key, v) for f, v in c.entries] + list(extra)
    pairs = d.sample(pairs, len(pairs))
    if d.chance(0.9):
        pairs.insert(0 if d.chance(0.75) else d.below(len(pairs) + 1), (c.domain.key, c.number))
    return "Record: " + "; ".join(f"{k}: {v}" for k, v in pairs)


def noise(d: Draw, c: Case) -> str:
    """A policy sentence that does not matter for the question."""
    if d.chance(0.5):
        return d.pick(phrases.NOISE).format(
            n=c.domain.noun, a=clock(d), b=clock(d), c=count(d), w=d.pick(("Monday", "Sunday")),
            m=money(d),
        )  # fmt: skip
    verb, gerund = d.pick(c.domain.acts)
    form = d.below(4)
    if form == 0:
        return d.pick(phrases.FEE_RULE).format(V=verb, G=cap(gerund), g=gerund, m=money(d))
    if form == 1:
        team, topic = d.pick(c.domain.teams), d.pick(phrases.HAND_TOPICS)
        return d.pick(phrases.HAND_RULE).format(t=team, h=topic, H=cap(topic))
    if form == 2:
        secret = d.pick(phrases.SECRETS)
        return d.pick(phrases.SECRET_RULE).format(s=secret, S=cap(secret))
    return d.pick(phrases.LIMIT_MAX + phrases.LIMIT_MIN).format(
        V=verb, G=cap(gerund), g=gerund, E=d.pick(c.domain.events), l=d.between(2, 90),
        u=d.split("days|days|weeks|hours"),
    )  # fmt: skip


def policy(d: Draw, c: Case, rules: Sequence[str], most: int = 2) -> str:
    """The policy line: the rules that matter and up to ``most - len(rules)`` that do not."""
    lines = [*rules]
    while len(lines) < most and (not lines or d.chance(0.4)):
        lines.append(noise(d, c))
    return "Policy: " + " ".join(sentence(r) for r in d.sample(lines, len(lines)))


def context(policy_line: str, record_line: str, question: str) -> str:
    """The prompt of a single question."""
    return f"{policy_line}\n{record_line}\nCustomer: {question}\nAgent:"
