"""Tiny folders in the layouts of upstream's own files, made by hand for tests of the adapters."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

INTENTS = ("card_arrival", "lost_card", "top_up_failed")
TALK = {
    "card_arrival": "where in the post is the new card number {}é for street {}",
    "lost_card": "somebody stole my wallet {}é and everything inside {}",
    "top_up_failed": "my top up of {}é euro did not work at shop {}",
}
WORDS = "ant bee cat dog elk fox gnu hen ibis jay kite lark mole newt owl pig".split()


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _message(intent: str, i: int) -> str:
    animals = f"{WORDS[i % 16]} {WORDS[i // 16]}"
    return f"{TALK[intent].format(animals, WORDS[(i * 7) % 16])} please"


def banking77(folder: Path, n: int = 90) -> Path:
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "category"))
        for i in range(n):
            writer.writerow((_message(INTENTS[i % 3], i), INTENTS[i % 3]))
    _write(folder / "categories.json", list(INTENTS))
    return folder


def clinc_oos(folder: Path, n: int = 90) -> Path:
    known = [[_message(INTENTS[i % 3], i), INTENTS[i % 3]] for i in range(n)]
    beyond = [[f"what does a {w} eat on a {WORDS[i - 3]} day", "oos"] for i, w in enumerate(WORDS)]
    _write(folder / "data_small.json", {"train": known, "oos_train": beyond})
    return folder


def ecommerce_faq(folder: Path, n: int = 48) -> Path:
    pairs = [
        {
            "question": f"{WORDS[i % 16].title()} {WORDS[i // 16 + 3]} {WORDS[(5 * i) % 16]}é?",
            "answer": f"Our {WORDS[i % 16]} has {i + 3} boxes of {WORDS[(3 * i) % 16]} in hall "
            f"{WORDS[i // 16]} beside the {WORDS[(7 * i + 1) % 16]}.",
        }
        for i in range(n)
    ]
    unknown = {"question": "Who won the cup?", "answer": "Sorry, I do not know the answer to that."}
    _write(folder / "Shop_FAQ.json", {"questions": [*pairs, unknown]})
    return folder


def abcd(folder: Path, n: int = 24) -> Path:
    last = {
        "type": "faq",
        "button": "Send Link",
        "text": "Mail the link to the page",
        "subtext": [],
    }
    flows = {
        f"Flow {WORDS[i % 16]}{i}": {
            "description": "x",
            "subflows": {"Lost Item": {"instructions": ["x"], "actions": [*_asking(i), last]}},
        }
        for i in range(n)
    }
    _write(folder / "guidelines.json", flows)
    return folder


def _asking(i: int) -> list[dict[str, Any]]:
    """Two steps in words of this guideline's own: guidelines that read the same are one cluster."""
    about = f"{WORDS[i % 16]} {WORDS[i // 16]}"
    return [
        {
            "type": "interaction",
            "button": button,
            "text": f"Ask for the {thing}é, {about}",
            "subtext": [],
        }
        for button, thing in (("Pull up Account", "name"), ("Verify Identity", "order number"))
    ]


def abcd_chat(folder: Path) -> Path:
    turn = {"turn_count": 1, "candidates": []}
    talk = [("customer", "I am Ann Lee"), ("action", "Account of Ann Lee."), ("agent", "Thanks")]
    targets: list[list[Any]] = [
        ["lost_item", None, None, [], -1],
        ["lost_item", "take_action", "pull-up-account", ["ann lee"], -1],
        ["lost_item", "retrieve_utterance", None, [], 3],
    ]
    chat = {
        "convo_id": 7,
        "scenario": {"flow": "flow_ant0", "subflow": "lost_item"},
        "original": [list(one) for one in talk],
        "delexed": [
            {**turn, "speaker": speaker, "text": text.lower(), "targets": target}
            for (speaker, text), target in zip(talk, targets, strict=True)
        ],
    }
    _write(folder / "abcd_sample.json", [chat])
    return folder


def bitext(folder: Path, n: int = 96, layout: str = "sample") -> Path:
    """``sample`` is the earlier layout of eleven columns, ``27k`` the later one of five."""
    columns = {
        "sample": "context,role,instruction,intent,entity_type,entity_value,start_offset,"
        "end_offset,category,tags,response",
        "27k": "flags,instruction,category,intent,response",
    }[layout].split(",")
    with (folder / f"{layout}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        for i in range(n):
            refund = i % 2
            order = f"9{i:03d}"
            thing = ("cancel it", "give me my money")[refund]
            writer.writerow(
                {
                    "instruction": f"{WORDS[i % 16]} {WORDS[i // 16]}é order {order}, {thing}",
                    "intent": ("cancel_order", "get_refund")[refund],
                    "category": ("ORDER", "REFUND")[refund],
                    "entity_value": order,
                    "response": (
                        f"Open the page Purchases,\npick {order} and press the red button Stop. "
                        "The warehouse drops it.",
                        f"Our bank desk pays {order} back within days; the amount appears on your "
                        "statement as credit.",
                    )[refund],
                }
            )
    return folder


def tau2(folder: Path, n: int = 40) -> Path:
    """A domain with records; every fourth task is refused, the others cancel or return."""
    tasks, orders = [], {}
    for i in range(n):
        order, user = f"#W{i:04d}", f"{WORDS[i % 16]}_{WORDS[i // 16]}_1234"
        orders[order] = {
            "status": "pending",
            "items": [{"name": "Café cup", "options": {"size": "S"}, "price": 9.5}],
            "payment_history": [{"amount": 1000 + i}],
        }
        tool = ("", "cancel_pending_order", "return_delivered_order_items", "cancel_pending_order")
        look = {"name": "get_order_details", "arguments": {"order_id": order}}
        act = {"name": tool[i % 4], "arguments": {"order_id": order, "user_id": user}}
        tasks.append(
            {
                "id": f"{i}",
                "user_scenario": {
                    "instructions": {
                        "reason_for_call": f"You want to settle the café cup of {order}.",
                        "known_info": f"Your user id is {user}.",
                    }
                },
                "evaluation_criteria": {
                    "actions": [look, act] if i % 4 else [look],
                    "communicate_info": [f"1,0{i:02d}"] if i % 4 == 1 else None,
                },
            }
        )
    _write(folder / "shop" / "tasks.json", tasks)
    _write(folder / "shop" / "db.json", {"orders": orders, "products": {}})
    policy = "# Shop\n\n## Cancel\n\nAn order is only cancelled if its status is 'pending'. More.\n"
    (folder / "shop" / "policy.md").write_text(policy, encoding="utf-8")
    return folder
