"""From a live web app to the spec that declares it: what is there is read, judged and written down.

`survey` reads, `sections` says how each kind is declared, `secrecy` what must not be written, `text` writes YAML, and
`adoption` puts them together and removes what would not hold. The command itself is `homeostat.cli.adopt`. Nothing here
writes to Azure.
"""
