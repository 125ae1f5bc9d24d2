"""HTTP: the API that people and pipelines use, and the dashboard. What it does is done by `homeostat.service`."""
