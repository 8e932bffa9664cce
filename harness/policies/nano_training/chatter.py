"""Writers of the rest: small talk, word drills, dialogues with system acts."""

from __future__ import annotations

from rsft_bench.harness.policies.nano_training import phrases, words
from rsft_bench.harness.policies.nano_training.document import Document, cap, customer, sentence
from rsft_bench.harness.policies.nano_training.draw import Draw, pseudo, value
from rsft_bench.harness.policies.nano_training.records import case, context, policy, record

# In phase one shop words appear in these drills only; phase two (``shop``) puts them to use.
TOPICS = (
    "order/orders/purchase|parcel/parcels/package|item/items/product|refund/refunds/money back|"
    "return/returns/sending back|delivery/deliver/bringing|shipping/shipped/transport|"
    "cancel/cancelled/cancellation|address/street/town|warranty/guarantee/cover|"
    "exchange/swap/replacement|carrier/courier/driver|invoice/receipt/bill|voucher/coupon/credit|"
    "damaged/broken/defective|late/delayed/overdue|lost/missing/gone|discount/sale/offer|"
    "payment/charge/card|box/label/wrapping|size/colour/model|used/opened/worn|"
    "unused/sealed/new|tracking/trace/position|fee/cost/price|arrival/arrives/estimate|"
    "deadline/window/limit|shop/store/website|eligible/allowed/accepted|refused/declined/denied"
)
_TOPIC_SETS = tuple(tuple(t.split("/")) for t in TOPICS.split("|"))
SLOTS = (
    "price:money|date:date|time:time|city:brand|name:name|restaurant:brand|movie:thing|"
    "doctor:name|address:place|phone number:phone|rating:count|seats:count|party size:count|"
    "hotel:brand|departure:time|destination:brand|artist:name|album:thing|temperature:count|"
    "street:place|genre:word|balance:money|airline:brand|email:email|rooms:count|event:brand"
)
_SLOTS = tuple(tuple(s.split(":")) for s in SLOTS.split("|"))
_SAY = {
    "inform": "the {s} is {v}|its {s} is {v}|{s}: {v}|you have {v} as the {s}|{v} is the {s}",
    "request": "which {s} do you want?|what {s} should it be?|tell me the {s}?|and the {s}?",
    "confirm": "I note {v} for the {s}, right?|so the {s} is {v}?|{s} {v}, correct?",
    "offer": "how about {v}?|there is {v}|I found {v} for you|would {v} suit you?",
}
_PLAIN = {
    "notify_success": "All done.|It is booked.|That worked.|Done, all set.",
    "notify_failure": "That did not work, sorry.|It failed.|Sorry, no luck with that.",
    "goodbye": "Goodbye.|Have a good one.|Take care.",
    "req_more": "Anything else on your mind?|What more can I do?|Need more?",
    "thank_you": "You are welcome.|With pleasure.",
}


def chat(d: Draw) -> Document:
    """Small talk."""
    c = case(d, 1, 3)
    said, replies = d.pick(phrases.CHAT)
    head = context(policy(d, c, ()), record(d, c), customer(d, said))
    return Document((head, " " + d.split(replies).format(n=c.domain.noun)), "chat")


def lexical(d: Draw) -> Document:
    """Which topic a word belongs to; in phase one the only place with words of shops."""
    topics = d.sample(_TOPIC_SETS, d.between(2, 3))
    asked = d.pick(topics)
    first, second = d.sample(asked, 2)
    listed = ", ".join(d.pick(t) if t is not asked else first for t in topics)
    verb = d.split("Word|Topic|Term|Keyword|Theme")
    head = f"Policy: {verb}s are {listed}.\nCustomer: {second} {pseudo(d)}\nAgent:"
    tail = d.split(f"{verb} {first}, near {second}.|{cap(first)} and {second}.|{cap(first)}.")
    return Document((head, " " + tail), "lexical", expected=None)


def vocabulary(d: Draw) -> Document:
    """Common words in random order, said back: every frequent token is read and written."""
    said = d.sample(words.COMMON.split(), d.between(3, 8))
    text = " ".join(said)
    return Document((f"Customer: {text}\nAgent:", " " + text), "vocabulary", expected=text)


def _act(d: Draw, acts: list[str], said: list[str]) -> str | None:
    if d.chance(0.2):
        name = d.pick(tuple(_PLAIN))
        acts.append(f"{name}()" if d.chance(0.5) else name)
        said.append(d.split(_PLAIN[name]))
        return None
    name = d.weighted((("inform", 5.0), ("request", 2.0), ("confirm", 2.0), ("offer", 2.0)))
    slot, kind = d.pick(_SLOTS)
    v = value(d, kind)
    acts.append(f"{name}({slot})" if name == "request" else f"{name}({slot}={v})")
    said.append(sentence(d.split(_SAY[name]).format(s=slot, v=v)))
    return v if name != "request" else slot


def acts(d: Draw) -> Document:
    """Earlier turns, a record of a service call and a line of acts that the agent puts in words."""
    lines = []
    if d.chance(0.3):
        lines.append("Policy: " + sentence(d.pick(phrases.NOISE[:3])))
    entries = [(s, value(d, k)) for s, k in d.sample(_SLOTS, d.between(1, 4))]
    if d.chance(0.7):
        lines.append("Record: " + "; ".join(f"{s}: {v}" for s, v in entries))
    for _ in range(d.below(4)):
        slot, v = d.pick(entries)
        wish = d.split(f"I want {v}|{slot} {v} please|let it be {v}|{v}|make the {slot} {v}|hello")
        lines += [f"Customer: {customer(d, wish)}",
                  "Agent: " + sentence(d.split(_SAY["confirm"]).format(s=slot, v=v))]  # fmt: skip
    last = d.split("and what else?|ok|sounds good|what is the " + d.pick(_SLOTS)[0])
    lines.append(f"Customer: {customer(d, last)}")
    listed: list[str] = []
    said: list[str] = []
    expected = [_act(d, listed, said) for _ in range(d.between(1, 3))]
    lines += ["Acts: " + "; ".join(listed), "Agent:"]
    values = [e for e in expected if e is not None]
    answer = " " + " ".join(said)
    return Document(("\n".join(lines), answer), "acts", expected=values[0] if values else None)
