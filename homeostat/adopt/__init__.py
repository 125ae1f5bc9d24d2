"""From a live web app to the spec that declares it: what is there is read, judged and written down.

`survey` reads, `sections` says how each kind is declared, `secrecy` what must not be written, `text` writes YAML,
`adoption` puts them together and takes out what would not hold, `command` is the command line's end. Nothing here
writes to Azure.
"""
