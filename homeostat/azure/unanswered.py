"""Of a request without an answer: whether the other side can have had it."""

from azure.core.exceptions import AzureError, ServiceRequestError


def was_sent(error: AzureError) -> bool:
    """Whether the request can have reached the service.

    azure-core's aiohttp transport reports a connection lost after sending as ServiceRequestError too, which elsewhere
    means "never sent"; only aiohttp's own error tells the two apart.
    """
    if not isinstance(error, ServiceRequestError):
        return True
    import aiohttp  # here, since naming a storage account needs none of it; whoever raised this has it

    cause = error.inner_exception
    return isinstance(cause, aiohttp.ClientError) and not isinstance(
        cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
    )
