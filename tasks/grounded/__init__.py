"""Suites of task-oriented dialogues with system acts: answers that must state the acts' values.

Shared by the adapters ``sgd``, ``multiwoz`` and ``crosswoz``. Owns what a language, a turn, a
split, a training answer and a judgement are; each adapter owns how upstream's files are read.
"""
