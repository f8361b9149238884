"""The service about itself: GET /, /health, /health/live, /health/ready, /symptoms and /models."""

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.common import HEALTH_NAME, MODEL_NAME, ModelName, Part, Precision, Probability

HealthName = Annotated[str, Field(json_schema_extra={"format": HEALTH_NAME})]
ListedModel = Annotated[str, Field(json_schema_extra={"format": MODEL_NAME})]
ModelState = Literal["ready", "loading", "failed", "demo", "absent", "stuck", "failing"]


class ApiInfo(Part):
    """Answer of GET /."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "MediDiagnose-AI",
                    "version": "1.0.0",
                    "description": "Reads medical pictures, symptoms and forms; answers with calibrated estimates.",
                    "endpoints": ["GET /", "GET /health", "GET /symptoms", "POST /analyze/skin"],
                    "disclaimer": "Not a medical device and not a diagnosis.",
                }
            ]
        }
    )

    name: str = Field(description="Name of the service.")
    version: str = Field(description="Version of the service.")
    description: str = Field(description="What it does.")
    endpoints: tuple[str, ...] = Field(description="Every endpoint as `METHOD /path`.")
    disclaimer: str = Field(description="What its answers are not.")


class Health(Part):
    """Answer of GET /health."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "healthy",
                    "models": {
                        "skin_cancer": True,
                        "heart_image": True,
                        "heart_record": True,
                        "breast_cancer": True,
                        "pneumonia": True,
                        "disease": True,
                        "heart_risk": True,
                    },
                    "tensorflow": False,
                }
            ]
        }
    )

    status: Literal["healthy"] = Field(default="healthy", description="The service answers.")
    models: dict[HealthName, bool] = Field(
        description="For each diagnosis, whether a trained model is loaded; false means demo mode or a fault."
    )
    tensorflow: bool = Field(description="Whether TensorFlow is installed, that is, training is possible here.")


class ProblemType(Part):
    """Answer of GET /problems/{kind}: what the `type` of an error means."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "type": "/problems/no-image",
                    "title": "No image provided",
                    "status": 400,
                    "description": "Send the picture as a file in a multipart form, in the part named `image`.",
                }
            ]
        }
    )

    success: Literal[True] = Field(default=True, description="Always true in an answer.")
    type: str = Field(description="The `type` of the errors of this kind.")
    title: str = Field(description="The kind in a few words, as `title` and `error` have it.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    description: str = Field(description="What it means and what to do about it.")


class ProblemTypeList(Part):
    """Answer of GET /problems."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "problems": [
                        {
                            "success": True,
                            "type": "/problems/not-found",
                            "title": "Not found",
                            "status": 404,
                            "description": "There is nothing at this path. GET / lists every endpoint.",
                        }
                    ],
                }
            ]
        }
    )

    success: Literal[True] = Field(default=True, description="Always true in an answer.")
    problems: tuple[ProblemType, ...] = Field(description="Every kind of error that the service answers.")


class Liveness(Part):
    """Answer of GET /health/live."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"] = Field(default="alive", description="The event loop turns.")


class ModelReadiness(Part):
    """State of one model."""

    state: ModelState = Field(
        description="`demo`: no bundle is installed, a fixed sample is answered. `absent`: no bundle is installed, and "
        "demo mode is off. `failed`: its bundle must not be served. `stuck`: work of it has run past the deadline and "
        "has not ended. `failing`: its network fails on every input."
    )
    version: str | None = Field(default=None, description="Version of the bundle, null without one.")
    detail: str | None = Field(
        default=None,
        description="What is wrong, where the state is `failed`, `stuck` or `failing`, or a worker does not answer.",
    )
    demo: bool = Field(default=False, description="Whether a fixed sample is answered for want of a bundle.")


class Readiness(Part):
    """Answer of GET /health/ready, with status 200 when ready and 503 when not."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "models": {
                        "skin": {"state": "ready", "version": "1.0.0", "detail": None, "demo": False},
                        "breast": {"state": "demo", "version": None, "detail": None, "demo": True},
                    },
                }
            ]
        }
    )

    status: Literal["ready", "not ready", "stopping"] = Field(
        description="Ready when every model that has a bundle is, until the service is told to stop."
    )
    models: dict[ListedModel, ModelReadiness] = Field(description="State of each model.")


class ModelReload(Part):
    """What became of one model."""

    outcome: Literal["loaded", "unchanged", "refused", "kept", "absent"] = Field(
        description="`loaded`: `version` serves from now on. `unchanged`: what served goes on. `refused`: the active "
        "bundle must not be served; what served goes on. `kept`: the bundle is no longer there; what was loaded goes "
        "on. `absent`: there is no bundle and was none."
    )
    old_version: str | None = Field(description="Version that served before, null where none did.")
    version: str | None = Field(description="Version that serves now, null where none does.")
    reason: str | None = Field(description="Why, where the outcome is `refused` or `kept`.")


class ReloadReport(Part):
    """Answer of POST /admin/reload."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "models": {
                        "skin": {"outcome": "loaded", "old_version": "1.0.0", "version": "1.1.0", "reason": None}
                    },
                }
            ]
        }
    )

    success: bool = Field(description="Whether every bundle that is active serves: none was refused or kept.")
    models: dict[ListedModel, ModelReload] = Field(description="What became of each model.")


class SymptomList(Part):
    """Answer of GET /symptoms."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"success": True, "symptoms": ["fever", "fatigue", "headache", "cough"], "count": 4, "body_parts": None}
            ]
        }
    )

    success: Literal[True] = Field(default=True, description="Always true in an answer.")
    symptoms: tuple[str, ...] = Field(description="The symptoms that POST /predict-disease knows, in order.")
    count: int = Field(ge=0, description="How many they are.")
    body_parts: dict[str, tuple[str, ...]] | None = Field(
        default=None, description="The same by part of the body, where asked for with `?grouped=true`, else null."
    )


class MeasuredEstimate(Part):
    """A measured figure with its 95 % bootstrap interval."""

    value: float = Field(description="The figure.", examples=[0.962])
    low: float = Field(description="Lower end of the interval.", examples=[0.955])
    high: float = Field(description="Upper end of the interval.", examples=[0.969])
    n: int = Field(ge=0, description="Cases measured; of a share those it is a share of.", examples=[1512])


class DataUse(Part):
    """A data set that the model learned from or was measured on."""

    name: str = Field(description="Name of the data set.", examples=["HAM10000"])
    use: str = Field(description="What it was used for.", examples=["training, validation, test"])
    licence: str = Field(description="Its licence.")
    citation: str = Field(description="How its authors ask to be cited.")


class DecisionThreshold(Part):
    """An operating point: the class counts as present where its probability reaches the threshold."""

    code: str = Field(description="Code of the class.", examples=["mel"])
    threshold: Probability = Field(description="Probability, 0-1.")
    rule: str = Field(description="How it was chosen.")
    sensitivity: float = Field(description="Of what it was chosen on, 0-1.")
    specificity: float = Field(description="Of what it was chosen on, 0-1.")
    prevalence: float | None = Field(
        default=None, description="The share with the class, 0-1, that the predictive values hold for."
    )
    positive_predictive_value: float | None = Field(
        default=None, description="Of those over the threshold the share with the class, 0-1."
    )
    negative_predictive_value: float | None = Field(
        default=None, description="Of those below the threshold the share without it, 0-1."
    )


class MeasuredAsServed(Part):
    """What was measured of the network that answers, through the service's own preparing, judging and reading."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    measured: date = Field(description="Day of the newest measurement.")
    note: str = Field(description="What has to be known of the figures; often empty.")
    sets: dict[str, dict[str, MeasuredEstimate]] = Field(
        description="Measured set, then figure, with intervals. What is refused or not settled counts as missed and as "
        "a false alarm. Diagrams of reliability, groups of people and what is mistaken are in the card."
    )


class ModelSummary(Part):
    """What is loaded, what it learned from and how well it was measured.

    The fields but the last are named as in the bundle's metadata, which they are read from.
    """

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    name: ModelName = Field(description="Name of the bundle.")
    version: str = Field(description="Version of the bundle.")
    created: date = Field(description="Day it was made.")
    precision: Precision = Field(description="Arithmetic of the network.")
    task: Literal["multiclass", "multilabel"] = Field(description="Whether its classes exclude one another.")
    classes: tuple[str, ...] = Field(description="Codes of the classes, in index order.")
    sha256: str = Field(description="Checksum of the network file.")
    licence: str = Field(description="Licence of the trained model.")
    data: tuple[DataUse, ...] = Field(description="Data sets behind it.")
    operating_points: tuple[DecisionThreshold, ...] = Field(description="Decision thresholds.")
    metrics: dict[str, dict[str, MeasuredEstimate]] = Field(
        description="Measured quality: test set, then figure, with intervals."
    )
    as_served: MeasuredAsServed | None = Field(
        default=None,
        description="What was measured of it as it is served; null where nothing was, or of another network.",
    )


class ModelList(Part):
    """Answer of GET /models."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "models": [
                        {
                            "name": "skin",
                            "version": "1.0.0",
                            "created": "2026-11-23",
                            "precision": "fp32",
                            "task": "multiclass",
                            "classes": ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"],
                            "sha256": "0" * 64,
                            "licence": "CC-BY-NC-4.0",
                            "data": [
                                {
                                    "name": "HAM10000",
                                    "use": "training, validation, test",
                                    "licence": "CC-BY-NC-4.0",
                                    "citation": "Tschandl P et al. Sci Data 2018;5:180161",
                                }
                            ],
                            "operating_points": [
                                {
                                    "code": "mel",
                                    "threshold": 0.2,
                                    "rule": "sensitivity of at least 0.9",
                                    "sensitivity": 0.9,
                                    "specificity": 0.8,
                                }
                            ],
                            "metrics": {"test": {"macro_auroc": {"value": 0.96, "low": 0.95, "high": 0.97, "n": 2000}}},
                            "as_served": {
                                "measured": "2026-11-27",
                                "note": "",
                                "sets": {"test": {"refused": {"value": 0.01, "low": 0.0, "high": 0.02, "n": 2000}}},
                            },
                        }
                    ],
                }
            ]
        }
    )

    success: Literal[True] = Field(default=True, description="Always true in an answer.")
    models: tuple[ModelSummary, ...] = Field(description="The models that are loaded.")
