"""A conversation in the chat form, a list of ``{role, content}``, as a prompt and its last answer.

Kernel imports only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json

#: Label of a prompt line by role; roles of other tools beside the usual four.
LABELS: Mapping[str, str] = {
    "system": "Policy",
    "developer": "Policy",
    "user": "Customer",
    "human": "Customer",
    "customer": "Customer",
    "assistant": "Agent",
    "agent": "Agent",
    "gpt": "Agent",
    "tool": "Record",
    "function": "Record",
}


def read_chat(value: Json, where: str) -> tuple[str, str | None]:
    """Prompt and last answer of a conversation, given as a list or as the JSON text of one.

    Every message is one line of the prompt, named by ``LABELS``, white space inside it folded. An
    agent's message at the end is the answer, and None is given where there is none.

    Raises:
        DataError: no such list, an unknown role, a message without text, or nothing to answer.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: messages are no JSON: {error}") from error
    if not isinstance(value, list):
        raise DataError(f"{where}: messages must be a list, found {type(value).__name__}")
    turns = [_turn(message, f"{where}: message {i}") for i, message in enumerate(value)]
    answer = turns.pop()[1] if turns and turns[-1][0] == "Agent" else None
    if not any(label == "Customer" for label, _ in turns):
        raise DataError(f"{where}: messages hold nothing of a customer (role user) to answer")
    lines = [f"{label}: {' '.join(text.split())}" for label, text in turns]
    return "\n".join([*lines, "Agent:"]), answer


def _turn(message: Json, where: str) -> tuple[str, str]:
    if not isinstance(message, Mapping):
        raise DataError(f"{where}: expected {{role, content}}, found {type(message).__name__}")
    role = message.get("role")
    if not isinstance(role, str) or role not in LABELS:
        raise DataError(f"{where}: role {role!r} is none of {', '.join(LABELS)}")
    content = message.get("content")
    if isinstance(content, list):
        content = _parts(content, where)
    if not isinstance(content, str) or not content.strip():
        raise DataError(f"{where}: no text in content; leave out messages that only call a tool")
    return LABELS[role], content.strip()


def _parts(parts: list[Json], where: str) -> str:
    texts = [p.get("text") if isinstance(p, Mapping) else None for p in parts]
    if not all(isinstance(t, str) for t in texts):
        raise DataError(f"{where}: content holds parts that are no text")
    return " ".join(str(t) for t in texts)
