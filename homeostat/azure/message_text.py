"""What a queue message says: base64, as the Functions host has it, or whatever else somebody put there.

The host moves what it cannot decode to the poison queue as it is. There it has to be read by somebody after all.
"""

import base64
from typing import Any, override

from azure.storage.queue import TextBase64DecodePolicy


class LenientDecodePolicy(TextBase64DecodePolicy):
    @override
    def decode(self, content: str, response: Any) -> str:
        try:
            return base64.b64decode(content, validate=True).decode()
        except ValueError:
            return content
