"""The HTTP functions' answers: JSON, for refusals too."""

import json
from collections.abc import Mapping
from typing import Any

import azure.functions as func


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    text = json.dumps(body)  # as ASCII: a setting may hold what UTF-8 cannot encode
    return func.HttpResponse(text, status_code=status, headers=dict(headers or {}), mimetype="application/json")


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    return answer({"error": {"code": code, "message": message}}, status, headers)
