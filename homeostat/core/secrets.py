"""Which values must be neither stored in a spec nor shown: judged from name and value. Pure.

It errs towards secrecy for what is shown (`is_secret_name` suffices), and towards certainty for what is refused
(`looks_like_secret` wants evidence in the value itself).
"""

import re
from collections import Counter
from math import log2

_KEY_VAULT = re.compile(r"\s*@Microsoft\.KeyVault\(.*\)\s*", re.IGNORECASE | re.DOTALL)

_NAME_WORDS = re.compile(
    r"passw(or)?d|passphrase|(?<![a-z])pwd|(?<![a-z])pass(?![a-z])|dbpass|secret|token|credential|connection_?string"
    r"|(?<![a-z])pat(?![a-z])|(?<![a-z])sas(?![a-z])"
    r"|(api|access|account|shared|private|encryption|decryption|signing|storage|client|master|function|host)[_.:-]*key",
    re.IGNORECASE,
)

_NOT_SECRET_NAMES = re.compile(
    r"(uri|url|endpoint|name|path|enabled|type|version|expiry|ttl|length|id)$", re.IGNORECASE
)

_GIVEAWAYS = tuple(
    re.compile(pattern)
    for pattern in (
        # connection strings; the value after the `=` is what is secret
        r"(?i)\b(AccountKey|SharedAccessKey|SharedSecretValue|Password|Pwd)\s*=\s*(?!\s*(;|$|\{|<|@Microsoft))[^;\s]{3,}",
        r"(?i)[?&]sig=[A-Za-z0-9%+/=]{20,}",  # a shared access signature
        r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,100}:[^\s/@{<]{3,}@",  # a password inside a URL
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # a JSON Web Token (RFC 7519)
        r"\b(ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,}",  # GitHub tokens
        r"\bgithub_pat_[A-Za-z0-9_]{40,}",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",  # Slack tokens
        r"\bAKIA[A-Z0-9]{16}\b",  # an AWS access key
        r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b",  # an Azure DevOps personal access token
        r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}\b",  # an Entra client secret
    )
)

_RANDOM_LOOKING = re.compile(r"[A-Za-z0-9+/_~.-]{20,}={0,2}")
_MIN_ENTROPY = 3.0  # bits a character; hexadecimal reaches 4, words and host names are dotted and recognised apart
_HOST_NAME = re.compile(r"([a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)


def is_key_vault_reference(value: str) -> bool:
    """Whether it is `@Microsoft.KeyVault(...)`, which names a secret and holds none.

    https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
    """
    return _KEY_VAULT.fullmatch(value) is not None


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name is likely to hold a secret: DB_PASSWORD, but not KEY_VAULT_URI or TOKEN_URL."""
    return _NAME_WORDS.search(name) is not None and _NOT_SECRET_NAMES.search(name) is None


def looks_like_secret(name: str, value: str) -> bool:
    """Whether the value has the form of a secret, or is long and random under a secret-like name."""
    if is_key_vault_reference(value):
        return False
    if any(giveaway.search(value) for giveaway in _GIVEAWAYS):
        return True
    return is_secret_name(name) and _is_random(value)


def _is_random(value: str) -> bool:
    text = value.strip()
    return (
        _RANDOM_LOOKING.fullmatch(text) is not None
        and _HOST_NAME.fullmatch(text) is None
        and any(character.isdigit() for character in text)
        and _entropy(text) >= _MIN_ENTROPY
    )


def _entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(count / len(text) * log2(count / len(text)) for count in Counter(text).values())
