"""Random source of one document and the random entities that fill it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rsft_bench.harness.policies.nano_training import words
from rsft_bench.harness.seeding import stream

T = TypeVar("T")
_BLOCK = 256


class Draw:
    """Uniform numbers of one document, read one by one (numpy calls a number are too slow).

    ``goods`` is set in the streams of the second phase, whose cases may be trade in goods.
    """

    def __init__(self, seed: int, purpose: str, index: int) -> None:
        """Open the stream of document ``index`` of ``purpose``."""
        self.goods = purpose.endswith("goods")
        self._generator = stream(seed, purpose, index)
        self._units: list[float] = []

    def unit(self) -> float:
        """Next uniform number in [0, 1)."""
        if not self._units:
            self._units = self._generator.random(_BLOCK).tolist()
        return self._units.pop()

    def chance(self, p: float) -> bool:
        """True with probability ``p``."""
        return self.unit() < p

    def below(self, n: int) -> int:
        """Integer in 0..n-1."""
        return int(self.unit() * n)

    def between(self, lo: int, hi: int) -> int:
        """Integer in lo..hi, both included."""
        return lo + self.below(hi - lo + 1)

    def pick(self, options: Sequence[T]) -> T:
        """One element."""
        return options[self.below(len(options))]

    def split(self, options: str) -> str:
        """One of the alternatives of a ``a|b|c`` string."""
        return self.pick(options.split("|"))

    def sample(self, options: Sequence[T], n: int) -> list[T]:
        """``n`` different elements in random order (all if there are fewer)."""
        pool = list(options)
        return [pool.pop(self.below(len(pool))) for _ in range(min(n, len(pool)))]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One element, by weight."""
        left = self.unit() * sum(w for _, w in options)
        for value, weight in options:
            left -= weight
            if left < 0:
                return value
        return options[-1][0]


_ONSETS = (
    "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl gl gr kr pl pr sh sk st th tr".split()
)
_VOWELS = "a e i o u a e i o u ai ea ie oa ou y".split()
_CODAS = ["", "", "", *"b d g k l m n p r s t x nd lt rk sh st ck".split()]
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_MONTHS = (
    "January February March April May June July August September October November December"
).split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def pseudo(d: Draw) -> str:
    """A pronounceable word that is (nearly) never seen twice, lower case."""
    n = 2 if d.chance(0.7) else (1 if d.chance(0.5) else 3)
    return "".join(d.pick(_ONSETS) + d.pick(_VOWELS) + d.pick(_CODAS) for _ in range(n))


def brand(d: Draw) -> str:
    """A made-up proper name."""
    name = pseudo(d).capitalize()
    if d.chance(0.3):
        name += " " + d.pick(words.PLACES)
    return name


def person(d: Draw) -> str:
    """First name, mostly with a surname, half made up."""
    first = d.pick(words.FIRST) if d.chance(0.6) else pseudo(d).capitalize()
    return first if d.chance(0.35) else f"{first} {pseudo(d).capitalize()}"


def digits(d: Draw, n: int) -> str:
    """``n`` digits, the first not zero."""
    return str(d.between(1, 9)) + "".join(str(d.below(10)) for _ in range(n - 1))


def identifier(d: Draw) -> str:
    """Number of 4 to 7 digits, or letters and digits."""
    form = d.below(10)
    if form < 6:
        return digits(d, d.between(4, 7))
    letters = "".join(d.pick(_LETTERS) for _ in range(d.between(1, 3)))
    return letters + ("-" if form < 8 else "") + digits(d, d.between(3, 6))


def date(d: Draw) -> str:
    """A calendar date or a weekday in one of several forms."""
    day, month = d.between(1, 28), d.below(12)
    form = d.below(7)
    if form == 0:
        return f"{_MONTHS[month]} {day}"
    if form == 1:
        return f"2{d.between(10, 39):03d}-{month + 1:02d}-{day:02d}"
    if form == 2:
        return d.pick(_DAYS)
    if form == 3:
        return f"{d.pick(_DAYS)} {day} {_MONTHS[month]}"
    if form == 4:
        return f"{day} {_MONTHS[month][:3]}"
    return f"{day} {_MONTHS[month]}"


def clock(d: Draw) -> str:
    """A time of day."""
    if d.chance(0.4):
        return f"{d.between(1, 12)} {d.pick(('am', 'pm'))}"
    return f"{d.between(0, 23)}:{d.pick(('00', '15', '30', '45', '10', '05', '20'))}"


def money(d: Draw) -> str:
    """An amount with its currency."""
    whole = d.between(2, 99) if d.chance(0.6) else d.between(100, 990)
    amount = f"{whole}" if d.chance(0.5) else f"{whole}.{d.pick(('50', '99', '20', '75', '90'))}"
    form = d.below(10)
    if form < 6:
        return f"${amount}"
    return f"€{amount}" if form < 8 else (f"£{amount}" if form == 8 else f"{amount} euros")


def span(d: Draw) -> str:
    """A duration."""
    n = d.between(2, 48)
    return f"{n} {d.pick(('days', 'weeks', 'months', 'hours', 'minutes', 'working days', 'years'))}"


def count(d: Draw) -> str:
    """A small whole number."""
    return str(d.between(2, 40))


def thing(d: Draw) -> str:
    """An item of one to three words, real and made-up words mixed."""
    noun = d.pick(words.NOUNS) if d.chance(0.8) else pseudo(d)
    if d.chance(0.25):
        return noun
    first = (
        d.pick(words.ADJECTIVES)
        if d.chance(0.6)
        else (pseudo(d) if d.chance(0.5) else d.pick(words.NOUNS))
    )
    extra = d.pick(words.ADJECTIVES) + " " if d.chance(0.15) else ""
    return f"{extra}{first} {noun}"


def place(d: Draw) -> str:
    """A street address or a town."""
    street = f"{pseudo(d).capitalize()} {d.pick(words.STREETS)}"
    form = d.below(4)
    if form == 0:
        return f"{d.between(1, 199)} {street}"
    if form == 1:
        return f"{street} {d.between(1, 99)}"
    return pseudo(d).capitalize() if form == 2 else f"{street}, {pseudo(d).capitalize()}"


def phone(d: Draw) -> str:
    """A phone number."""
    return f"{digits(d, 3)} {digits(d, 4)}"


def email(d: Draw) -> str:
    """An e-mail address."""
    return f"{pseudo(d)}@{pseudo(d)}.{d.pick(('com', 'org', 'net'))}"


def state(d: Draw) -> str:
    """A status of one to three words."""
    return d.pick(words.STATES) if d.chance(0.85) else pseudo(d)


KINDS = {
    "id": identifier, "brand": brand, "name": person, "date": date, "time": clock,
    "money": money, "span": span, "count": count, "thing": thing, "place": place,
    "phone": phone, "email": email, "state": state, "word": pseudo,
}  # fmt: skip


def value(d: Draw, kind: str) -> str:
    """A value of a field kind."""
    return KINDS[kind](d)


def typo(d: Draw, text: str, rate: float) -> str:
    """Text with letters of some words swapped, dropped or doubled; words with digits stay."""
    out = []
    for word in text.split(" "):
        if len(word) > 3 and word.isalpha() and d.chance(rate):
            i = d.between(1, len(word) - 2)
            form = d.below(3)
            if form == 0:
                word = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
            else:
                word = word[:i] + (word[i] * 2 if form == 1 else "") + word[i + 1 :]
        out.append(word)
    return " ".join(out)
