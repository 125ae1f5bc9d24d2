"""What a queue message says: base64, as the Functions host has it, or whatever else somebody put there.

The host moves what it cannot decode to the poison queue as it is. There it has to be read by somebody after all.
"""

from typing import Any, override

from azure.core.exceptions import DecodeError
from azure.storage.queue import TextBase64DecodePolicy


class LenientDecodePolicy(TextBase64DecodePolicy):
    @override
    def decode(self, content: str, response: Any) -> str:
        try:
            return super().decode(content, response)
        except DecodeError:
            return content
