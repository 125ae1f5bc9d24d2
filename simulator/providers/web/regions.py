"""Region names as App Service shows them: `westeurope` is stored by ARM, `West Europe` is answered."""

_NAMES = (
    "Australia East,Australia Southeast,Brazil South,Canada Central,Canada East,Central India,Central US,East Asia,"
    "East US,East US 2,France Central,Germany West Central,Italy North,Japan East,Japan West,Korea Central,"
    "North Central US,North Europe,Norway East,Poland Central,South Africa North,South Central US,South India,"
    "Southeast Asia,Spain Central,Sweden Central,Switzerland North,UAE North,UK South,UK West,West Central US,"
    "West Europe,West India,West US,West US 2,West US 3"
)
_DISPLAY = {name.lower().replace(" ", ""): name for name in _NAMES.split(",")}


def compact(location: str) -> str:
    return location.lower().replace(" ", "")


def display(location: str) -> str:
    """The display form; a region that is not in the table comes back as it was written."""
    return _DISPLAY.get(compact(location), location)
