"""Microsoft.Web: App Service plans, web apps and their slots.

What is peculiar to this provider, as recorded from Azure: no If-Match is honoured and the ETag is a header only; a
write of app settings replaces them all; locations are shown in display form; a site has about 95 properties, most of
them null, and which ones depends on the api-version; VNet integration has two doors and route-all four places.

`state` is what a site really is, `shape` how each api-version shows it, `types` which URLs there are; the other modules
answer them.
"""

from simulator.providers.web.types import FUNCTIONS, TYPES

__all__ = ["FUNCTIONS", "TYPES"]
