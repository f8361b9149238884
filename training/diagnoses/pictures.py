"""Pictures of one's own: a model of classes that are called as their folders are, or, with `--like`, of a diagnosis
that is shipped, from one's own pictures."""

from dataclasses import replace
from functools import partial

import yaml

from models.diagnoses.catalogue import TAKEN
from models.diagnoses.picture import why_not
from models.preprocessing.picture import ImagePreprocessing
from models.serving.bundle import KNOWLEDGE_FILE, Bundle, DataSource
from training.calibrate import OperatingRule
from training.datasets import own_pictures
from training.diagnoses import skin, xray
from training.diagnoses.picture_task import PictureTask, training_of_pictures
from training.diagnoses.training import Job, Option
from training.errors import TrainingError
from training.recipe import Recipe
from training.splits import Splits

LIKE = {task.name: task for task in (skin.TASK, xray.TASK)}
LICENCE = "that of the pictures; fill in before you pass the model on"

_HEADER = """\
# What the service says of each class. Fill in the texts, name your sources, and set a severity (healthy, low, moderate,
# high, critical) once it is known what a finding means; as long as it is uncertain, answers say so.
"""


def task_of(job: Job) -> PictureTask:
    """What a job's `--name` or `--like` asks for. Raises `TrainingError` for a name that can't be served."""
    like, name = job.options.get("like"), job.options.get("name")
    if like:
        return like_shipped(LIKE[like], job).chosen(dict(job.options))
    if not name:
        raise TrainingError("Say with --name what the model is to be called, or with --like which diagnosis it is of.")
    if why := why_not(name, TAKEN):
        raise TrainingError(f"{name} is no name for a model: {why}")
    return own(name, job).chosen(dict(job.options))


def own(name: str, job: Job) -> PictureTask:
    """A model of whatever classes the job's pictures have."""
    if job.options.get("smoke"):
        found = own_pictures.OwnPictures({"left": "Left", "right": "Right"}, Splits([], [], []), ())
    else:
        found = own_pictures.load(job.data)
    return PictureTask(
        title=name.replace("_", " ").capitalize(),
        version=job.options.get("version") or "1.0.0",
        licence=LICENCE,
        sources=(_source(),),
        recipe=Recipe(
            name=name,
            classes=tuple(found.classes),
            preprocessing=ImagePreprocessing(size=job.options.get("size", 224), framing="letterbox"),
            augmentation="photograph",
            steps=1500,
            validate_every=150,
            mixup=0.2,
            balance=0.9,
        ),
        load=lambda _: found.splits,
        operating_rules=tuple(OperatingRule(code) for code in found.classes),
        report_by=found.attributes,
        finish=partial(write_knowledge, classes=found.classes),
    )


def like_shipped(task: PictureTask, job: Job) -> PictureTask:
    """The task of a shipped diagnosis, with one's own pictures in the place of its data sets."""
    version = job.options.get("version") or f"{task.version}+own"
    if job.options.get("smoke"):
        return replace(task, version=version)
    found = own_pictures.load(job.data, task.recipe.classes)
    return replace(
        task,
        version=version,
        licence=LICENCE,
        sources=(_source(),),
        recipe=replace(task.recipe, stratum=None, stratum_shares={}, folds=0),
        load=lambda _: found.splits,
        report_by=found.attributes,
        test_by=None,
        only_tested=lambda _: False,
        objective=None,
    )


def write_knowledge(bundle: Bundle, classes: dict[str, str]) -> Bundle:
    """Write knowledge.yaml into the bundle's folder, unless one with the same classes is there already."""
    file = bundle.folder / KNOWLEDGE_FILE
    if file.is_file():
        kept = yaml.safe_load(file.read_text(encoding="utf-8"))
        if [each["code"] for each in kept["classes"]] == list(classes):
            return bundle
    urgency = {
        "timeline": "Not stated",
        "action": "Have a professional judge the picture; this text is still to be written",
        "color": "yellow",
    }
    advice = ["What to do about this finding is still to be written"]
    document = {
        "sources": {"own": "Still to be named"},
        "title": bundle.metadata.name.replace("_", " ").capitalize(),
        "not_assessed": ["Anything but the classes this model was trained on"],
        "classes": [
            {
                "code": code,
                "name": name.replace("_", " ").strip(),
                "severity": "uncertain",
                "urgency": {"source": "own", "value": dict(urgency)},
                "recommendations": {"source": "own", "value": list(advice)},
            }
            for code, name in classes.items()
        ],
    }
    written = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    file.write_text(_HEADER + written, encoding="utf-8")
    return bundle


def _source() -> DataSource:
    return DataSource(
        name="Own pictures", use="trained on, calibrated on and tested on", licence=LICENCE, citation="none"
    )


TRAINING = training_of_pictures(
    "pictures",
    "Pictures of one's own",
    "",
    task_of,
    options=(
        Option("name", "what the model is to be called: lower-case letters, digits and _"),
        Option(
            "like",
            "train this diagnosis on one's own pictures; breast needs two labels of each, biopsy and BI-RADS, and is "
            "trained from its data sets alone",
            choices=tuple(LIKE),
        ),
        Option("size", "edge of the pictures that the network sees; default: 224", int),
        Option("version", "version of the bundle; default: 1.0.0, or with --like its own with +own"),
    ),
    own_data=True,
)
