"""The fleet in force: where its specs come from, which web apps selectors select, and what is no longer managed.

What the texts mean is decided in `homeostat.core.spec`. `claim` and `ages` let one instance query Azure for all.
"""
