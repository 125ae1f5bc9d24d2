"""Runs a Python function app outside Azure, with the Functions host's own outward behaviour.

The app's code is indexed and invoked by Microsoft's own worker library (azure-functions-runtime); what lives here is
the host's half: URLs and keys (`http`, `keys`, `eventgrid`), triggers (`queues`, `timers`) and the process around
them (`host`, `__main__`). Nothing that ships to Azure imports this package, and nothing here knows what the app does.

Use `python -m devhost`, or `devhost.host.running_host` in a test. A process holds one function app at a time: the
worker library keeps its registry in module globals.
"""
