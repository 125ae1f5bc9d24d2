"""HTTP: the API for people and pipelines, and the dashboard. The work is done by `homeostat.service`."""
