"""Deterministic simulation: nights of trouble, drawn from seeds, on a virtual clock (docs/simulation.md).

- `schedule` is a night as data, and `draw` makes one from a seed. `declared`, `place`, `people` and `faults` say what
  it can contain.
- `clock`, `azure`, `ports`, `instance`, `host` and `night` run it with the real engine, service, remediators, SDKs and
  pipeline, and record a `trace`.
- `promises` judge the trace through `evidence`. `shrink` reduces a failing night. `many` and `__main__` are `make sim`.

The simulated ARM is in `simulator`, the simulated storage in `homeostat/memory.py`.
"""
