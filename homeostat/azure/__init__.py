"""Adapters to Azure: they talk, and decide nothing. Only homeostat/bootstrap.py decides which of them are used."""
