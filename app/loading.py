"""The models that the settings ask for. Without the diagnoses and the web framework, which are imported while they
load."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from app.settings import PREFIX, Settings, SettingsError
from models.memory import keep_heaps_small
from models.serving.loading import BundleLoader, MakeNetwork, why_unreadable

logger = logging.getLogger("medidiagnose.models")


def start_loading(
    settings: Settings, *, make_network: MakeNetwork | None = None, versions: Mapping[str, str] | None = None
) -> BundleLoader:
    """Start to load the bundles of these settings, at first in these `versions`, where they are still there. Tests may
    put in their own networks.

    Raises `SettingsError` where the folder of the models is not there, can't be read or holds none, although it was
    asked for or demo mode is off, unless demo mode was asked for: nobody who meant to serve a model may find samples
    answered in its place.
    """
    keep_heaps_small()
    loader = BundleLoader(
        settings.bundles,
        threads=settings.threads,
        precision=settings.precision,
        active=settings.active_models,
        make_network=make_network,
        versions=versions,
    )
    from models.diagnoses.catalogue import DIAGNOSES, own_names  # takes as long as the models do, beside them

    names = [diagnosis.name for diagnosis in DIAGNOSES]
    try:
        refuse_missing_models(settings)
    except SettingsError:
        loader.close()
        raise
    loader.expect(names, own_names)
    for name in names:
        if name not in loader.models:
            what = "a fixed sample in demo mode" if settings.demo_mode else "503"
            logger.warning("Model %s has no bundle: its requests are answered with %s.", name, what)
    return loader


@contextmanager
def loading_one(settings: Settings, name: str, make_network: MakeNetwork | None = None) -> Iterator[BundleLoader]:
    """Load the bundle of that name alone, from now on. Tests and benchmarks may put in their own network.

    Meanwhile the log of the models, which would warn of every other, says nothing: who asked tells what became of it.
    """
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    loader = BundleLoader(
        settings.bundles,
        [name],
        threads=settings.threads,
        precision=settings.precision,
        active=settings.active_models,
        make_network=make_network,
    )
    try:
        yield loader
    finally:
        loader.close()
        logger.setLevel(level)


def refuse_missing_models(settings: Settings) -> None:
    """Raises `SettingsError` as `start_loading` does."""
    from models.diagnoses.catalogue import DIAGNOSES, own_names

    names = [diagnosis.name for diagnosis in DIAGNOSES]
    if _needs_models(settings) and (reason := why_unreadable(settings.bundles, [*names, *own_names(settings.bundles)])):
        raise SettingsError(
            f"{PREFIX}BUNDLES: {reason} Name the folder that holds <name>/<version> of each trained model, or set "
            f"{PREFIX}DEMO_MODE=true to answer fixed samples without any."
        )


def _needs_models(settings: Settings) -> bool:
    if not settings.demo_mode:
        return True
    return "bundles" in settings.model_fields_set and "demo_mode" not in settings.model_fields_set
