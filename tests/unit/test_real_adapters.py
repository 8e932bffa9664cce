"""Adapters of real data on tiny files in upstream's layout, and on the real ones where present."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import real_files

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.types import SPLITS, Example, SuiteData
from rsft_bench.tasks import SUITES
from rsft_bench.tasks.intent_items import Message, nearest
from rsft_bench.tasks.near_duplicates import groups
from rsft_bench.tasks.real_placing import cut
from rsft_bench.tasks.validation import validate

REAL = Path(__file__).parents[2].parent / "shared" / "data"
MAKE: dict[str, Callable[[Path], Path]] = {
    name: getattr(real_files, name)
    for name in ("banking77", "clinc_oos", "ecommerce_faq", "abcd", "bitext", "tau2")
}
ANY = pytest.mark.parametrize("name", list(MAKE))


def load(name: str, folder: Path, seed: int = 0, **options: Any) -> SuiteData:
    return SUITES.get(name).load({"path": str(folder), **options}, seed)


def first(data: SuiteData, stratum: str) -> Example:
    return next(e for e in data.examples if e.stratum == stratum)


@ANY
def test_splits_share_no_cluster_and_only_training_follows_the_seed(
    name: str, tmp_path: Path
) -> None:
    small = {"n_train": 8, "n_proxy_label": 3}
    folder = MAKE[name](tmp_path)
    data, again, other = (load(name, folder, seed, **small) for seed in (0, 0, 1))
    assert data == again
    clusters = {s: {e.cluster for e in data.examples if e.split == s} for s in SPLITS}
    assert all(clusters.values())
    assert sum(map(len, clusters.values())) == len(set().union(*clusters.values()))
    ids = [e.example_id for e in data.examples]
    assert len(set(ids)) == len(ids)
    assert all(e.prompt.endswith("\nAgent:") for e in data.examples)
    fixed = [[e for e in d.examples if e.split in SPLITS[2:]] for d in (data, other)]
    assert fixed[0] == fixed[1]
    assert data.logs != other.logs
    trained = {e.example_id for e in data.examples if e.split == "train"}
    assert {log.example_id for log in data.logs} == trained


@ANY
def test_the_datas_own_answers_are_the_ceiling_and_nothing_is_not(
    name: str, tmp_path: Path
) -> None:
    suite, data = SUITES.get(name), load(name, MAKE[name](tmp_path))
    own = [suite.judge(e, e.references[0]) for e in data.examples]
    assert sum(j.gold for j in own) / len(own) > 0.9
    assert data.report["ceiling"]["n"] >= len(data.examples)
    for example in data.examples:
        for text in ("", example.prompt):
            assert suite.judge(example, text).gold == 0
        assert set(suite.judge(example, "").parts) <= set(suite.metrics)


@ANY
def test_needs_a_folder_with_upstreams_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"suite {name} needs `path`"):
        SUITES.get(name).load({}, 0)
    with pytest.raises(DataError, match=f"suite {name}: no .* in "):
        load(name, tmp_path)
    with pytest.raises(DataError, match="no folder"):
        load(name, tmp_path / "none")


def test_near_duplicates_are_exact_components() -> None:
    texts = (
        "where is my new card please",
        "WHERE is my new card, please?",
        "where is my new card please now",  # 6 of 7 words shared
        "where was your old card please",  # 3 of 9
        "please where is my new blue card now",  # 6 of 8 with the first, 7 of 8 with the third
        "",
        "",
    )
    assert groups(texts) == [0, 0, 0, 3, 0, 5, 6]
    assert groups(texts, near=1.0) == [0, 0, 2, 3, 4, 5, 6]


def test_cut_gives_test_splits_ten_clusters_where_there_are_enough() -> None:
    names = [f"c{i}" for i in range(44)]
    found = list(cut(names, SPLITS, "test").values())
    # 44 times .15 is 7: raised to 10, and train gives the difference up.
    assert [found.count(s) for s in SPLITS] == [13, 7, 4, 10, 10]
    assert sorted(cut(names[:5], SPLITS, "test").values()) == sorted(SPLITS)


def test_nearest_intent_shares_most_words() -> None:
    told = (("card lost today", "a"), ("card lost abroad", "b"), ("rate of euro", "c"))
    messages = [Message(i, "train", text, i, "all") for text, i in told]
    assert nearest(messages) == {"a": "b", "b": "a", "c": "a"}


def test_out_of_scope_is_an_answer_with_recall_and_false_alarms(tmp_path: Path) -> None:
    suite, data = SUITES.get("clinc_oos"), load("clinc_oos", real_files.clinc_oos(tmp_path))
    beyond, within = first(data, "out_of_scope"), first(data, "in_scope")
    assert beyond.prompt.startswith(
        "Choices: card arrival | lost card | out of scope | top up failed\n"
    )
    assert suite.judge(beyond, "Out of  scope").parts["oos_recall"] == 1
    assert suite.judge(beyond, "lost card").parts["oos_recall"] == 0
    assert math.isnan(suite.judge(beyond, "lost card").parts["oos_false_alarm"])
    assert suite.judge(within, "out of scope").parts["oos_false_alarm"] == 1
    assert math.isnan(suite.judge(within, "out of scope").parts["oos_recall"])
    plain = load("clinc_oos", tmp_path, list_choices=False)
    assert plain.examples[0].prompt.startswith("Customer: ")
    with pytest.raises(ConfigError, match="list_choices is 'no'"):
        load("clinc_oos", tmp_path, list_choices="no")


def test_label_beyond_the_categories_is_named_with_its_line(tmp_path: Path) -> None:
    folder = real_files.banking77(tmp_path)
    (folder / "test.csv").write_text('text,category\n"two\nlines",card_arrival\nhello,other\n')
    with pytest.raises(DataError, match=r"test.csv:4: category 'other'"):
        load("banking77", folder)


def test_faq_wants_the_article_or_a_refusal(tmp_path: Path) -> None:
    suite = SUITES.get("ecommerce_faq")
    data = load("ecommerce_faq", real_files.ecommerce_faq(tmp_path))
    known, withheld = first(data, "answerable"), first(data, "withheld")
    assert known.references[0] in known.prompt
    refusal = "I'm afraid I do not know that."
    other = next(s for s in known.facts["shown"] if s != known.facts["article"])
    assert not suite.judge(known, other).gold_pass
    assert suite.judge(known, refusal).gold == 0
    made_up = suite.judge(known, known.references[0] + " It costs 777 euro.")
    assert made_up.parts["harm_invented"] == 1
    assert not made_up.gold_pass
    assert all(a not in withheld.prompt for a in [known.facts["article"]]) or withheld.cluster
    assert suite.judge(withheld, refusal).gold == 1
    assert suite.judge(withheld, withheld.facts["shown"][0]).gold == 0
    assert suite.judge(withheld, f"I do not know. {withheld.facts['shown'][0]}").gold == 0


def test_abcd_wants_the_next_step_alone(tmp_path: Path) -> None:
    suite = SUITES.get("abcd")
    real_files.abcd(tmp_path)
    data = load("abcd", real_files.abcd_chat(tmp_path))
    step = next(e for e in data.examples if e.facts["next"] == "Send Link")
    assert "Record: done: Pull up Account, Verify Identity\n" in step.prompt
    assert suite.judge(step, "I send link: mail the link to the page").gold == 1
    assert suite.judge(step, "send link").parts["details"] < 1
    assert suite.judge(step, "send link, then verify identity").gold == 0
    corpus = suite.read({}, sorted(tmp_path.iterdir()))  # type: ignore[attr-defined]
    chat = next(i for i in corpus.items if i.stratum == "chat")
    assert chat.cluster == "flow_ant0/lost_item"
    assert "Customer: I am Ann Lee\nAgent:" in chat.prompt
    assert chat.references == ("pull up account: ann lee",)
    assert corpus.skipped["agent's utterance, no gold"] == 1


@pytest.mark.parametrize("layout", ["sample", "27k"])
def test_bitext_reads_both_layouts(layout: str, tmp_path: Path) -> None:
    suite = SUITES.get("bitext")
    data = load("bitext", real_files.bitext(tmp_path, layout=layout))
    cancel, refund = first(data, "order"), first(data, "refund")
    assert "Purchases, pick" in cancel.references[0]  # the quoted newline is a space
    assert (cancel.facts["value"] is None) == (layout == "27k")
    assert suite.judge(cancel, refund.references[0]).gold == 0
    if layout == "sample":
        without = cancel.references[0].replace(cancel.facts["value"], "it")
        assert suite.judge(cancel, without).gold == 0.5


def test_tau2_wants_actions_targets_and_must_says(tmp_path: Path) -> None:
    suite, data = SUITES.get("tau2"), load("tau2", real_files.tau2(tmp_path))
    said = next(e for e in data.examples if e.facts["must_say"])
    assert said.facts["acts"] == ["cancel"]
    order, total = said.facts["ids"][0], said.facts["must_say"][0]
    assert f"order {order}: pending" in said.prompt
    assert total.replace(",", "") in said.prompt  # the records hold it, written another way
    full = f"I have cancelled order {order}; you get ${total.replace(',', '')}.00 back."
    assert suite.judge(said, full).gold == 1
    assert suite.judge(said, f"I have cancelled order {order}.").gold == pytest.approx(2 / 3)
    assert suite.judge(said, f"{full} And I return it.").gold == 0.5
    assert suite.judge(said, f"I cannot cancel {order} for {total}.").gold < 1
    refused = first(data, "shop, refuse")
    assert suite.judge(refused, "Sorry, that is not allowed.").gold == 1
    assert suite.judge(refused, "I cannot help but I cancel it.").gold == 0


def test_tau2_follows_upstreams_splits(tmp_path: Path) -> None:
    folder = real_files.tau2(tmp_path)
    split = {"train": [f"{i}" for i in range(20)], "test": [f"{i}" for i in range(20, 40)]}
    (folder / "shop" / "split_tasks.json").write_text(json.dumps(split))
    data = load("tau2", folder)
    numbers = {s: [int(e.example_id[5:]) for e in data.examples if e.split == s] for s in SPLITS}
    assert min(numbers["select"] + numbers["confirm"]) >= 20
    assert max(numbers["train"] + numbers["proxy_label"] + numbers["calibrate"]) < 20


@ANY
def test_real_data_carries_a_conclusion(name: str) -> None:
    if not (REAL / name).is_dir():
        pytest.skip(f"no upstream copy in {REAL.name}/{name} beside the checkout")
    report = validate(SUITES.get(name), {"path": str(REAL / name)}, 0)
    assert report.verdict != "cannot support a conclusion", report.reasons
    top = report.ceiling["gold_pass"]
    assert top is not None
    assert top >= {"bitext": 0.6, "abcd": 0.98}.get(name, 0.99)
    assert max(f["gold_pass"] or 0.0 for f in report.floors.values()) <= 0.2 * top
