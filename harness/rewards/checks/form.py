"""What an answer looks like: language, length, format. Pure."""

from __future__ import annotations

import json
import re

_CJK = re.compile(r"[\u3400-\u9fff]")
_WORDS_OF_LETTERS = re.compile(r"[^\W\d_\u3400-\u9fff]+")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+(?:['’.,-][^\W_\u3400-\u9fff]+)*")
FORMATS = ("plain", "json", "list", "one_line")
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、])\s*\S")
_MARKUP = re.compile(
    r"^\s*(?:#{1,6} |```|[-*•] )|\*\*[^*\n]+\*\*|</?[a-z][^>\n]*>|\[[^\]\n]+\]\(", re.M
)


def in_language(text: str, language: str) -> bool:
    """Whether a text is written in Chinese characters (``zh``) or not (``en``).

    Only the script is looked at: any text in another script counts as ``en``. Names, models and the
    like may be in the other script: ``zh`` needs six tenths of Chinese characters and other words
    together, ``en`` at most one tenth. A text without letters is in both; an empty one in none.

    Raises:
        ValueError: another language than zh or en.
    """
    if language not in ("zh", "en"):
        raise ValueError(f"language {language!r}: allowed are zh, en")
    if not text.strip():
        return False
    chinese = len(_CJK.findall(text))
    others = len(_WORDS_OF_LETTERS.findall(text))
    if chinese + others == 0:
        return True
    share = chinese / (chinese + others)
    return share >= 0.6 if language == "zh" else share <= 0.1


def n_words(text: str) -> int:
    """Words of a text; every Chinese character counts as one."""
    return len(_WORD.findall(text))


def has_format(text: str, wanted: str) -> bool:
    """Whether a text has one of ``FORMATS``.

    ``plain``: no Markdown or HTML; ``json``: one JSON value; ``list``: at least two lines that are
    items; ``one_line``: no line break. An empty text has none.

    Raises:
        ValueError: another format.
    """
    if wanted not in FORMATS:
        raise ValueError(f"format {wanted!r}: allowed are {', '.join(FORMATS)}")
    body = text.strip()
    if not body:
        return False
    if wanted == "plain":
        return _MARKUP.search(body) is None
    if wanted == "one_line":
        return "\n" not in body
    if wanted == "list":
        return sum(_BULLET.match(line) is not None for line in body.splitlines()) >= 2
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
