"""An argument parser that answers a mistake with one line and a near name.

Flags fall back to ``RSFT_BENCH_<NAME>``; the helpers here read them where a command runs, so that
the parser itself stays a plain description.
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import NoReturn

from rsft_bench.harness.errors import ConfigError, UserError, did_you_mean

ENV_PREFIX = "RSFT_BENCH_"
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("", "0", "false", "no", "off")


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations, raising ``UserError`` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as one line that names the help to read."""
        raise UserError(f"{message}; see `{self.prog} --help`")


def parse(parser: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    """Parse all of ``argv``.

    Raises:
        UserError: an unknown flag, with the nearest known one.
    """
    args, left = parser.parse_known_args(argv)
    if left:
        known: list[str] = args.known_flags
        hint = did_you_mean(left[0].partition("=")[0], known)
        prog = f"rsft-bench {args.command}"
        raise UserError(f"unrecognised argument {left[0]!r}.{hint} See `{prog} --help`")
    return args


def flags(parser: argparse.ArgumentParser) -> list[str]:
    """Every flag the parser knows."""
    return [option for action in parser._actions for option in action.option_strings]


def non_negative(text: str) -> int:
    """An argparse type: an integer of at least 0."""
    return _at_least(text, 0)


def positive(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    return _at_least(text, 1)


def share(text: str) -> float:
    """An argparse type: a number between 0 and 1, both excluded."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def positive_number(text: str) -> float:
    """An argparse type: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _at_least(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value


def env_text(name: str) -> str | None:
    """Value of ``RSFT_BENCH_<name>``; empty counts as unset."""
    return os.environ.get(ENV_PREFIX + name) or None


def env_path(given: Path | None, name: str) -> Path | None:
    """A flag's path, else the environment's."""
    text = env_text(name)
    return given if given is not None or text is None else Path(text)


def env_int(given: int | None, name: str, least: int) -> int | None:
    """A flag's number, else the environment's. Raises ConfigError on a bad value."""
    text = env_text(name)
    if given is not None or text is None:
        return given
    try:
        return _at_least(text, least)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{ENV_PREFIX}{name}: {error}") from None


def env_number(given: float | None, name: str) -> float | None:
    """A flag's number above 0, else the environment's. Raises ConfigError on a bad value."""
    text = env_text(name)
    if given is not None or text is None:
        return given
    try:
        return positive_number(text)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{ENV_PREFIX}{name}: {error}") from None


def env_choice(given: str | None, name: str, allowed: tuple[str, ...]) -> str:
    """A flag's word, else the environment's, else the first allowed. Raises ConfigError."""
    value = given or env_text(name) or allowed[0]
    if value not in allowed:
        raise ConfigError(f"{ENV_PREFIX}{name}={value!r}: allowed are {', '.join(allowed)}")
    return value


def env_true(given: bool, name: str) -> bool:
    """A switch, set by flag or environment. Raises ConfigError on an unclear value."""
    text = (env_text(name) or "").lower()
    if text not in (*_TRUE, *_FALSE):
        raise ConfigError(f"{ENV_PREFIX}{name}={text!r}: allowed are {', '.join(_TRUE + _FALSE)}")
    return given or text in _TRUE


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json`` of commands with a machine-readable answer."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
