"""The errors that cross module borders: the one that stops the host, and the one that fails a run."""


class DevHostError(Exception):
    """The app or its settings cannot be served. The message says what to change; the process ends with exit code 2."""


class DeliveryError(Exception):
    """What a function put out could not be delivered, which makes its run a failed one."""
