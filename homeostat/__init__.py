"""HOW the loop runs: its pure core, the engine, and the adapters that talk to Azure.

WHAT can drift lives in `remediators/`; the triggers live in `function_app.py`.
"""
