"""Training of the shipped policy ``nano-1`` from random weights on generated text.

Run ``python -m rsft_bench.harness.policies.nano_training --out DIR --steps N --seed S``.
"""
