"""Entry point: find the command, run it, turn whatever it raises into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from rsft_bench.harness.cli.parser import Parser, env_true, flags, parse
from rsft_bench.harness.cli.stdout import StdoutClosed, flush
from rsft_bench.harness.errors import (
    BenchError,
    InfrastructureError,
    UserError,
    did_you_mean,
    disk_full,
)

EXIT_UNFORESEEN = 4
EXIT_PIPE_CLOSED = 141
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

COMMANDS: tuple[str, ...] = (
    "run",
    "plan",
    "list",
    "report",
    "compare",
    "show",
    "validate",
    "baseline",
    "gate",
    "export",
    "cache",
    "schema",
    "doctor",
    "laws",
)
DESCRIPTION = "Is rejection-sampling fine-tuning worth it for your support model? Measures it."
EPILOG = (
    "exit codes: 0 done, 1 regression (gate only), 2 usage or bad input, 3 not comparable or "
    "inconclusive, 4 infrastructure, 130 Ctrl-C, 141 the reader of a pipe left, 143 SIGTERM"
)
GLOBAL_FLAGS = ("-h", "--help", "--version")


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like Ctrl-C so that open work is closed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises and never prints a traceback."""
    args: argparse.Namespace | None = None
    previous = _on_sigterm()
    try:
        args = _read(list(sys.argv[1:] if argv is None else argv))
        if args is None:
            return 0
        if hasattr(args, "json"):
            args.json = env_true(args.json, "JSON")
        run: Callable[[argparse.Namespace], int] = args.run
        code = run(args)
        flush()
        return code
    except KeyboardInterrupt:
        _say("interrupted; finished work is kept, run the same command to go on")
        return EXIT_INTERRUPTED
    except Terminated:
        _say("terminated; finished work is kept, run the same command to go on")
        return EXIT_TERMINATED
    except StdoutClosed:
        # Python would complain again when it flushes the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    except BenchError as error:
        return _known(error)
    except (Exception, SystemExit) as error:
        return _unforeseen(error, getattr(args, "run_folder", None))
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser("rsft-bench", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in COMMANDS:
        module = importlib.import_module(f"rsft_bench.harness.cli.{module_name(name)}")
        sub = subparsers.add_parser(
            name, help=module.HELP, description=module.HELP, allow_abbrev=False
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run, known_flags=flags(sub), run_folder=None)
    return parser


def module_name(command: str) -> str:
    """The module of a command; ``list`` would hide the builtin inside its own package."""
    return f"{command}_command"


def _read(argv: list[str]) -> argparse.Namespace | None:
    """Parsed arguments, or None where help or the version was all that was asked for."""
    first = next((a for a in argv if not a.startswith("-")), None)
    if argv and first == argv[0] and first not in COMMANDS:
        hint = did_you_mean(first, COMMANDS)
        raise UserError(f"unknown command {first!r}.{hint} Known: {', '.join(COMMANDS)}")
    if argv and argv[0].startswith("-") and argv[0] not in GLOBAL_FLAGS:
        raise UserError(_before_the_command(argv))
    parser = build_parser()
    try:
        args = parse(parser, argv) if first else parser.parse_args(argv)
    except SystemExit:
        return None
    if args.version:
        from rsft_bench import __version__

        sys.stdout.write(f"rsft-bench {__version__}\n")
        return None
    if args.command is None:
        raise UserError(f"no command given; known: {', '.join(COMMANDS)}; see `rsft-bench --help`")
    return args


def _before_the_command(argv: list[str]) -> str:
    """What to say of an unknown first word: a misspelt global flag, or one that belongs later."""
    hint = did_you_mean(argv[0], GLOBAL_FLAGS)
    if hint:
        return f"unrecognised argument {argv[0]!r}.{hint}"
    command = next((a for a in argv if a in COMMANDS), "COMMAND")
    return (
        f"{argv[0]!r} stands before the command; flags go after it, as in "
        f"`rsft-bench {command} {argv[0]}`; see `rsft-bench {command} --help`"
    )


def _known(error: BenchError) -> int:
    _say(str(error))
    _maybe_traceback()
    return error.exit_code


def _unforeseen(error: BaseException, folder: Path | None) -> int:
    if disk_full(error):
        return _known(
            InfrastructureError("disk full; free space or set RSFT_BENCH_CACHE_DIR, then rerun")
        )
    where = _log(folder)
    hint = f"traceback in {where}" if where else "set RSFT_BENCH_TRACEBACK=1 to see where"
    reason = " ".join(str(error).split()) or "no message"
    _say(f"unforeseen {type(error).__name__}: {reason[:300]} ({hint})")
    _maybe_traceback()
    return EXIT_UNFORESEEN


def _log(folder: Path | None) -> Path | None:
    """Append the current traceback to the run's log; None where that cannot be done."""
    if folder is None or not folder.is_dir():
        return None
    try:
        with (folder / "run.log").open("a", encoding="utf-8") as file:
            file.write(traceback.format_exc())
    except OSError:
        return None
    return folder / "run.log"


def _maybe_traceback() -> None:
    if os.environ.get("RSFT_BENCH_TRACEBACK"):
        sys.stderr.write(traceback.format_exc())


def _say(text: str) -> None:
    try:
        sys.stderr.write(f"rsft-bench: {text}\n")
        sys.stderr.flush()
    except OSError:
        # Nobody can be told; the exit code still says it.
        return


def _on_sigterm() -> signal.Handlers | Callable[[int, FrameType | None], object] | int | None:
    """Turn SIGTERM into ``Terminated`` and return the old handler; None outside the main thread."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, terminate)
