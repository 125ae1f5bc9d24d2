"""Adapters to Azure: what talks, and decides nothing. Which of them run is settled in homeostat/bootstrap.py alone."""
