"""Of a request without an answer: whether the other side can have had it."""

import aiohttp
from azure.core.exceptions import AzureError, ServiceRequestError


def was_sent(error: AzureError) -> bool:
    """Whether the request can have reached the service.

    azure-core's aiohttp transport reports a connection lost after sending as ServiceRequestError too, which elsewhere
    means "never sent"; only aiohttp's own error tells the two apart.
    """
    if not isinstance(error, ServiceRequestError):
        return True
    cause = error.inner_exception
    return isinstance(cause, aiohttp.ClientError) and not isinstance(
        cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
    )
