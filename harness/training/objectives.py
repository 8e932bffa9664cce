"""What a set's rows are trained for: pure losses of one group, with their equations.

Notation: i runs over the group's rows with weights w_i, t over the n answer positions (stop
included) whose next token y_t is learnt, p_t is the trained model's law there and q_t the
reference's, the model that the fit starts from. A group's loss is a sum, never a mean, so that
groups and steps add up to the objective (protocol.md section 3). Logits have shape (n, vocabulary);
every loss works in their dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.training.batches import Group
from rsft_bench.harness.training.forwards import Forward, Referenced


def likelihood(logits: Tensor, group: Group) -> Tensor:
    """Sum over rows of w_i NLL_i, NLL_i = -sum over t of log p_t(y_t)."""
    nll = F.cross_entropy(logits, group.targets, reduction="none")
    return torch.dot(nll, group.weights)


def anchored(logits: Tensor, group: Group) -> Tensor:
    """Likelihood with an anchor: sum of w_i (-log p_t(y_t) + a KL(q_t || p_t)) over rows and t.

    The divergence is from the reference to the trained model (forward KL, mass covering), summed
    exactly over the vocabulary at the very positions whose next token is learnt, each weighted as
    its likelihood term is. So an unrestricted policy that fits M without an anchor ends at
    (M + a q) / (1 + a), for every prompt and prefix. ``settings``: anchor = a > 0. Columns:
    reference_logits (n, vocabulary).
    """
    logp = logits.log_softmax(-1)
    logq = group.columns["reference_logits"].log_softmax(-1)
    nll = -logp.gather(-1, group.targets[:, None])[:, 0]
    divergence = (logq.exp() * (logq - logp)).sum(-1)
    return torch.dot(nll + group.settings["anchor"] * divergence, group.weights)


def unlikelihood(logits: Tensor, group: Group) -> Tensor:
    """Sum of w_i (-log max(1 - p_t(y_t), floor)): answers to move away from.

    Source: Welleck et al. 2020, arXiv 1908.04319, equation 4 with the answer's own token as the
    one negative candidate of its position. That loss has no upper bound; here a term is at most
    -log(floor) nats and a token above 1 - floor has no gradient. ``settings``: floor in (0, 1).
    """
    logp = -F.cross_entropy(logits, group.targets, reduction="none")
    # 1 - p by expm1: near p = 1 the difference itself would lose its digits.
    terms = -torch.log((-torch.expm1(logp)).clamp(min=group.settings["floor"]))
    return torch.dot(terms, group.weights)


def nft(logits: Tensor, group: Group) -> Tensor:
    """Negative-aware fine-tuning: -sum of w_i log R_t if accepted, else log max_v(N_t, epsilon).

    R_t = p_t(y_t) / q_t(y_t); N_t = (1 - r R_t) / (1 - r) is the ratio of the implicit policy of
    the rejected answers, r being the prompt's share of accepted ones; max_v has the value of the
    maximum and the gradient of N_t. q must be the law that the answers were drawn from. At weights
    of 0 on the rejected rows the gradient is that of ``likelihood``.

    Source: Chen et al. 2025, arXiv 2505.18116, equations 7 and 8 and the token loss of section 3.
    ``settings``: epsilon > 0. Columns: reference (log q_t(y_t), nats), accepted (bool), rate.
    """
    columns = group.columns
    logp = -F.cross_entropy(logits, group.targets, reduction="none")
    log_ratio = logp - columns["reference"]
    # Accepted rows may have rate 1, and a division by 0 in the branch not taken is still NaN.
    rate = torch.where(columns["accepted"], 0.0, columns["rate"])
    implicit = (1 - rate * log_ratio.exp()) / (1 - rate)
    above = implicit.detach().clamp(min=group.settings["epsilon"])
    held = above + (implicit - implicit.detach())
    return -torch.dot(torch.where(columns["accepted"], log_ratio, held.log()), group.weights)


def preference(logits: Tensor, group: Group) -> Tensor:
    """DPO: sum over pairs of w_i (-log sigmoid(beta (d_chosen - d_rejected))).

    d = sum over an answer's positions of log p_t(y_t) - log q_t(y_t). Rows 0, 2, ... of the group
    are chosen answers, each followed by the rejected one of its pair.

    Source: Rafailov et al. 2023, arXiv 2305.18290, equation 7. ``settings``: beta > 0. Columns:
    reference (log q_t(y_t), nats).
    """
    logp = -F.cross_entropy(logits, group.targets, reduction="none")
    difference = _by_row(logp - group.columns["reference"], group).sum(1)
    weights = _by_row(group.weights, group)[::2, 0]
    margin = group.settings["beta"] * (difference[::2] - difference[1::2])
    return -torch.dot(F.logsigmoid(margin), weights)


def _by_row(values: Tensor, group: Group) -> Tensor:
    """One value a target (n,) as a table (rows, slots), 0 where a row has no more slots."""
    table = torch.zeros(group.valid.shape, dtype=values.dtype, device=values.device)
    return table.masked_scatter(group.valid, values)


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss by name, and what it needs.

    ``needs`` of the reference: ``nothing``; its log probabilities of the ``tokens``, computed once
    before training; or its ``logits``, computed anew with every group. ``pairs``: a row stands with
    the answer it is preferred to.
    """

    name: str
    loss: Callable[[Tensor, Group], Tensor]
    needs: Literal["nothing", "tokens", "logits"] = "nothing"
    pairs: bool = False


OBJECTIVES: Registry[Objective] = Registry(
    "loss",
    [
        Objective(LIKELIHOOD, likelihood),
        Objective("anchored", anchored, needs="logits"),
        Objective("unlikelihood", unlikelihood),
        Objective("nft", nft, needs="tokens"),
        Objective("preference", preference, needs="tokens", pairs=True),
    ],
)


def group_loss(forward: Forward, group: Group) -> Tensor:
    """Loss of one group, a scalar with gradients.

    Raises:
        TypeError: the loss reads the reference's logits and ``forward`` has no reference.
    """
    objective = OBJECTIVES.get(group.loss)
    if objective.needs == "logits":
        if not isinstance(forward, Referenced):
            raise TypeError(f"loss {group.loss!r} needs a forward with a reference")
        group = replace(group, columns={"reference_logits": forward.reference(group)})
    return objective.loss(forward.logits(group), group)
