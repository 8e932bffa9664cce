"""Policy ``categorical``: a table of answer probabilities a context, fitted exactly. No torch.

A prompt says in its own text what the table is asked: a line ``Context: NAME`` names the row, a
line ``Choices: A | B | C`` its closed set of answers. Everything else of the prompt, its wording
included, is ignored. Every law about fitting and drawing can be tested on it to 1e-9, through the
same stages as a language model. Its token counts are words and punctuation marks, plus one stop.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.policies.choices import Question, Table, masses, read_prompt
from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.policies.exact import likelihood_optimum
from rsft_bench.harness.policies.listed import draw_listed, listed_logprob
from rsft_bench.harness.policy_kinds import DrawFlops, Trained
from rsft_bench.harness.seeding import digest, stream
from rsft_bench.harness.types import (
    Budget,
    Capability,
    Completion,
    FloatArray,
    Json,
    Param,
    Sampling,
    WeightedSet,
)

OPTIONS = (
    Param("concentration", 1.0, "Dirichlet concentration of the base table", least=0.05, most=1e6),
    Param("seed", 0, "seed of the base table; a run's own seeds leave it alone", least=0),
)
STATE, ANSWERS = "tables.safetensors", "answers.json"


Tables: TypeAlias = Mapping[str, Table]


@dataclass(frozen=True)
class Categorical:
    """A loaded table. Contexts without a row in ``tables`` have a keyed Dirichlet one.

    ``tables`` may be given for an exact start, see ``from_probabilities``; a fit returns another
    policy. Immutable.
    """

    concentration: float = 1.0
    seed: int = 0
    tables: Tables = field(default_factory=dict)

    def law(self, prompt: str) -> tuple[tuple[str, ...], FloatArray]:
        """Answers of the prompt and their probabilities (m,) at temperature 1.

        Raises:
            DataError: as ``read_prompt``, or the row of this context has other answers.
        """
        table = self.table(read_prompt(prompt))
        return table.answers, table.probabilities.copy()

    def table(self, asked: Question) -> Table:
        """The row of one context, in its own order of answers. Raises DataError as ``law``."""
        known = self.tables.get(asked.context)
        if known is None:
            return self._base(asked)
        if set(known.answers) != set(asked.answers):
            raise DataError(
                f"context {asked.context!r} is asked with other choices than its row has; "
                "give each closed set of answers a context of its own"
            )
        return known

    def _base(self, asked: Question) -> Table:
        rng = stream(self.seed, "categorical-base", asked.context)
        law = rng.dirichlet(np.full(len(asked.answers), self.concentration))
        return Table(asked.answers, law)

    def logprob(self, prompt: str, text: str) -> float:
        """Exact log p(text | prompt) in nats; -inf for what is no choice or never said."""
        return listed_logprob(self.law(prompt), text)

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> list[Completion]:
        """One keyed uniform number an answer, see ``draw_listed``."""
        laws = [self.law(prompt) for _, prompt in prompts]
        return draw_listed(prompts, laws, draws, sampling, seed, purpose)

    def draw_flops(
        self, prompts: Sequence[tuple[str, str]], rows: Sequence[Completion], sampling: Sampling
    ) -> DrawFlops:
        """An addition and a comparison for each listed answer of every draw: 2 m.

        Reading the prompt is no floating-point work; what temperature and truncation take is left
        out, as language models' is.
        """
        sizes = {example_id: len(read_prompt(prompt).answers) for example_id, prompt in prompts}
        return DrawFlops((0.0,) * len(prompts), tuple(2.0 * sizes[row.example_id] for row in rows))

    def fit(
        self, sets: Sequence[WeightedSet], budget: Budget, seed: int, keep: Sequence[int] = ()
    ) -> Trained:
        """The exact optimum of protocol.md section 3 in every context that has a row; one step.

        p(y) is proportional to the sum over sets of coefficient * the weights of the rows that say
        y. A context without rows keeps its table. Learning rate, batch, schedule and seed change
        nothing, and any number of steps above 0 gives the same optimum.

        Raises:
            DataError: a row's answer is none of its prompt's choices.
        """
        active = [item for item in sets if item.coefficient > 0]
        if budget.steps == 0:
            return Trained(self, (), 0, 0.0, {item.name: 0 for item in active})
        asked, mass = masses(active)
        tables = dict(self.tables)
        loss = 0.0
        for context, weights in mass.items():
            answers, law = self.table(asked[context])
            row = np.array([weights[asked[context].answers.index(a)] for a in answers])
            said = row > 0
            with np.errstate(divide="ignore"):
                loss -= float(row[said] @ np.log(law[said]))
            tables[context] = Table(answers, likelihood_optimum(row, law))
        fitted = replace(self, tables=tables)
        rows = [row for item in active for row in item.rows]
        return Trained(
            policy=fitted,
            losses=(loss,),
            tokens=sum(count_tokens(r.prompt) + count_tokens(r.completion) + 1 for r in rows),
            flops=self.fit_flops(sets, budget),
            rows_seen={item.name: len(item.rows) for item in active},
            kept=dict.fromkeys(keep, fitted),
        )

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """A product and an addition for each row, a division for each answer of a fitted context.

        Whatever the number of steps, if there are any.
        """
        rows = [row for item in sets if item.coefficient > 0 for row in item.rows]
        asked = {read_prompt(row.prompt) for row in rows}
        return float(2 * len(rows) + sum(len(a.answers) for a in asked)) if budget.steps else 0.0

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words, punctuation marks and one stop of each answer."""
        return [count_tokens(text) + 1 for text in texts]

    def save(self, folder: Path) -> None:
        """Write the fitted rows: answers.json and tables.safetensors (float64)."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        answers = {context: list(table.answers) for context, table in self.tables.items()}
        (folder / ANSWERS).write_text(json.dumps(answers, sort_keys=True), encoding="utf-8")
        save_file({c: self.tables[c].probabilities for c in sorted(self.tables)}, folder / STATE)


def from_probabilities(laws: Mapping[str, Mapping[str, float]]) -> Categorical:
    """A policy with the given law (answer to probability) in each context.

    Raises:
        ValueError: a law has a negative probability or does not sum to 1 within 1e-9.
    """
    tables = {}
    for context, law in laws.items():
        probabilities = np.array(list(law.values()), dtype=np.float64)
        if (probabilities < 0).any() or abs(probabilities.sum() - 1) > 1e-9:
            raise ValueError(f"context {context!r}: probabilities must be >= 0 and sum to 1")
        tables[context] = Table(tuple(law), probabilities)
    return Categorical(tables=tables)


@dataclass(frozen=True, slots=True)
class CategoricalPolicy:
    """The registered entry. The base table is keyed by the option ``seed`` and the context."""

    name: str = "categorical"
    version: str = "1"
    doc: str = "Exact table of answer probabilities a context; for prompts that list their choices"
    options: tuple[Param, ...] = OPTIONS
    capabilities: frozenset[Capability] = frozenset(
        ("sampler", "scorer", "trainable", "enumerable")
    )
    code: tuple[str, ...] = tuple(
        f"rsft_bench.harness.{module}"
        for module in (
            "policies.categorical",
            "policies.choices",
            "policies.counting",
            "policies.exact",
            "policies.listed",
            "seeding",
            "values",
        )
    )

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """Hash of version and options, which decide every base table. Raises as ``load``."""
        base = self.load(options)
        return digest(self.name, self.version, base.concentration, base.seed).hex()

    def load(self, options: Mapping[str, Json]) -> Categorical:
        """The base policy. Raises ConfigError for an option out of range."""
        from rsft_bench.harness.values import coerce

        given = {}
        for param in self.options:
            try:
                given[param.name] = coerce(param, options.get(param.name, param.default))
            except ValueError as error:
                raise ConfigError(f"policy {self.name!r}, {param.name}: {error}") from None
        return Categorical(given["concentration"], given["seed"])

    def restore(self, options: Mapping[str, Json], folder: Path) -> Categorical:
        """Read what ``Categorical.save`` wrote. Raises DataError where it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            answers = json.loads((folder / ANSWERS).read_text(encoding="utf-8"))
            arrays = load_file(folder / STATE)
            tables = {c: Table(tuple(texts), arrays[c]) for c, texts in answers.items()}
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise DataError(f"{folder}: not a categorical policy: {error}") from error
        return replace(self.load(options), tables=tables)

    def check(self, options: Mapping[str, Json], prompts: Sequence[str]) -> None:
        """Raise DataError where a prompt lists no choices or a context's choices differ."""
        seen: dict[str, frozenset[str]] = {}
        for prompt in prompts:
            asked = read_prompt(prompt)
            if seen.setdefault(asked.context, frozenset(asked.answers)) != set(asked.answers):
                raise DataError(
                    f"policy {self.name!r}: context {asked.context!r} is asked with two sets of "
                    "choices; give each a context of its own"
                )


CATEGORICAL = CategoricalPolicy()
