"""Whether a request that got no answer can have reached the service."""

from azure.core.exceptions import AzureError, ServiceRequestError


def was_sent(error: AzureError) -> bool:
    """Whether the request can have reached the service.

    azure-core's aiohttp transport reports a connection lost after sending as ServiceRequestError too, which elsewhere
    means "never sent"; only aiohttp's own error tells the two apart.
    """
    if not isinstance(error, ServiceRequestError):
        return True
    import aiohttp  # here, since naming a storage account must not load it; whoever raised this error has

    cause = error.inner_exception
    return isinstance(cause, aiohttp.ClientError) and not isinstance(
        cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
    )
