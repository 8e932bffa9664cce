"""Stage ``online``: the loop of drawing, scoring, accepting and training, in one node.

Every ``every`` optimizer steps the policy as it is answers the next prompts, the rule accepts, and
training goes on with the same optimizer and schedule. Over all steps every prompt comes up once, in
a keyed order (a prompt more than once where there are fewer prompts than segments). So it draws as
many answers as offline does, and one segment of all the steps is offline: the same pool, accepted
set and weights.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.seeding import pool_purpose, round_seed
from rsft_bench.harness.segments import spans, visited
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.stages.base import scorer
from rsft_bench.harness.stages.continuing import Drawing, Learning, Prompts, learning
from rsft_bench.harness.stages.data import read_examples
from rsft_bench.harness.stages.learners import Learner, Learnt, learner
from rsft_bench.harness.stages.score import scored
from rsft_bench.harness.stages.segment import segment_folder
from rsft_bench.harness.stages.select import accepted, grid_of, matching, read_pool
from rsft_bench.harness.stages.weighing import filled, mean_tokens, rows_of, weighted
from rsft_bench.harness.store import PARTS, write_rows
from rsft_bench.harness.types import Cost, Json, Sampling, WeightedSet

Row = dict[str, Json]
#: The set that accepted answers are; all other sets last.
ACCEPTED = "A"


@dataclass(slots=True)
class Part:
    """What one category of the work has taken."""

    tokens: int = 0
    flops: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the seconds of a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu


@dataclass(slots=True)
class Told:
    """What the segments did, for ``fit.json``."""

    segments: list[Row] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    prompts: set[str] = field(default_factory=set)


def run(work: Work) -> Outcome:
    """params: those of ``fit``; every, suite, prompts [[example_id, prompt]], k, sampling; more.

    Also block (prompts, draws), rule, rule_params, match (None, or the rule and its parameters
    whose counts are copied) and reward.
    Inputs: as ``fit``, without ``A``; data; proxy and body as ``score``. Files: those of ``fit``;
    segments/S/samples.jsonl, scores.jsonl, accepted.jsonl and select.json; parts.json, the costs of
    drawing, scoring and training.
    """
    policy = learner(work)
    normaliser = mean_tokens(work, policy)
    specs = {spec["name"]: spec for spec in work.params["sets"]}
    own = specs.pop(ACCEPTED)
    lasting = [
        weighted(spec, rows_of(work, name), normaliser, work.params, policy)
        for name, spec in specs.items()
    ]
    parts = {name: Part() for name in ("sample", "score", "train")}
    told = Told()
    going = learning(policy, lasting, work)
    loop = _Loop(work, policy, going, own, normaliser, parts, told)
    for number, span in enumerate(spans(work.params["budget"]["steps"], work.params["every"])):
        loop.segment(number, span)
    done = going.finish()
    parts["train"].tokens, parts["train"].flops = done.tokens, done.flops
    _report(work, done, lasting, own, told, normaliser)
    costs = {name: asdict(Cost(**asdict(part))) for name, part in parts.items()}
    (work.out / PARTS).write_text(json.dumps(costs))
    return Outcome(
        tokens=sum(part.tokens for part in parts.values()),
        flops=sum(part.flops for part in parts.values()),
    )


class _Loop:
    """What one segment needs that does not change."""

    def __init__(
        self,
        work: Work,
        policy: Learner,
        going: Learning,
        own: Json,
        normaliser: float,
        parts: Mapping[str, Part],
        told: Told,
    ) -> None:
        self.work, self.policy, self.going, self.own = work, policy, going, own
        self.normaliser, self.parts, self.told = normaliser, parts, told
        self.seed = work.params["seed"]
        self.suite = work.catalog.suite(work.params["suite"])
        self.examples = {e.example_id: e for e in read_examples(work.inputs["data"][0])}
        self.prompts = {name: e.prompt for name, e in self.examples.items()}
        self.proxy = scorer(work)
        block = work.params["block"]
        self.drawing = Drawing(
            work.params["k"], Sampling(**work.params["sampling"]), block[0], block[1]
        )

    def segment(self, number: int, span: tuple[int, int]) -> None:
        """Draw, score, accept, train; the segment's rows are written as it goes."""
        prompts, (start, stop) = self.work.params["prompts"], span
        chosen = visited(len(prompts), self.work.params["budget"]["steps"], span, self.seed)
        folder = segment_folder(self.work.out, number)
        folder.mkdir(parents=True)
        samples = self._draw([(prompts[i][0], prompts[i][1]) for i in chosen], number)
        with self.parts["score"].timed():
            scores, flops = scored(self.suite, self.examples, samples, self.proxy)
            rows, summary = self._accept(samples, scores, number)
        self.parts["score"].flops += flops
        self.parts["score"].tokens += sum(row["tokens_out"] for row in samples)
        filled(rows, f"{ACCEPTED}, steps {start + 1} to {stop}")
        item = weighted(self._spec(number), rows, self.normaliser, self.work.params, self.policy)
        self.going.learn([item], stop - start)
        for row, learnt in zip(rows, item.rows, strict=True):
            row["row_weight"] = learnt.weight
        self.told.segments.append({**summary, "first_step": start, "steps": stop - start})
        self.told.weights += [row["row_weight"] for row in rows]
        self.told.prompts |= {row["example_id"] for row in rows}
        write_rows(folder / "samples.jsonl", samples)
        write_rows(folder / "scores.jsonl", scores)
        write_rows(folder / "accepted.jsonl", rows)
        (folder / "select.json").write_text(json.dumps(summary))

    def _draw(self, prompts: Prompts, number: int) -> list[Row]:
        part, purpose = self.parts["sample"], pool_purpose(number)
        with part.timed():
            drawn, flops = self.going.answer(prompts, self.drawing, self.seed, purpose)
        part.flops += flops
        part.tokens += sum(row.tokens_out for row in drawn)
        return [asdict(row) for row in drawn]

    def _accept(self, samples: list[Row], scores: list[Row], number: int) -> tuple[list[Row], Row]:
        params, rules = self.work.params, self.work.catalog.registry("rule")
        grid = grid_of(samples, scores, params["k"])
        pool = read_pool(grid, params["reward"], round_seed(self.seed, number))
        if params["match"] is not None:
            rule = rules.get(params["match"]["rule"])
            copied, _ = accepted(rule, params["match"]["rule_params"], pool, grid, self.prompts)
            pool = matching(pool, copied)
        rule = rules.get(params["rule"])
        return accepted(rule, params["rule_params"], pool, grid, self.prompts)

    def _spec(self, number: int) -> Json:
        """The accepted set of one segment; the first has the order stream that offline has."""
        name = self.own["stream"]
        return {**self.own, "stream": f"{name}-{number}" if number else name}


def _report(
    work: Work,
    done: Learnt,
    lasting: list[WeightedSet],
    own: Json,
    told: Told,
    normaliser: float,
) -> None:
    """``fit.json`` as of a fit, the accepted sets of all segments as one, and the segments."""
    prompts = {s.name: len({row.example_id for row in s.rows}) for s in lasting}
    report: dict[str, Any] = {
        "losses": list(done.losses),
        "tokens": done.tokens,
        "rows_seen": dict(done.rows_seen),
        "set_rows": {s.name: len(s.rows) for s in lasting} | {ACCEPTED: len(told.weights)},
        "set_prompts": prompts | {ACCEPTED: len(told.prompts)},
        "row_weights": {s.name: [row.weight for row in s.rows] for s in lasting}
        | {ACCEPTED: told.weights},
        "normaliser": normaliser,
        "segments": told.segments,
    }
    losses = {s.name: s.loss for s in lasting} | {ACCEPTED: own.get("loss", LIKELIHOOD)}
    if any(loss != LIKELIHOOD for loss in losses.values()):
        report["objectives"] = losses
        report["reference_tokens"] = done.reference_tokens
    (work.out / "fit.json").write_text(json.dumps(report))
