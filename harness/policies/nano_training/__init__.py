"""Training of the shipped policy ``nano-1`` from random weights on generated text.

Two phases: general customer service, then the same with trade in goods (``shop``). Run
``python -m rsft_bench.harness.policies.nano_training --out DIR --seed S``; ``--steps`` and
``--goods-steps`` set the lengths of the phases.
"""
