"""Microsoft.Web: App Service plans, web apps and their slots.

This provider has peculiarities, which were recorded from Azure. It ignores If-Match, and its ETag is only a header. A
write of app settings replaces all of them. Locations are shown in display form. A site has about 95 properties, most of
them null, and the api-version decides which ones. VNet integration has two doors, and route-all four places.

`state` is what a site really is, `shape` how each api-version shows it, and `types` which URLs there are. The other
modules answer them.
"""

from simulator.providers.web.types import FUNCTIONS, TYPES

__all__ = ["FUNCTIONS", "TYPES"]
