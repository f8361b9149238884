"""GET /samples: something to send to each diagnosis."""

from typing import Literal

from pydantic import ConfigDict, Field

from schemas.common import ModelName, Part


class SampleFile(Part):
    """A file of a sample."""

    name: str = Field(description="Its name, as in GET /samples/{name}.", examples=["skin-lesion.jpg"])
    media_type: str = Field(description="What it is.", examples=["image/jpeg"])
    field: str | None = Field(
        description="The part of the multipart form that it goes into; null where it is the whole JSON body."
    )


class Sample(Part):
    """Something to send."""

    name: str = Field(description="Its name, as in `medidiagnose sample`.", examples=["skin"])
    diagnosis: ModelName = Field(description="The diagnosis that it is for.")
    path: str = Field(description="Where to send it, with POST.", examples=["/analyze/skin"])
    description: str = Field(description="What it shows.")
    files: tuple[SampleFile, ...] = Field(min_length=1, description="What to send.")


class SampleList(Part):
    """Answer of GET /samples."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "samples": [
                        {
                            "name": "skin",
                            "diagnosis": "skin",
                            "path": "/analyze/skin",
                            "description": "A drawn pigmented lesion, as under a dermatoscope.",
                            "files": [{"name": "skin-lesion.jpg", "media_type": "image/jpeg", "field": "image"}],
                        }
                    ],
                }
            ]
        }
    )

    success: Literal[True] = Field(default=True, description="Always true in an answer.")
    samples: tuple[Sample, ...] = Field(description="The samples, one a diagnosis.")
