"""The models that the settings ask for. Without the web framework, which is imported while they open."""

from typing import get_args

from app.settings import Settings
from models.opening import MakeNetwork, Opening
from schemas.common import Diagnosis


def open_models(settings: Settings, *, make_network: MakeNetwork | None = None) -> Opening:
    """Start to open the bundles of these settings. Tests may put in their own networks."""
    return Opening(
        settings.bundles,
        get_args(Diagnosis),
        threads=settings.threads,
        precision=settings.precision,
        make_network=make_network,
    )
