"""Word lists of the proxy reward's features: general service talk, no suite's own text.

English words; in Chinese, where a token is a character, the characters that mostly stand for the
same. Neither kind occurs in a text of the other language.
"""

from __future__ import annotations

STOP = frozenset(
    """a about after all also am an and any are as at be because been before being but by can could
    did do does for from get got had has have he her here him his how i if in into is it its just
    let like me more my no not now of on once one only or other our out over please so some such
    than that the their them then there these they this those to too under until up us very was we
    were what when where which while who will with within would yes you your""".split()
)

NEGATIVE = frozenset(
    """cannot can't cant couldn't not isn't aren't won't wont don't doesn't didn't unable never no
    unfortunately declined denied refused refuse ineligible impossible expired closed non
    outside past unavailable exclude excluded except wasn't hasn't haven't nor
    不 无 未 拒""".split()
)

POSITIVE = frozenset(
    """yes can may able eligible allowed approved accepted accept qualify qualifies covered
    certainly sure absolutely happy gladly ok okay possible entitled fine valid yep
    可 能 支 行""".split()
)

POLITE = frozenset(
    """please sorry apologise apologize apologies thank thanks happy glad help welcome appreciate
    understand kindly pleasure regret assist hope hello hi unfortunately afraid
    您 亲 请 谢 歉""".split()
)

RUDE = frozenset(
    """obviously stupid whatever dumb idiot nonsense ridiculous shut read calm stop annoying lazy
    clueless bother bothering wasting waste problem fault nag complain complaining already again
    duh silly careless yourself told look tough deal relax patience impatient seriously
    chill hurry enough learn hard""".split()
)

PROMISE = frozenset(
    """guarantee guaranteed guarantees promise promised definitely absolutely surely certainly 100%
    always instantly immediately tomorrow tonight today free bonus double compensation personally
    ensure assure assured anything whatever voucher gift forever full any
    extra straightaway exception special
    诺 赔 券""".split()
)

ASKING = frozenset(
    "provide share send tell confirm give reply check clarify specify supply let".split()
)

MISSING = frozenset("none unknown missing unavailable blank empty pending".split())

MONTHS = frozenset(
    """january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec""".split()
)

WEEKDAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())

NUMBER_WORDS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "twelve": "12", "fourteen": "14", "fifteen": "15", "twenty": "20",
    "thirty": "30", "sixty": "60", "ninety": "90",
}  # fmt: skip

UNITS = {
    "hour": ("day", 1 / 24), "hours": ("day", 1 / 24), "day": ("day", 1.0), "days": ("day", 1.0),
    "week": ("day", 7.0), "weeks": ("day", 7.0), "month": ("day", 30.0), "months": ("day", 30.0),
    "year": ("day", 365.0), "years": ("day", 365.0), "dollars": ("money", 1.0),
    "euros": ("money", 1.0), "pounds": ("money", 1.0), "usd": ("money", 1.0),
    "eur": ("money", 1.0), "gbp": ("money", 1.0), "kg": ("kg", 1.0), "items": ("item", 1.0),
    # 个 as in 三个月, 三个工作日: compared with the same only.
    "天": ("day", 1.0), "元": ("money", 1.0), "件": ("item", 1.0), "个": ("unit", 1.0),
}  # fmt: skip

LOWER_BOUND = frozenset("over above more least after exceeding exceed exceeds beyond".split())
UPPER_BOUND = frozenset("within under below less up most before until fewer".split())
