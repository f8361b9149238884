"""Trains, measures and exports the models the service ships, and those of one's own pictures.

Needs the `training` extra. What the command line does, Python does in a few lines; every option of a command is an
entry of `options`:

    from pathlib import Path

    from training.diagnoses import Job, training_called

    job = Job(data=Path("my_pictures"), runs=Path("runs"), options={"name": "retina", "steps": 1500})
    retina = training_called("pictures")
    retina.train(job)  # runs/retina/: model.keras, history.csv, a backup that `resume=True` goes on from
    bundle = retina.make_bundle(job)  # runs/retina/bundle/: calibrated, exported, measured on validation
    bundle = retina.measure_test(job)  # once, when everything is chosen
    macro_auroc = bundle.metadata.metrics["test"]["macro_auroc"].value

`my_pictures` holds a folder for each class, or a labels.csv (see `training.datasets.own_pictures`). The bundle is
served as soon as it lies in `<bundles>/retina/<version>`. `training_called("skin")` and the others train what is
shipped, from the data sets' published layouts in `data`.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""As in `models`, which some modules here import after ONNX Runtime."""
