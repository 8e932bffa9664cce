"""Costs: measured seconds and memory, analytic parameter and FLOP counts."""
