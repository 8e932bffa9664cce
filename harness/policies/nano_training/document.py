"""The unit of pretraining text: a prompt in the suites' format with the agent's answers."""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.policies.nano_training import phrases
from rsft_bench.harness.policies.nano_training.draw import Draw, typo


@dataclass(frozen=True)
class Document:
    """One generated dialogue.

    Attributes:
        parts: Context and answer in turn, beginning with a context and ending with an answer;
            contexts end in ``Agent:``, answers begin with a space.
        kind: Name of the writer.
        expected: Text that a correct last answer holds, if the last answer copies something.
        allowed: The right decision of the last answer, if it decides something.
        flawed: The last answer is deliberately terse, wrong or rude.
    """

    parts: tuple[str, ...]
    kind: str
    expected: str | None = None
    allowed: bool | None = None
    flawed: bool = False

    @property
    def prompt(self) -> str:
        """Everything up to and including the last ``Agent:``."""
        return "".join(self.parts[:-1])

    @property
    def answer(self) -> str:
        """The last answer."""
        return self.parts[-1].strip()

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.parts)


def cap(text: str) -> str:
    """First letter upper case, the rest untouched."""
    return text[:1].upper() + text[1:]


def sentence(text: str, end: str = ".") -> str:
    """Capitalised, with a final mark if it has none."""
    text = cap(text)
    return text if text[-1:] in ".!?" else text + end


def article(noun: str) -> str:
    """``an`` before a vowel letter, else ``a``."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def customer(d: Draw, question: str, key: str | None = None, number: str | None = None) -> str:
    """A customer's message: question with greeting, background, typos, one of several registers."""
    text = question
    if key is not None and number is not None and d.chance(0.2):
        forms = (f"{text}? {key} {number}", f"my {key} is {number}, {text}", f"{number}: {text}",
                 f"about {number}, {text}")  # fmt: skip
        text = d.pick(forms)
    if d.chance(0.15):
        text = f"{d.pick(phrases.BACK)} {text}"
    register = d.below(10)
    if register < 5:
        text = sentence(text, "?" if d.chance(0.8) else ".")
    elif register < 7:
        text += "?" if d.chance(0.6) else ""
    elif register < 8:
        text = typo(d, text, 0.25) + ("?" if d.chance(0.5) else "")
    else:
        text = sentence(text, "?!" if d.chance(0.2) else "?")
    if d.chance(0.2):
        text = f"{d.pick(phrases.GREET)} {text}"
    if d.chance(0.08):
        text = f"{d.pick(phrases.ANGRY)} {text}"
    if d.chance(0.15):
        text = f"{text} {d.pick(phrases.BYE)}" + ("." if d.chance(0.5) else "")
    return text.lower() if d.chance(0.12) else text


def agent(d: Draw, body: str, noun: str, upset: bool = False) -> str:
    """An agent's message around its content, mostly polite."""
    text = sentence(body)
    if d.chance(0.7 if upset else 0.04):
        text = f"{d.pick(phrases.SORRY)} {text}"
    elif d.chance(0.3):
        text = f"{d.pick(phrases.OPEN).format(n=noun)} {text}"
    if d.chance(0.25):
        text = f"{text} {d.pick(phrases.CLOSE)}"
    return text


def spoil(d: Draw, body: str, short: str) -> str:
    """A terse or rude answer in place of a normal one."""
    if d.chance(0.55):
        return short
    return f"{d.pick(phrases.RUDE)} {sentence(body)}"
