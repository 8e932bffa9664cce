"""How the nodes of a run's graph get executed."""
