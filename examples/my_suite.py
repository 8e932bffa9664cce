"""A suite of store-hours questions. Its package registers it with two lines of pyproject.toml:

[project.entry-points."rsft_bench.suites"]
store_hours = "my_suite:STORE_HOURS"
"""

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import SPLITS, Example, Judgement, Log, Param, SuiteData


class StoreHours:
    name, version, licence = "store_hours", "1", "Apache-2.0"
    attribution = "written for this example"
    requires = frozenset({"sampler"})
    options = (Param("n", 120, "examples in each split"),)
    code = ("my_suite",)  # an edit of these modules makes new keys

    def load(self, options, seed):
        examples, logs = [], []
        for split in SPLITS:
            at = seed if split in ("train", "proxy_label") else 0  # test prompts stay
            for i in range(options["n"]):
                store, day = i % 30, ("Monday", "Friday", "Sunday")[i // 30 % 3]
                closes = f"{stream(at, 'hours', split, store).integers(5, 11)} pm"
                prompt = f"Policy: Give the closing time.\nRecord: {day}: 9 am to {closes}\n"
                prompt += f"Customer: Store {store}, when do you close on {day}?\nAgent:"
                answer = f"We close at {closes} on {day}."
                name, cluster = f"{split}/{at}/{i}", f"{split}-store-{store}"
                facts = {"closes": closes}
                examples.append(Example(name, split, prompt, (answer,), facts, cluster, day))
                if split == "train":
                    logs += [Log(name, answer, "correct"), Log(name, "We close late.", "terse")]
        return SuiteData(tuple(examples), tuple(logs))

    def judge(self, example, text):
        right = example.facts["closes"] in text
        return Judgement(float(right), right, {"facts": float(right)})


STORE_HOURS = StoreHours()
