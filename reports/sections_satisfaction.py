"""Section about satisfaction: predicted from people's ratings, or an index, labelled as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsft_bench.reports.document import Block, Section, Table, Text
from rsft_bench.reports.formatting import NA, count, interval, level, rate
from rsft_bench.reports.satisfaction import INDEX, PREDICTED, Levels

WORDS = {
    PREDICTED: "predicted rating, 0 for 1 of 5 to 1 for 5 of 5 [95 %]",
    INDEX: "index of checks, not satisfaction [95 %]",
}
PREDICTION = (
    "Nobody rated these answers. A model was fitted on people's ratings of another data set's "
    "answers (evaluation.satisfaction) and predicts what those annotators would have said. The "
    "intervals are over prompts and seeds; how wrong the model is stands in the next table and is "
    "not in them. Compare variants; do not read a level as satisfaction."
)
INDEX_TEXT = (
    "The index is the mean of: right by the suite's checks, polite, apologises where it refuses, "
    "and of ordinary length. No person was asked, and it is not satisfaction."
)


def satisfaction(
    levels: Levels, labels: Mapping[str, Any], error: Mapping[str, Any] | None
) -> Section | None:
    """None where no satisfaction column was measured."""
    if not levels:
        return None
    blocks: list[Block] = []
    for what, text in ((PREDICTED, PREDICTION), (INDEX, INDEX_TEXT)):
        rows = tuple(
            (suite, policy, labels[variant].label, level(effect))
            for suite, policy, variant, name, effect in levels
            if name == what
        )
        if rows:
            blocks.append(Text(text, "warn"))
            head = ("suite", "policy", "method", WORDS[what])
            caption = "Predicted satisfaction" if what == PREDICTED else "Index of checks"
            blocks.append(Table(caption, head, rows))
    if error:
        blocks.append(_error(error))
    return Section("Satisfaction, predicted or indexed", tuple(blocks))


def _error(error: Mapping[str, Any]) -> Table:
    """The predictor on answers of sessions it has not seen, beside the published rows."""
    names = {
        "constant": "always the commonest rating",
        "likeliest": "this predictor, likeliest rating",
        "softened": "this predictor, rare ratings raised",
    }
    rows = []
    for key, words in names.items():
        e = error[key]
        rows.append(
            (
                words,
                f"{rate(e['uar'])} {interval(*e['uar_interval'])}",
                f"{rate(e['kappa'])} {interval(*e['kappa_interval'])}",
                rate(e["rho"]),
                rate(e["rho_upstream"]),
            )
        )
    rows += [
        (f"published: {p['name']}", rate(p["uar"]), rate(p["kappa"]), NA, rate(p["rho"]))
        for p in error["published"]
    ]
    note = (
        f"{count(error['answers'])} rated answers of {count(error['sessions'])} sessions in "
        f"{error['file']}, {error['folds']} folds by session; intervals resample sessions. Mean "
        f"absolute error of the expected rating {rate(error['mae'])}, of a constant "
        f"{rate(error['mae_constant'])}; rank correlation with the mean rating "
        f"{rate(error['rho_expected'])}. UAR is unweighted average recall over five ratings. "
        "Published rows: Sun et al. 2021 (arXiv 2105.03748), SGD part, which also counts first "
        "lines and whole dialogues and, for its neural rows, keeps the best epoch on the test "
        "fold. The last column uses upstream's formula, which takes the smallest rank of ties: a "
        "constant prediction reaches a high value there, so it ranks no method."
    )
    head = ("method", "UAR [95 %]", "kappa [95 %]", "Spearman", "rho, upstream's formula")
    return Table("How good the predictor is on its own data", head, tuple(rows), note)
