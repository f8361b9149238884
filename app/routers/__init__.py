"""The routes: a file a diagnosis, one for those that bundles describe, and files for the service itself."""

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

_OTHERS = ("admin", "meta", "own_pictures", "problem_types", "samples", "tensors")


def of_the_diagnoses() -> Sequence[APIRouter]:
    """The router of each diagnosis's file here, forms first, since their answers take no longer than finding the
    route."""
    names = [module.name for module in iter_modules(__path__) if module.name not in _OTHERS]
    routers: list[APIRouter] = [import_module(f"{__name__}.{name}").router for name in names]
    return sorted(routers, key=lambda router: router.tags != ["forms"])
