"""What a night costs, by the list prices in prices.json. Resource Manager and Resource Graph are free of charge."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.scaling.night import Came

_LIST: Final = Path(__file__).with_name("prices.json")
_READING: Final = frozenset({"blobs.read"})


def cost(came: Came, gigabytes: float, events: int) -> Mapping[str, float]:
    """The costs, by item, in the currency of the list. gigabytes: of an instance. events: of the whole day."""
    prices = json.loads(_LIST.read_text(encoding="utf-8"))
    stored = came.stored
    tables = sum(count for name, count in stored.items() if name.startswith("documents."))
    queues = sum(count for name, count in stored.items() if name.startswith("queues."))
    blobs = sum(count for name, count in stored.items() if name.startswith("blobs."))
    read = sum(count for name, count in stored.items() if name in _READING)
    return {
        f"instances at work, {came.bill.active * gigabytes:,.0f} GB-s": (
            came.bill.active * gigabytes * prices["gbSecond"]
        ),
        f"executions, {came.bill.executions:,}": came.bill.executions / 1e6 * prices["millionExecutions"],
        f"table transactions, {tables:,}": tables / 1e4 * prices["tenThousandTableTransactions"],
        f"queue operations, {queues:,}": queues / 1e4 * prices["tenThousandQueueOperations"],
        f"blob operations, {blobs:,}": (
            read / 1e4 * prices["tenThousandBlobReads"] + (blobs - read) / 1e4 * prices["tenThousandBlobWrites"]
        ),
        f"events, {events:,} of the day": events / 1e6 * prices["millionEvents"],
        "calls to Azure": 0.0,
    }


def source() -> str:
    prices = json.loads(_LIST.read_text(encoding="utf-8"))
    return f"list prices of {prices['region']} in {prices['currency']}, as of {prices['asOf']}"
