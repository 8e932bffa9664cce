"""A method: half the further training on D. Its package registers it in pyproject.toml:

[project.entry-points."rsft_bench.methods"]
sft_half = "my_method:SFT_HALF"
"""

from rsft_bench.baselines.common import TEMPERATURE, served
from rsft_bench.harness.arms import Charge


class SftHalf:
    name = "sft_half"
    doc = "half as many further steps on D as sft_more"
    params = (TEMPERATURE,)
    requires = frozenset({"sampler", "trainable"})

    def identity(self, params):
        return frozenset()  # parameters shown in an id even at their default

    def plan(self, params, graph, serving):
        steps = max(1, graph.space.settings.training["steps"] // 2)
        fitted = graph.fit(graph.sft(), [("D", graph.train_set(), 1.0, "train-D")], steps=steps)
        paid = (Charge("train", fitted),)
        heat = params["temperature"]
        return served(graph, fitted, heat, serving, charges=paid, fitted=fitted)


SFT_HALF = SftHalf()
