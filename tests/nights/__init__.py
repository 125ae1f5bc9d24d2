"""Deterministic simulation: nights of trouble, drawn from seeds, on a virtual clock (docs/simulation.md).

- `schedule` is a night as data; `draw` makes one of a seed; `declared`, `place`, `people` and `faults` say what it can
  hold.
- `clock`, `azure`, `ports`, `instance`, `host` and `night` live through it, with the real engine, service, remediators,
  SDKs and pipeline, and leave a `trace`.
- `promises` judge the trace through `evidence`; `shrink` makes a failing night small; `many` and `__main__` are
  `make sim`.

What is not here: the simulated ARM (`simulator`) and what is simulated of storage (`homeostat/memory.py`).
"""
