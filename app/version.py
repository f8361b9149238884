"""The version of what is installed."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version, or `0+unknown` where the package was never installed."""
    try:
        return version("medidiagnose-ai")
    except PackageNotFoundError:
        return "0+unknown"
