"""Channels that carry alerts out. What an alert says is decided in the core; whether it went out, by the outbox."""
