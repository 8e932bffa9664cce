"""How good the yardsticks are: the ceiling of a suite's gold, and the reward that accepts."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from rsft_bench.harness.statistics.proportions import clopper_pearson
from rsft_bench.harness.types import Json
from rsft_bench.reports.diagnostics import ProxyQuality
from rsft_bench.reports.document import Figure, Table
from rsft_bench.reports.figures import slug
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.formatting import NA, count, interval, rate
from rsft_bench.reports.verdicts import place


def ceiling(info: Mapping[str, Json]) -> tuple[str, float] | None:
    """(whose answers, their pass rate on ``confirm``, or over all turns where that is not told).

    None where the suite states no ceiling.
    """
    stated = (info.get("report") or {}).get("ceiling")
    if not isinstance(stated, Mapping):
        return None
    level = (stated.get("confirm") or {}).get("gold_pass", stated.get("gold_pass"))
    if level is None:
        return None
    return str(stated.get("answers", "reference answers")), float(level)


def ceiling_lines(manifest: Mapping[str, Json]) -> list[str]:
    """One line a suite that has a ceiling, for the top of the report."""
    lines = []
    for info in manifest.get("suites", []):
        found = ceiling(info)
        if found is not None:
            who, level = found
            lines.append(
                f"Ceiling of {info.get('name')}: {who} pass {rate(level)} on confirm; read every "
                "pass rate of this suite against that."
            )
    return lines


def fixed_training(manifest: Mapping[str, Json]) -> list[str]:
    """One line a suite whose training answers no seed redraws: what its intervals leave out."""
    return [
        f"{info.get('name')}: D is the same for every seed, so its intervals hold for this "
        "training set, not for a redrawn one."
        for info in manifest.get("suites", [])
        if str((info.get("report") or {}).get("training_set", "")).startswith("fixed")
    ]


def reward_name(manifest: Mapping[str, Json]) -> str:
    """The run's own reward with its options, such as ``body_head (pooling mean)``."""
    config = (manifest.get("config") or {}).get("reward") or {}
    name = str(config.get("name", "proxy"))
    fitted = [p for p in manifest.get("proxies", []) if p.get("reward") == name]
    options = {k: v for k, v in config.items() if k not in ("name", "n_label", "labels")}
    options |= dict(fitted[0].get("reward_options") or {}) if fitted else {}
    return _with_options(name, options)


def _with_options(name: str, options: Mapping[str, Json]) -> str:
    words = ", ".join(
        f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in options.items()
    )
    return f"{name} ({words})" if words else name


def reward_warnings(manifest: Mapping[str, Json]) -> list[str]:
    """What a reader must know first where the reward is no real one."""
    kind = reward_name(manifest).partition(" ")[0]
    if kind == "random":
        return ["Reward random knows nothing of an answer: no arm that it chooses for should gain."]
    if kind == "noisy":
        return [f"Noise was put on the reward on purpose: {reward_name(manifest)}."]
    return []


def reward_table(found: Analysis) -> Table | None:
    """The reward on the fifth of its gold labels that its fit did not see, all seeds together.

    None where no reward was fitted.
    """
    groups: dict[tuple[str, str, str], list[Mapping[str, Json]]] = {}
    for p in found.manifest.get("proxies", []):
        named = (str(p["suite"]), str(p["policy"]), str(p.get("reward", "")))
        groups.setdefault(named, []).append(p)
    several = len({policy for _, policy, _ in groups}) > 1
    rows = [
        (f"{suite} ({policy})" if several else suite, *_held_out(found, reports))
        for (suite, policy, _), reports in groups.items()
    ]
    if not rows:
        return None
    note = (
        "Answers of SFT to prompts that nothing else uses; the fifth is held out by cluster and "
        "also set the two numbers of the calibration. Accuracy is the share on the right side of "
        "one half, with its exact binomial (Clopper-Pearson) 95 % interval as if answers were "
        "independent: answers to one prompt are not, so read it as too narrow. AUC and Brier are "
        "means over seeds. Pairs: answers to one prompt with different gold, where the fit "
        "compares answers."
    )
    head = (
        *("suite", "reward", "gold labels a seed", "pairs a seed", "held-out answers"),
        *("accuracy [95 %]", "AUC", "AUC in prompt", "Brier"),
    )
    note += "".join(_origin(p["labels"]) for p in _label_sources(found).values())
    return Table("The reward on its own held-out labels", head, tuple(rows), note)


def _label_sources(found: Analysis) -> dict[str, Mapping[str, Json]]:
    """One fitted reward for each data set that brought labels, by its name."""
    fitted = [p for p in found.manifest.get("proxies", []) if p.get("labels")]
    return {str(p["labels"]["suite"]): p for p in fitted}


def _origin(labels: Mapping[str, Json]) -> str:
    skipped = sum(int(n) for n in (labels.get("skipped") or {}).values())
    return (
        f" Rows “on {labels['suite']}” were fitted on and held out from that data set's labels, "
        f"not on gold: {labels['attribution']}; licence {labels['licence']}; {count(skipped)} of "
        "its records left out."
    )


def _held_out(found: Analysis, reports: list[Mapping[str, Json]]) -> tuple[str, ...]:
    """Everything of a row but the suite."""
    n = sum(int(p.get("n_held_out") or 0) for p in reports)
    right = [p.get("n_correct") for p in reports]
    accuracy = NA
    if n and all(x is not None for x in right):
        k = sum(int(x) for x in right if x is not None)
        span = clopper_pearson(k, n)
        accuracy = f"{rate(k / n)} [{rate(span.lo)}, {rate(span.hi)}]"
    means = {name: _mean(reports, name) for name in ("auc", "within_auc", "brier")}
    labels, pairs = _mean(reports, "n_label"), _mean(reports, "n_pairs")
    first = reports[0]
    name = reward_name(found.manifest)
    if first.get("reward"):
        name = _with_options(str(first["reward"]), first.get("reward_options") or {})
    if first.get("labels"):
        name += f", on {first['labels']['suite']}"
    return (
        *(name, count(labels), NA if pairs is None else count(pairs)),
        *(count(n), accuracy, *(rate(x) for x in means.values())),
    )


def _mean(reports: list[Mapping[str, Json]], name: str) -> float | None:
    """Mean over the seeds where it is known."""
    known = [float(p[name]) for p in reports if p.get(name) is not None]
    return fmean(known) if known else None


def proxy_table(found: Analysis) -> Table:
    """AUC, Brier and ECE of the proxy on the draws of SFT, on select and on confirm."""
    rows = []
    for s in found.suites:
        for split, q in (("select", s.proxy_select), ("confirm", s.proxy)):
            pairs = (
                *((q.overall, q.overall_range), (q.within, q.within_range)),
                *((q.accuracy, q.accuracy_range), (q.brier, q.brier_range)),
            )
            words = (_spread(mean, ends) for mean, ends in pairs)
            rows.append((place(found, s), split, *words, _error(q)))
    note = (
        "From the test draws of SFT, mean over seeds with the range in brackets. Brier is the mean "
        "squared error of the calibrated probability: 0 is perfect, .25 is a constant one half. "
        "ECE is the mean distance of forecast and pass rate in ten bins of equal size, with its "
        "95 % interval over clusters; few answers raise the estimate, and the interval allows for "
        "that, so it may lie below."
    )
    head = ("suite", "split", "AUC", "AUC in prompt", "accuracy", "Brier", "ECE")
    name = reward_name(found.manifest)
    caption = "The proxy reward" if name == "proxy" else f"The proxy reward: {name}"
    return Table(caption, head, tuple(rows), note)


def reliability_figures(found: Analysis) -> list[Figure]:
    """The reliability diagram of every suite that has one."""
    words = (
        "of the draws of SFT on confirm that the reward gives about the same probability, the "
        "share that passes; on the line it means what it says. Numbers are draws, all seeds "
        "together."
    )
    return [
        Figure(slug(s, "reliability"), f"{place(found, s)}: {words}")
        for s in found.suites
        if s.proxy.bins
    ]


def _error(q: ProxyQuality) -> str:
    if q.ece is None:
        return NA
    return f"{rate(q.ece)} {interval(*(q.ece_interval or (None, None)))}"


def _spread(mean: float | None, ends: tuple[float, float] | None) -> str:
    return f"{rate(mean)} [{rate(ends[0])}, {rate(ends[1])}]" if ends else NA
