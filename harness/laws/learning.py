"""L5 to L9: what a filter does to the value, where lambda and tilts lead, and the k=1 control."""

from __future__ import annotations

import math

import numpy as np

from rsft_bench.harness.laws.enumeration import World, accepted, draws_of
from rsft_bench.harness.laws.result import Check, Checks, Setting, exact, same, simulated, within
from rsft_bench.harness.laws.tables import (
    fitted,
    law_of,
    prompt_of,
    refitted,
    rows,
    start,
    table_loss,
)
from rsft_bench.harness.learning import WeightedSet
from rsft_bench.harness.policies import exact as tables
from rsft_bench.harness.statistics import acceptance_laws
from rsft_bench.harness.training import weights as weighing
from rsft_bench.harness.types import FloatArray, Sampling, ScoredPool


def l5_binary_filter(setting: Setting) -> Checks:
    """Keep what passed and fit: V' = V + Var(q) / V; NFT is GRPO's gradient on-policy."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.6, 0.9])
    after = fitted(p, _outcome_law(setting, p, q, np.ones(3), np.zeros(3), 1.0))
    value = float(p @ q)
    wanted = value + float(p @ (q - value) ** 2) / value
    return (
        exact("V' of the filter", wanted, float(after @ q)),
        within("V' - V", wanted - value, float(after @ q) - value, lo=0.0),
        _nft_is_grpo(p),
        _unlikelihood_of_two(),
    )


def l6_counterexample(setting: Setting) -> Checks:
    """One answer is worth .1, one +1 or -1: a threshold of .5 learns the second and loses."""
    p = np.array([0.5, 0.5])
    mean = np.array([0.1, 0.0])
    law = _outcome_law(setting, p, np.array([0.5, 0.5]), np.array([0.1, 1]), np.array([0.1, -1]))
    after = float(fitted(p, law) @ mean)
    return (
        exact("value after", 0.0, after),
        within("change of value", -0.05, after - float(p @ mean), hi=-0.04),
    )


def _outcome_law(
    setting: Setting,
    p: FloatArray,
    q: FloatArray,
    high: FloatArray,
    low: FloatArray,
    tau: float = 0.5,
) -> FloatArray:
    """Accepted counts (m,) of ``threshold`` where answer y pays high[y] with q[y], else low[y]."""
    world = World(np.concatenate([p * q, p * (1 - q)]), np.concatenate([high, low]), 2)
    pool = draws_of(world, 1, setting.seed)
    counts = accepted(setting, "threshold", {"tau": tau}, pool)
    chance = world.p[pool.text_ids].prod(axis=1)
    size = len(p)
    return np.array(
        [float(chance @ (counts * (pool.text_ids % size == y)).sum(axis=1)) for y in range(size)]
    )


def _nft_is_grpo(p: FloatArray) -> Check:
    """d/dlogits of NFT at p = q is -E[(c - r)/(1 - r) d log p] for verdicts c of rate r."""
    import torch

    size, rate, hit = len(p), 0.4, np.array([True, False, True])
    # Every answer with its verdict; the rate is that of the whole, sum of p over hits made .4.
    p = np.where(hit, p / p[hit].sum() * rate, p / p[~hit].sum() * (1 - rate))
    loss = table_loss("nft", range(size), p, p, {"epsilon": 1e-9}, hit.tolist(), [rate] * size)
    logits = torch.from_numpy(np.log(p)).requires_grad_()
    (slope,) = torch.autograd.grad(loss(logits.log_softmax(-1)), logits)
    advantage = np.where(hit, 1.0, -rate / (1 - rate))
    told = -p * (advantage - float(p @ advantage))
    return same("NFT on-policy and GRPO's gradient", told, slope.numpy())


def _unlikelihood_of_two() -> Check:
    """Of two answers, n against the second is n for the first: (d1 + n)/(d1 + d2 + n)."""
    d1, d2, n, even = 0.5, 0.3, 0.4, np.array([0.5, 0.5])
    likely = table_loss("likelihood", [0, 1], np.array([d1, d2]), even, {})
    unlikely = table_loss("unlikelihood", [1], np.array([n]), even, {"floor": 1e-6})
    found = tables.optimum(lambda logp: likely(logp) + unlikely(logp), even)
    return exact("unlikelihood's optimum of two answers", 0.75, float(found[0]), 1e-8)


#: Answers of D and A by context: unequal counts, and context z has no accepted answer.
D_ROWS = (("x", 0), ("x", 0), ("x", 1), ("y", 2), ("z", 1), ("z", 2))
A_ROWS = (("x", 2), ("y", 0), ("y", 0), ("y", 0), ("y", 2))
#: Tokens of answers 0, 1, 2.
LENGTHS = np.array([2, 5, 11])


def l7_lambda(setting: Setting) -> Checks:
    """The mixture is (D + lambda_x A)/(1 + lambda_x), linear in 1/(1 + lambda); its limits."""
    q, lam = np.array([0.2, 0.5, 0.3]), 0.7
    r, ratio = np.array([1.0, 0.2, 0.5]), 3 / 2
    checks = []
    for normalise in ("prompt", "token"):
        found = _mixture(lam, normalise)
        told = np.concatenate([_told(c, lam, normalise) for c in "xyz"])
        checks.append(same(f"mixture per {normalise}, unequal and uncovered", told, found))
    values = []
    for lam in (0.0, 0.25, 1.0, 4.0, math.inf):
        even = lam / ratio
        values.append((1 / (1 + lam), float(_mixture(even, "prompt")[3:6] @ r)))
    inverse, reward = np.array(values).T
    line = reward[-1] + (reward[0] - reward[-1]) * inverse
    m = np.array([0.6, 0.1, 0.3])
    anchored = table_loss("anchored", range(3), m, q, {"anchor": 0.8})
    return (
        *checks,
        same("reward against the line in 1/(1+lambda)", line, reward),
        same("A's share per prompt", np.array([0.0]), _share_gap()),
        same("anchor: (M + a q)/(1 + a)", (m + 0.8 * q) / 1.8, tables.optimum(anchored, q), 1e-8),
        same("anchor, closed form", (m + 0.8 * q) / 1.8, tables.likelihood_optimum(m, q, 0.8)),
        same("anchor to infinity: the reference", q, tables.likelihood_optimum(m, q, 1e12)),
    )


def _mixture(lam: float, normalise: weighing.Normalise) -> FloatArray:
    """Laws of contexts x, y, z, (9,), after one exact fit of D and A."""
    policy = start(dict.fromkeys("xyz", np.array([0.2, 0.5, 0.3])))
    tokens_d = LENGTHS[[y for _, y in D_ROWS]]
    c = weighing.mean_answer_tokens(tokens_d, np.ones(len(D_ROWS), dtype=np.int64))
    sets = []
    for name, said, part in zip("DA", (D_ROWS, A_ROWS), weighing.coefficients(lam), strict=True):
        contexts, answers = [x for x, _ in said], [y for _, y in said]
        ones = np.ones(len(said), dtype=np.int64)
        w = weighing.row_weights(contexts, ones, c, LENGTHS[answers], normalise)
        sets.append(WeightedSet(name, rows(contexts, answers, w, 3), part, f"train-{name}"))
    trained = refitted(policy, sets)
    return np.concatenate([law_of(trained, c, 3) for c in "xyz"])


def _told(context: str, lam: float, normalise: str) -> FloatArray:
    """Protocol.md section 3 written down: the optimum of one context."""
    d, a = (np.bincount([y for x, y in s if x == context], minlength=3) for s in (D_ROWS, A_ROWS))
    if normalise == "token":
        totals = [sum(int(LENGTHS[y]) for _, y in s) for s in (D_ROWS, A_ROWS)]
        mass = d / totals[0] + lam * a / totals[1]
        return np.asarray(mass / mass.sum())
    # Three prompts of D, two of A.
    own = lam * 3 / 2 if a.sum() else 0.0
    return np.asarray((d / d.sum() + own * a / max(a.sum(), 1)) / (1 + own))


def _share_gap() -> FloatArray:
    shares = weighing.effective_share([x for x, _ in D_ROWS], [x for x, _ in A_ROWS], 1.0)
    return np.asarray([np.abs(shares - np.array([0.6, 0.6, 0.0])).max()])


def l8_tilts(setting: Setting) -> Checks:
    """Tilts compose, 1/beta adds up; RWR, DPO and the KL-penalised reward end at the tilt."""
    p, r, beta = np.array([0.5, 0.25, 0.25]), np.array([0.2, 0.9, 0.4]), 0.6
    tilt = acceptance_laws.tilted_law(p, r, beta)
    told = p * np.exp(r / beta) / float(p @ np.exp(r / beta))
    both = acceptance_laws.tilted_law(tilt, r, 0.3)
    # Eight draws in proportion to p, so that the pool's law is p itself.
    answers = np.array([[0, 0, 0, 0, 1, 1, 2, 2]])
    pool = ScoredPool(r[answers], answers, ("x",), setting.seed)
    target = setting.catalog.registry("target").get("tilted")
    unit = math.sqrt(float(((r[answers] - r[answers].mean()) ** 2).sum()) / 7)
    made = target.make({"beta": beta / unit}, pool, np.zeros_like(answers))
    weights = np.array([made.shares[answers == y].sum() for y in range(3)])
    return (
        same("tilt of .6: p e^(r/.6) / Z", told, tilt),
        same("tilt of .6 then .3, and of .2", acceptance_laws.tilted_law(p, r, 0.2), both),
        same("reward less beta KL, by Newton", told, _penalised(p, r, beta), 1e-8),
        same("reward-weighted regression", told, fitted(p, weights)),
        same("DPO on Bradley-Terry pairs", told, _preferred(p, r, beta), 1e-8),
    )


def _penalised(p: FloatArray, r: FloatArray, beta: float) -> FloatArray:
    import torch

    reward, before = torch.from_numpy(r), torch.from_numpy(np.log(p))
    return tables.optimum(lambda lp: (lp.exp() * (beta * (lp - before) - reward)).sum(), p)


def _preferred(p: FloatArray, r: FloatArray, beta: float) -> FloatArray:
    """DPO's optimum where i is preferred to j with probability sigmoid(r_i - r_j)."""
    pairs = [(i, j) for i in range(len(p)) for j in range(len(p)) if i != j]
    said = [y for pair in pairs for y in pair]
    likely = np.array([p[i] * p[j] / (1 + math.exp(r[j] - r[i])) for i, j in pairs])
    loss = table_loss("preference", said, np.repeat(likely, 2), p, {"beta": beta})
    return tables.optimum(loss, p)


def l9_control(setting: Setting) -> Checks:
    """k=1, everything accepted, exact fit: reward is a martingale, variety falls by 1 - 1/m."""
    p, r, replicates, m = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 0.4]), 2000, 4
    rounds = setting.size(2, 4)
    laws = _resampled(setting, p, replicates, m, rounds, 1.0)
    cold = _resampled(setting, p, replicates, m, 1, 0.5)
    sharper = p**2 / float((p**2).sum())
    variety = (1 - float(p @ p)) * (1 - 1 / m) ** rounds
    return (
        simulated(f"reward after {rounds} rounds", float(p @ r), laws @ r),
        simulated("1 - sum p^2", variety, 1 - (laws**2).sum(axis=1)),
        simulated("reward at T = .5, of p^2 / Z", float(sharper @ r), cold @ r),
    )


def _resampled(
    setting: Setting, p: FloatArray, replicates: int, m: int, rounds: int, temperature: float
) -> FloatArray:
    """Laws (replicates, answers) after rounds of m self-samples and an exact fit to all of them.

    A replicate is a context of one policy, so that the policy, the rule and the weights are those
    of a run.
    """
    names, size = [f"c{i}" for i in range(replicates)], len(p)
    policy = start(dict.fromkeys(names, p))
    prompts = [(c, prompt_of(c, size)) for c in names]
    for turn in range(rounds):
        drawn = policy.sample(
            prompts, range(m), Sampling(temperature), setting.seed, f"laws-control-{turn}"
        )
        answers = np.array([int(row.text) for row in drawn]).reshape(replicates, m)
        pool = ScoredPool(np.zeros(answers.shape), answers, tuple(names), setting.seed)
        counts = accepted(setting, "all", {}, pool).ravel()
        contexts = [row.example_id for row in drawn]
        w = weighing.row_weights(contexts, counts, 1.0)
        said = rows(contexts, answers.ravel().tolist(), w, size)
        policy = refitted(policy, [WeightedSet("A", said, 1.0, "train-A")])
    return np.array([law_of(policy, c, size) for c in names])
