"""Second phase of the text: trade in goods, in wordings and with names of its own.

Goods, couriers and sums occur here so that the words of a shop mean something to the policy;
sentences share no eight words in a row with a suite (see ``overlap``). ``SHOP`` joins the other
domains, ``gather`` and ``instead`` are writers whose answers hold several facts at once.
"""

from __future__ import annotations

from rsft_bench.harness.policies.nano_training.document import (
    Document,
    agent,
    cap,
    customer,
    spoil,
)
from rsft_bench.harness.policies.nano_training.domains import domain
from rsft_bench.harness.policies.nano_training.draw import Draw, pseudo, value
from rsft_bench.harness.policies.nano_training.words import STATES

FLAWED = 0.08

SHOP = (
    domain(
        "order", "order number",
        """item;thing;what did I buy|which article is it;You bought the {v}|The article is the {v}
        article;thing;what is in it|what did I order from you;It holds the {v}|The {v} is in it
        carrier;brand;who brings it|which firm drives it here;{v} brings it|It goes by {v}
        courier;brand;whose van is it|who handed it over;{v} handed it over|It left with {v}
        arrival date;date;what day does it come|when do I get it;It comes on {v}|Look out on {v}
        due;date;which day was planned|when was it planned for;It was planned for {v}
        new date;date;what is the later day|when does it come after all;{v} is the later day
        place;place;where did you see it|which town is it in;{v} saw it|It passed {v}
        total;money;what did I spend|how much was all of it;You spent {v}|All of it was {v}
        status;state;how far is it|what stage is it at;It is {v}|Its stage is {v}""",
        "cancel the order/cancelling the order|change the address/changing the address|"
        "add an article/adding an article|leave it with a neighbour/leaving it with a neighbour|"
        "combine two orders/combining two orders|promise a day/promising a day",
        "ordering|packing|the payment", "parcel desk|stock room|shop team",
    ),
    domain(
        "purchase", "purchase number",
        """product;thing;what is it I have|which product was it;It was the {v}|You have the {v}
        paid;money;what did it cost me|what was the sum;You gave {v} for it|The sum was {v}
        refund;money;what do I get back|which sum comes back;{v} comes back to you|You get {v}
        refund date;date;when is my money there|what day is the sum sent;It is sent on {v}
        method;brand;how do you pay me|which way does it go;It goes to your {v}
        days since delivery;count;how long have I had it;You have had it for {v} days
        photo;state;did my picture come|do you have the picture;The picture is {v}
        damage;state;what did you note|is it broken;We noted: {v}
        status;state;how is my claim going|what stage is it at;It is {v}""",
        "return the product/returning the product|swap the size/swapping the size|"
        "get cash/getting cash|send it back/sending it back|"
        "refund a gift card/refunding a gift card|"
        "repair it/repairing it|replace it/replacing it",
        "delivery|the sale|unpacking", "return desk|claims desk|till",
    ),
)  # fmt: skip

NEWS_ASK = (
    "any news on my {t}|how is my {t} doing|what about the {t}|tell me about the {t} please|"
    "I am waiting for the {t}|what is up with my {t}|where has my {t} gone|I want news of the {t}"
).split("|")
NEWS_TELL = (
    "The {t} travels with {b}. {d} is the day.|{b} drives your {t} and comes by on {d}.|"
    "Look for {b} on {d}, the {t} is in that van.|Your {t}: {s}, {b}, {d}.|"
    "It left with {b}, so the {t} comes on {d}.|On {d} you get the {t} from {b}.|"
    "{n} is {s}; {b} hands over the {t} on {d}.|Number {n} holds the {t} and is {s}."
).split("|")
PLACE_TELL = (
    "{b} noted the {t} in {p}.|The {t} passed {p} and travels with {b}.|In {p}, says {b}.|"
    "Last note: {p}. The {t} goes by {b}.|{p} is where {b} has the {t}.|"
    "Number {n} is {s} and {b} saw it in {p}."
).split("|")
LATE_TELL = (
    "So sorry, the {t} is late. {d} is the later day.|My apologies, it takes until {d}.|"
    "Sorry about the wait for the {t}. It comes {d}.|I apologise: {n} slipped to {d}.|"
    "That is late, sorry. The {t} gets to you {d}."
).split("|")
MONEY_TELL = (
    "For the {t} you get {m} on {d}.|{m} goes to your {b}.|We send {m} for it, look on {d}.|"
    "{m} leaves us on {d}.|The sum is {m} and it goes to your {b}.|You see {m} by {d}."
).split("|")
INSTEAD_RULE = (
    "We do not {v}; we give {o}.|Never {v}. In its place give {o}.|No one may {v}, {o} is fine.|"
    "Staff must not {v} but may give {o}.|If asked to {v}, refuse and name {o}."
).split("|")
INSTEAD_ASK = (
    "can you {v}|please {v}|would you {v} for me|I need you to {v}|why not just {v}|{v} now please"
).split("|")
INSTEAD_TELL = (
    "Sorry, I may not {v}. You can have {o}.|No, we do not {v}, but {o} works.|"
    "We never {v}. How about {o}?|That we refuse, sorry. I can give you {o}.|"
    "I can't {v} for you. {o} is what I have.|To {v} is against our rules, {o} is not."
).split("|")
DEEDS = (
    "move the address|share a stranger's order|promise a fixed day|add goods to a box|"
    "leave it outside|pay out cash|refund a gift card|take back sale goods|pay another card|"
    "refund the shipping fee|take worn goods|open a closed order|skip the queue|waive a signature"
).split("|")


def gather(d: Draw) -> Document:
    """One question on goods, answered by two or more values of the record."""
    v = {"t": value(d, "thing"), "b": value(d, "brand"), "d": value(d, "date"),
         "p": value(d, "place"), "m": value(d, "money"), "s": d.pick(STATES),
         "n": str(d.between(10000, 99999))}  # fmt: skip
    keys = {"t": "item|article|product", "b": "carrier|courier|handled by|method",
            "d": "arrival date|due|expected|new date|refund date", "p": "last seen|town|place",
            "m": "refund|paid|sum", "s": "status", "n": "order number|purchase number"}  # fmt: skip
    kind = d.below(8)
    forms, shown = (
        (NEWS_TELL, "tbdsn") if kind < 4
        else (PLACE_TELL, "tbpsn") if kind < 6
        else (LATE_TELL, "tdsn") if kind < 7
        else (MONEY_TELL, "tbdmn")
    )  # fmt: skip
    extra = [] if d.chance(0.6) else [d.pick([k for k in keys if k not in shown])]
    order = d.sample([*shown, *extra], len(shown) + len(extra))
    line = "; ".join(f"{d.split(keys[k])}: {v[k]}" for k in order)
    rules = (
        "Name all that is known.|Tell the day and the firm.|Be exact and kind.|Say what is on file."
    )
    question = customer(d, d.pick(NEWS_ASK).format(**v), "order number", v["n"])
    body = d.pick(forms).format(**v)
    text = spoil(d, body, "Soon.") if d.chance(FLAWED) else agent(d, body, "order")
    head = f"Policy: {d.split(rules)}\nRecord: {line}\nCustomer: {question}\nAgent:"
    return Document((head, " " + text), "gather", expected=v["d"] if v["d"] in text else None)


def instead(d: Draw) -> Document:
    """Something the policy rules out; the answer names what it gives in its place."""
    deed = d.pick(DEEDS) if d.chance(0.7) else f"{d.split('move|drop|open|sell')} the {pseudo(d)}"
    offer = (
        f"a {pseudo(d)}"
        if d.chance(0.5)
        else f"a {pseudo(d)} {d.split('note|call|code|day|visit')}"
    )
    names = {"v": deed, "o": offer}
    rule = d.pick(INSTEAD_RULE).format(**names)
    entries = [("item", value(d, "thing")), ("status", d.pick(STATES)),
               ("order number", str(d.between(10000, 99999))),
               ("total", value(d, "money"))]  # fmt: skip
    line = "; ".join(f"{k}: {x}" for k, x in d.sample(entries, d.between(2, 4)))
    question = customer(d, d.pick(INSTEAD_ASK).format(**names))
    body = cap(d.pick(INSTEAD_TELL).format(**names))
    text = spoil(d, body, "No.") if d.chance(FLAWED) else agent(d, body, "order", upset=True)
    head = f"Policy: {cap(rule)}\nRecord: {line}\nCustomer: {question}\nAgent:"
    return Document((head, " " + text), "instead", expected=offer)
