"""Every operation of the service by the generated Python client.

    python every_route.py URL SAMPLES ADMIN_KEY

SAMPLES is the folder of `medidiagnose sample all`. Exit status 1 where an answer is a problem.
"""

import json
import sys
from pathlib import Path
from typing import TypeVar

from medidiagnose_client import AuthenticatedClient, Client
from medidiagnose_client.api.forms import list_symptoms, predict_disease, predict_heart
from medidiagnose_client.api.pictures import (
    analyze_breast,
    analyze_heart,
    analyze_heart_record,
    analyze_own_picture,
    analyze_skin,
    analyze_xray,
)
from medidiagnose_client.api.service import (
    describe_problem_type,
    describe_service,
    health,
    list_models,
    list_problem_types,
    list_samples,
    live,
    metrics,
    model_card,
    ready,
    reload_models,
    sample_file,
)
from medidiagnose_client.models import (
    AnalyzeBreastBody,
    AnalyzeHeartBody,
    AnalyzeHeartRecordBody,
    AnalyzeOwnPictureBody,
    AnalyzeSkinBody,
    AnalyzeXrayBody,
    DiseaseRequest,
    HeartRiskRequest,
    Problem,
)
from medidiagnose_client.types import File

Answer = TypeVar("Answer")


def told(answer: Answer | Problem | None) -> Answer:
    """The answer itself; a problem ends the program."""
    if answer is None or isinstance(answer, Problem):
        sys.exit(f"no answer but {answer}")
    return answer


def opened(samples: Path, name: str, media_type: str) -> File:
    """A file to send."""
    return File((samples / name).open("rb"), name, media_type)


def read_pictures(client: Client, samples: Path) -> None:
    """Each route that takes files."""
    lesion = "skin-lesion.jpg"
    skin = told(analyze_skin.sync(client=client, body=AnalyzeSkinBody(opened(samples, lesion, "image/jpeg"))))
    print(skin.prediction.code, skin.severity, skin.urgency.color, skin.success is True)
    film = opened(samples, "chest-xray.jpg", "image/jpeg")
    print(told(analyze_xray.sync(client=client, body=AnalyzeXrayBody(film))).prediction.name)
    ultrasound = AnalyzeBreastBody(opened(samples, "breast-ultrasound.jpg", "image/jpeg"), setting="screening")
    print(told(analyze_breast.sync(client=client, body=ultrasound, explain=True)).prediction.birads)
    sheet = AnalyzeHeartBody(opened(samples, "ecg-sheet.png", "image/png"), age=61, sex="female")
    print(told(analyze_heart.sync(client=client, body=sheet, explain=True)).prediction.code)
    header, signal = (
        opened(samples, f"ecg-record.{end}", kind)
        for end, kind in (("hea", "text/plain"), ("dat", "application/octet-stream"))
    )
    print(told(analyze_heart_record.sync(client=client, body=AnalyzeHeartRecordBody(header, signal))).prediction.code)
    own = AnalyzeOwnPictureBody(opened(samples, lesion, "image/jpeg"))
    print(told(analyze_own_picture.sync("retina", client=client, body=own)).prediction.code)


def read_forms(client: Client, samples: Path) -> None:
    """Each route that takes JSON, with the bodies of the samples."""
    symptoms = DiseaseRequest.from_dict(json.loads((samples / "symptoms.json").read_text(encoding="utf-8")))
    print(told(predict_disease.sync(client=client, body=symptoms)).prediction.disease)
    form = HeartRiskRequest.from_dict(json.loads((samples / "heart-risk.json").read_text(encoding="utf-8")))
    print(told(predict_heart.sync(client=client, body=form)).prediction.risk_level)
    print(told(list_symptoms.sync(client=client, grouped=True)).count)


def ask_the_service(client: Client) -> None:
    """Each route about the service itself."""
    print(told(describe_service.sync(client=client)).version)
    print(told(health.sync(client=client)).status, told(live.sync(client=client)).status)
    print(told(ready.sync(client=client)).status)
    print([model.name for model in told(list_models.sync(client=client)).models])
    print(told(model_card.sync("skin", client=client)).splitlines()[0])
    print(len(told(metrics.sync(client=client))))
    samples = told(list_samples.sync(client=client)).samples
    print(len(told(sample_file.sync(samples[0].files[0].name, client=client)).payload.read()))
    problem = told(list_problem_types.sync(client=client)).problems[0]
    print(told(describe_problem_type.sync(problem.type_.rpartition("/")[2], client=client)).title)


def main(url: str, samples: Path, admin_key: str) -> None:
    """Ask everything."""
    with Client(base_url=url) as client:
        read_pictures(client, samples)
        read_forms(client, samples)
        ask_the_service(client)
    with AuthenticatedClient(base_url=url, token=admin_key, prefix="", auth_header_name="X-API-Key") as admin:
        print(told(reload_models.sync(client=admin)).success)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
