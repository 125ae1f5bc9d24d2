"""Decodes a queue message: base64, as the Functions host writes it, or whatever else somebody put there.

The host moves a message that it cannot decode to the poison queue unchanged, and people have to read it there.
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
