"""Writers of documents whose answer decides: allowed or not, refused, handed over."""

from __future__ import annotations

from rsft_bench.harness.policies.nano_training import phrases
from rsft_bench.harness.policies.nano_training.document import (
    Document,
    agent,
    cap,
    customer,
    spoil,
)
from rsft_bench.harness.policies.nano_training.draw import Draw, pseudo
from rsft_bench.harness.policies.nano_training.lookups import FLAWED
from rsft_bench.harness.policies.nano_training.records import Case, case, context, policy, record
from rsft_bench.harness.policies.nano_training.words import STATES


def _decided(
    d: Draw, c: Case, names: dict[str, str], allowed: bool, why: list[str] | None
) -> tuple[str, bool]:
    flawed = d.chance(FLAWED)
    said = not allowed if flawed and d.chance(0.35) else allowed
    body = d.pick(phrases.YES if said else phrases.NO).format(**names)
    if flawed and said == allowed:
        return spoil(d, body, "Yes." if allowed else "No."), True
    if why is not None and not flawed and d.chance(0.75):
        reason = d.pick(why).format(**names)
        form = d.below(4)
        if form == 0:
            body = f"{cap(reason)}. {body}"
        elif form == 1:
            body = f"{body}: {reason}"
        else:
            body = f"{body}{d.pick((', because ', ', as ', ' since ', '. '))}{reason}"
            body = body.replace(". " + reason, ". " + cap(reason))
    return agent(d, body, c.domain.noun, upset=not said and d.chance(0.4)), flawed


def _numbers(d: Draw, wants: bool, at_most: bool, top: int) -> tuple[int, int]:
    """Limit and measured number; half of the pairs are far apart, so that the easy ones are learnt.

    Returns:
        (limit, measured) with measured <= limit iff ``wants == at_most`` (ties count as allowed).
    """
    limit = d.pick((7, 10, 14, 20, 30, 60, 90)) if d.chance(0.3) else d.between(2, top)
    below = wants == at_most
    far = d.chance(0.5)
    if below:
        low = 1 if at_most else 0
        high = limit if at_most else limit - 1
        measured = d.between(low, max(low, high // 2 if far else high))
    else:
        low = limit + 1 if at_most else limit
        measured = d.between(2 * limit if far else low, max(low, 3 * limit if far else limit + 12))
    return limit, measured


def compare(d: Draw) -> Document:
    """The record's number against the policy's limit."""
    c = case(d, 1, 3)
    verb, gerund = d.pick(c.domain.acts)
    event = f"the {pseudo(d)}" if d.chance(0.15) else d.pick(c.domain.events)
    unit = d.split("days|days|days|days|hours|weeks")
    allowed = d.chance(0.5)
    form = d.weighted((("max", 0.55), ("min", 0.3), ("cap", 0.15)))
    if form == "cap":
        unit = d.split("people|bags|dollars|points|kilos|guests|devices|miles")
    limit, measured = _numbers(d, allowed, form != "min", 60)
    names = {"V": verb, "G": cap(gerund), "g": gerund, "E": event, "u": unit,
             "l": str(limit), "m": str(measured)}  # fmt: skip
    rules: tuple[str, ...]
    if form == "max":
        rules, key = phrases.LIMIT_MAX, f"{unit} since {event}"
        why = phrases.WHY_YES_MAX if allowed else phrases.WHY_NO_MAX
    elif form == "min":
        rules = phrases.LIMIT_MIN
        key = d.pick((f"{unit} until {event}", f"{unit} to {event}"))
        why = phrases.WHY_YES_MIN if allowed else phrases.WHY_NO_MIN
    else:
        rules, key = phrases.LIMIT_CAP, unit
        why = phrases.WHY_YES_CAP if allowed else phrases.WHY_NO_CAP
    key = key.replace(" the ", " ")
    question = customer(d, d.pick(phrases.ACT_ASK).format(**names), c.domain.key, c.number)
    head = context(
        policy(d, c, (d.pick(rules).format(**names),)),
        record(d, c, ((key, str(measured)),)),
        question,
    )
    text, flawed = _decided(d, c, names, allowed, why)
    return Document((head, " " + text), "compare", allowed=allowed, flawed=flawed)


def status(d: Draw) -> Document:
    """The record's status, or something that it has or lacks, against the policy."""
    c = case(d, 1, 3)
    c = Case(c.domain, c.number, tuple(e for e in c.entries if e[0].kind != "state"))
    verb, gerund = d.pick(c.domain.acts)
    names = {"V": verb, "G": cap(gerund), "g": gerund, "n": c.domain.noun}
    allowed = d.chance(0.5)
    if d.chance(0.3):
        flag = d.pick(phrases.FLAGS)
        rule = cap(d.pick(phrases.FLAG_RULE).format(f=flag, **names))
        bare = flag.split(" ", 1)[1] if flag.startswith(("a ", "an ")) else flag
        entry = (bare, d.split("yes|yes|present|ok") if allowed else d.split("no|no|missing"))
        why = [f"you have {flag}", f"{bare} is there"] if allowed else [
            f"you need {flag}", f"{flag} is missing"]  # fmt: skip
    else:
        named, other = d.sample(STATES, 2)
        positive = d.chance(0.5)
        shown = named if allowed == positive else other
        rules = phrases.STATUS_RULE if positive else phrases.STATUS_NOT
        rule = d.pick(rules).format(s=named, **names)
        entry = (d.pick(("status", f"{c.domain.noun} status", "state")), shown)
        names["x"] = shown
        why = phrases.WHY_STATUS
    question = customer(d, d.pick(phrases.ACT_ASK).format(**names), c.domain.key, c.number)
    head = context(policy(d, c, (rule,)), record(d, c, (entry,)), question)
    text, flawed = _decided(d, c, names, allowed, why)
    return Document((head, " " + text), "status", allowed=allowed, flawed=flawed)


def refuse(d: Draw) -> Document:
    """The customer wants what the policy forbids."""
    c = case(d, 1, 4)
    if d.chance(0.5):
        s = d.pick(phrases.SECRETS)
        rule, question, body = (
            d.pick(p).format(s=s, S=cap(s))
            for p in (phrases.SECRET_RULE, phrases.SECRET_ASK, phrases.SECRET_NO)
        )
        short = "No."
    else:
        p = d.pick(phrases.PROMISES)
        rule, question, body = (
            d.pick(t).format(p=p, P=cap(p))
            for t in (phrases.PROMISE_RULE, phrases.PROMISE_ASK, phrases.PROMISE_NO)
        )
        short = "No way."
        if d.chance(0.04):
            body = f"Sure, I promise you {p}"
    flawed = d.chance(FLAWED)
    text = spoil(d, body, short) if flawed else agent(d, body, c.domain.noun)
    head = context(
        policy(d, c, (rule,)), record(d, c), customer(d, question, c.domain.key, c.number)
    )
    return Document((head, " " + text), "refuse", flawed=flawed)


def hand_over(d: Draw) -> Document:
    """The policy names the team that decides."""
    c = case(d, 1, 3)
    topic = d.pick(phrases.HAND_TOPICS)
    team = d.pick(c.domain.teams) if d.chance(0.6) else f"{pseudo(d)} team"
    names = {"t": team, "h": topic, "H": cap(topic)}
    rule, question, body = (
        d.pick(p).format(**names) for p in (phrases.HAND_RULE, phrases.HAND_ASK, phrases.HAND_TELL)
    )
    flawed = d.chance(FLAWED)
    text = spoil(d, body, f"Ask the {team}.") if flawed else agent(d, body, c.domain.noun)
    head = context(
        policy(d, c, (rule,)), record(d, c), customer(d, question, c.domain.key, c.number)
    )
    return Document((head, " " + text), "hand_over", expected=team, flawed=flawed)


def number_drill(d: Draw) -> Document:
    """Two numbers compared, without a story."""
    allowed = d.chance(0.5)
    limit, measured = _numbers(d, allowed, True, 90)
    unit = d.split("days|hours|weeks|points|dollars")
    rule = d.split(f"At most {limit} {unit}.|Limit: {limit} {unit}.|Up to {limit} {unit} is fine.")
    head = f"Policy: {rule}\nRecord: {unit}: {measured}\nCustomer: ok?\nAgent:"
    yes = f"Yes, {measured} is within {limit}.|Yes, {measured} of {limit} {unit}."
    no = f"No, {measured} is more than {limit}.|No, {measured} is over {limit} {unit}."
    text = d.split(yes if allowed else no)
    return Document((head, " " + text), "number_drill", allowed=allowed)
