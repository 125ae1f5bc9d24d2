"""What the app is told by its App Service settings: names of backends, and never a password."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

REQUIRED = ("SQL_SERVER_FQDN", "SQL_DATABASE_NAME", "REDIS_HOST", "REDIS_PORT", "KEY_VAULT_URI")


class WrongSettings(Exception):
    """App settings are missing or cannot be meant; the message names each of them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """redis_key_secret: the Key Vault secret that holds the cache's access key; empty, Entra vouches for the app."""

    sql_server: str
    sql_database: str
    redis_host: str
    redis_port: int
    redis_key_secret: str
    key_vault_uri: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises WrongSettings."""
        values = {name: environment.get(name, "").strip() for name in REQUIRED}
        problems = [f"{name} is not set" for name, value in values.items() if not value]
        if values["REDIS_PORT"] and not values["REDIS_PORT"].isdecimal():
            problems.append(f"REDIS_PORT is {values['REDIS_PORT']!r}: give a number, 6380 for TLS")
        # The value goes into a connection string, where these characters would begin something else.
        problems += [f"{name} has one of ; {{ }}" for name in REQUIRED[:2] if set(values[name]) & set(";{}")]
        vault = urlsplit(values["KEY_VAULT_URI"])
        if values["KEY_VAULT_URI"] and (vault.scheme != "https" or not vault.hostname):
            problems.append("KEY_VAULT_URI is no https:// address")
        if problems:
            raise WrongSettings("; ".join(problems))
        return cls(
            sql_server=values["SQL_SERVER_FQDN"],
            sql_database=values["SQL_DATABASE_NAME"],
            redis_host=values["REDIS_HOST"],
            redis_port=int(values["REDIS_PORT"]),
            redis_key_secret=environment.get("REDIS_KEY_SECRET", "").strip(),
            key_vault_uri=values["KEY_VAULT_URI"],
        )
