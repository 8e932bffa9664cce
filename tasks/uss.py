"""Suite ``uss``: satisfaction with single answers, User Satisfaction Simulation (SGD part).

Labels of 1 to 5 by at least three annotators, given before the customer's line that follows an
answer and hence about that answer. Upstream states no licence, so no line of it is shipped, and
nobody should pass it on. Ratings say how satisfied readers of a log thought a customer was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.rewards.satisfaction_data import MOST, Rated, find_ratings, read_ratings
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import Capability, Example, Json, Judgement, Param, SuiteData
from rsft_bench.tasks.recorded_answers import answers_of, data_path, judge_recorded, limit_of
from rsft_bench.tasks.splitting import files_digest, spread

SUITE = "uss"
#: Mean rating from which an answer passes: nearer to "satisfied" than to "normal".
PASSES = 3.5
OPTIONS = (
    Param("path", None, "upstream's SGD.txt, or a folder with it"),
    Param("limit", None, "at most this many rated answers"),
)


@dataclass(frozen=True, slots=True)
class Uss:
    """Adapter of satisfaction ratings."""

    name: str = SUITE
    version: str = "1"
    licence: str = "LicenseRef-none-stated"
    attribution: str = (
        "User Satisfaction Simulation, sunnweiwei/user-satisfaction-simulation (no licence stated: "
        "do not redistribute); Sun et al., SIGIR 2021 (arXiv 2105.03748)"
    )
    requires: frozenset[Capability] = frozenset({"sampler"})
    options: tuple[Param, ...] = OPTIONS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.uss",
        "rsft_bench.harness.rewards.satisfaction_data",
        "rsft_bench.tasks.recorded_answers",
        "rsft_bench.tasks.splitting",
    )
    kind: str = "labels"

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of the file. Raises as ``load``."""
        file = find_ratings(data_path(options, SUITE, "upstream's SGD.txt"))
        return files_digest(file.parent, [file])

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """One example an answer that a rated line of the customer follows; ``seed`` does nothing.

        Cluster: the session. Stratum: the vote of the annotators.

        Raises:
            ConfigError: no path, or a bad limit.
            DataError: the file is not what it claims.
        """
        path, limit = data_path(options, SUITE, "upstream's SGD.txt"), limit_of(options, SUITE)
        ratings = read_ratings(path)
        found = spread(
            ratings.answers,
            lambda r: str(r.session),
            lambda r: str(r.line),
            lambda name: keyed_unit("uss-limit", name),
            len(ratings.answers) if limit is None else limit,
        )
        if not found:
            raise DataError(f"{path}: no rated answer")
        examples = tuple(_example(r) for r in found)
        report = {
            "kind": self.kind,
            "n_files": 1,
            "n_records": ratings.records,
            "skipped": dict(ratings.skipped),
            "warnings": ["upstream states no licence: use it for measurements, never pass it on"],
        }
        pool = answers_of(examples, {e.example_id: [e.stratum] for e in examples})
        return SuiteData(examples, (), report, pool)

    def judge(self, example: Example, text: str) -> Judgement:
        """Mean rating moved from 1-5 to [0, 1]; passes from 3.5 on."""
        return judge_recorded(example, text)


def _example(rated: Rated) -> Example:
    return Example(
        example_id=f"uss-{rated.line}",
        split="proxy_label",
        prompt=rated.prompt,
        references=(),
        facts={
            "texts": [rated.text],
            "grades": [(rated.mean - 1) / (MOST - 1)],
            "pass_at": (PASSES - 1) / (MOST - 1),
        },
        cluster=f"session-{rated.session}",
        stratum=f"vote {rated.vote}",
    )


USS = Uss()
