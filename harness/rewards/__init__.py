"""Rewards: text checks for gold, and the learned proxy."""
