"""`python -m bench`: every measurement, one after the other."""

from bench import repair_latency

MEASUREMENTS = (repair_latency.main,)

for measure in MEASUREMENTS:
    measure()
    print()
