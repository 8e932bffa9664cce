"""Features of a (prompt, answer) pair for the proxy reward: agreement of the two, and n-grams.

The answer is rewritten token by token against the prompt: a record value becomes ``<key>``, a value
that training prompts carried under that key but this record does not becomes ``<not key>``, a
number becomes ``<number record>``, ``<number policy>``, ``<number question>`` or ``<number new>``.
N-grams of the rewritten answer carry over to prompts with other names and numbers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from rsft_bench.harness.rewards.lexicons import (
    ASKING,
    MONTHS,
    NEGATIVE,
    POLITE,
    POSITIVE,
    PROMISE,
    RUDE,
    WEEKDAYS,
)
from rsft_bench.harness.rewards.prompt_view import TOKEN, PromptView, content, normalise, view

ANSWER_TOKEN = re.compile(TOKEN.pattern + r"|\.")
KINDS = ("can", "where", "when", "much", "which", "what", "why", "other")
SOURCES = ("record", "policy", "question", "new")
CLASSES = ("number", "code", "name", "date")


@dataclass(frozen=True, slots=True)
class KnownValues:
    """Record values of the training prompts: first token -> (tokens, key), longest first."""

    phrases: Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]

    @classmethod
    def of(cls, pairs: Iterable[tuple[tuple[str, ...], str]]) -> KnownValues:
        """Collect (tokens, key) pairs, each once, in an order that does not depend on theirs."""
        phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for phrase, key in sorted(set(pairs), key=lambda pair: (-len(pair[0]), pair)):
            phrases.setdefault(phrase[0], []).append((phrase, key))
        return cls({token: tuple(found) for token, found in phrases.items()})


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An answer against its prompt: rewritten symbols, plain tokens, keys stated and contradicted.

    ``partial`` are keys of which only a part was stated. ``found`` counts (class, source) pairs.
    """

    symbols: list[str]
    tokens: list[str]
    stated: frozenset[str]
    partial: frozenset[str]
    contradicted: frozenset[str]
    found: Counter[tuple[str, str]]


def rewrite(prompt: PromptView, known: KnownValues, text: str) -> Rewritten:
    """Replace record values, numbers, codes, names and dates of an answer by what they are."""
    raw = ANSWER_TOKEN.findall(text)
    tokens = [normalise(token) for token in raw]
    symbols: list[str] = []
    stated: set[str] = set()
    partial: set[str] = set()
    contradicted: set[str] = set()
    found: Counter[tuple[str, str]] = Counter()
    i = 0
    while i < len(tokens):
        token = tokens[i]
        width, key = _match(prompt.phrases.get(token, ()), tokens, i)
        if width:
            stated.add(key)
            symbols.append(f"<{key}>")
            i += width
            continue
        width, key = _match(known.phrases.get(token, ()), tokens, i)
        if width and not _in_prompt(prompt, tokens[i : i + width]):
            contradicted.add(key)
            symbols.append(f"<not {key}>")
            i += width
            continue
        named = token in prompt.parts
        if named:
            partial.add(prompt.parts[token])
        label = _class(raw[i], token, i == 0 or raw[i - 1] in ".?!")
        if label:
            source = _source(prompt, token)
            found[label, source] += 1
            symbols.append(f"<{label} {source}>")
        else:
            symbols.append(f"<part {prompt.parts[token]}>" if named else token)
        i += 1
    return Rewritten(
        symbols,
        tokens,
        frozenset(stated),
        frozenset(partial - stated),
        frozenset(contradicted),
        found,
    )


def symbol_ngrams(answer: Rewritten, prompt: PromptView) -> Iterator[str]:
    """Strings to hash: one to three symbols in a row, each single one again with the question."""
    symbols = ["<start>", *answer.symbols, "<end>"]
    yield from symbols
    for a, b in zip(symbols, symbols[1:], strict=False):
        yield f"{a} {b}"
    for a, b, c in zip(symbols, symbols[1:], symbols[2:], strict=False):
        yield f"{a} {b} {c}"
    for symbol in set(symbols):
        if symbol[0] == "<":
            yield f"{prompt.kind}|{symbol}"
    for token in prompt.question_tokens:
        yield f"question|{token}"


def agreement(prompt: PromptView, answer: Rewritten) -> dict[str, float]:
    """Named dense features, each a finite number of order one."""
    tokens = answer.tokens
    words = set(tokens)
    out: dict[str, float] = {}
    for label in CLASSES:
        for source in SOURCES:
            out[f"{label} {source}"] = min(answer.found[label, source], 3.0)
    invented = sum(answer.found[label, "new"] for label in CLASSES)
    fields = max(len(prompt.fields), 1)
    out["stated"] = min(len(answer.stated), 4.0)
    out["stated any"] = float(bool(answer.stated))
    out["stated share"] = len(answer.stated) / fields
    out["partial"] = min(len(answer.partial), 3.0)
    out["contradicted"] = min(len(answer.contradicted), 3.0)
    out["contradicted only"] = float(bool(answer.contradicted - answer.stated))
    out["invented any"] = float(invented > 0)
    out.update(_decision(prompt, words, tokens))
    asks = float("?" in words or (bool(words & ASKING) and "please" in words))
    out["asks"] = asks
    out["asks of empty"] = asks * prompt.missing
    out["asks of full"] = asks * (1 - prompt.missing)
    out["states of empty"] = prompt.missing * float(bool(answer.stated) or invented > 0)
    out["silent of empty"] = prompt.missing * (1 - asks)
    out.update(_overlaps(prompt, answer))
    out.update(_manner(tokens))
    for kind in KINDS:
        here = float(prompt.kind == kind)
        out[f"{kind} states"] = here * float(bool(answer.stated))
        out[f"{kind} invents"] = here * float(invented > 0)
        out[f"{kind} decides"] = here * abs(out["decision"])
        out[f"{kind} asks"] = here * asks
    return out


@cache
def feature_names() -> tuple[str, ...]:
    """Names of all agreement features, sorted: the columns of the dense matrix."""
    empty = view("")
    return tuple(sorted(agreement(empty, rewrite(empty, KnownValues({}), ""))))


def _decision(prompt: PromptView, words: set[str], tokens: list[str]) -> dict[str, float]:
    no = float(bool(words & NEGATIVE))
    yes = float(bool(words & POSITIVE)) * (1 - no)
    first = tokens[0] if tokens else ""
    decision = yes - no
    barred = math.copysign(1.0, prompt.barred_hits - prompt.allowed_hits) * float(
        prompt.barred_hits != prompt.allowed_hits
    )
    return {
        "decision": decision,
        "no": no,
        "yes": yes,
        "starts yes": float(first in POSITIVE),
        "starts no": float(first in NEGATIVE),
        "decision verdict": decision * prompt.verdict,
        "decision against verdict": float(decision * prompt.verdict < 0),
        "decision barred": decision * barred,
        "decision barred any": decision * float(prompt.barred_hits > 0),
    }


def _overlaps(prompt: PromptView, answer: Rewritten) -> dict[str, float]:
    stems = content(answer.tokens)
    size = max(len(stems), 1)
    question = content(prompt.question)
    policy = content(prompt.policy)
    barred = stems & prompt.barred
    plain = not NEGATIVE.intersection(answer.tokens)
    return {
        "question overlap": len(stems & question) / max(len(question), 1),
        "policy overlap": len(stems & policy) / size,
        "barred overlap": min(len(barred), 4.0),
        "barred overlap yes": min(len(barred), 4.0) * float(plain),
    }


def _manner(tokens: list[str]) -> dict[str, float]:
    n = len(tokens)
    counts = Counter(tokens)
    pairs = Counter(zip(tokens, tokens[1:], strict=False))
    repeated = sum(c - 1 for c in pairs.values())
    return {
        "log words": math.log1p(n),
        "short": float(n < 6),
        "long": float(n > 40),
        "repeats": repeated / max(n, 1),
        "polite": min(sum(counts[w] for w in POLITE.intersection(counts)), 3.0),
        "rude": min(sum(counts[w] for w in RUDE.intersection(counts)), 4.0),
        "promise": min(sum(counts[w] for w in PROMISE.intersection(counts)), 4.0),
        "shouts": min(float(counts["!"]), 3.0),
    }


def _match(
    phrases: tuple[tuple[tuple[str, ...], str], ...] | list[tuple[tuple[str, ...], str]],
    tokens: list[str],
    start: int,
) -> tuple[int, str]:
    for phrase, key in phrases:
        if tuple(tokens[start : start + len(phrase)]) == phrase:
            return len(phrase), key
    return 0, ""


def _in_prompt(prompt: PromptView, phrase: list[str]) -> bool:
    return all(t in prompt.policy_tokens or t in prompt.question_tokens for t in phrase)


def _class(raw: str, token: str, starts: bool) -> str:
    if token[0].isdigit():
        return "code" if len(token) >= 5 and token.isdigit() else "number"
    if any(c.isdigit() for c in token):
        return "code"
    if token in MONTHS and raw[0].isupper() or token in WEEKDAYS:
        return "date"
    return "name" if raw[0].isupper() and not starts and len(raw) > 1 else ""


def _source(prompt: PromptView, token: str) -> str:
    if token in prompt.record_tokens:
        return "record"
    if token in prompt.policy_tokens:
        return "policy"
    return "question" if token in prompt.question_tokens else "new"
