"""The manifests of deploy/: valid, and without a right that the service doesn't need."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
SUPPORTED = ("1.33", "1.36")
USER = 10001


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(KUBERNETES.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                yield file.name, document


def manifest(kind: str) -> Any:
    (found,) = [document for _, document in documents() if document["kind"] == kind]
    return found


def container() -> Any:
    (only,) = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    return only


def compose() -> Any:
    return yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]["medidiagnose"]


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(
    ("file", "document"), list(documents()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_manifest_is_valid(file: str, document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_the_check_of_manifests_can_fail() -> None:
    deployment = manifest("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, SUPPORTED[0], strict=True)


def test_kustomize_takes_every_manifest() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted({file for file, _ in documents()})


def test_a_pod_has_no_rights() -> None:
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == USER
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "hostPath" not in json.dumps(pod)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_a_pod_is_bounded_and_probed() -> None:
    limits = container()["resources"]["limits"]
    assert {"cpu", "memory"} <= limits.keys()
    threads = {each["name"]: each.get("value") for each in container()["env"]}["MEDIDIAGNOSE_THREADS"]
    assert threads == limits["cpu"]
    probed = {
        probe: container()[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert probed == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }


def test_every_selector_finds_the_pods() -> None:
    labels = manifest("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    for kind, path in {
        "Deployment": ("selector", "matchLabels"),
        "Service": ("selector",),
        "PodDisruptionBudget": ("selector", "matchLabels"),
        "NetworkPolicy": ("podSelector", "matchLabels"),
    }.items():
        selector = manifest(kind)["spec"]
        for key in path:
            selector = selector[key]
        assert selector.items() <= labels, kind


def test_a_replica_may_always_go() -> None:
    assert manifest("PodDisruptionBudget")["spec"]["minAvailable"] < manifest("Deployment")["spec"]["replicas"]


def test_the_container_of_compose_has_no_rights() -> None:
    service = compose()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == f"{USER}:{USER}"
    assert service["healthcheck"]["test"] == ["CMD", "healthcheck"]
    assert {"mem_limit", "memswap_limit", "pids_limit", "cpus"} <= service.keys()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_a_stop_leaves_requests_their_deadline() -> None:
    of_pods = {each["name"]: each.get("value") for each in container()["env"]}
    pod, alone = manifest("Deployment")["spec"]["template"]["spec"], compose()
    for environment, grace in (
        (of_pods, pod["terminationGracePeriodSeconds"]),
        (alone["environment"], int(alone["stop_grace_period"].removesuffix("s"))),
    ):
        drain, stop = (float(environment[f"{PREFIX}{name}_SECONDS"]) for name in ("DRAIN", "STOP"))
        assert stop > Settings.model_fields["deadline_seconds"].default
        assert grace > drain + stop


def test_the_manifests_name_settings_that_exist() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    named = set(compose()["environment"]) | {each["name"] for each in container()["env"]}
    assert named <= known


def test_the_image_is_the_one_that_the_dockerfile_makes() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    assert len(bases) == 1, "one base for every stage"
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases.pop()), "pinned by its exact tag"
    assert f"USER {USER}" in dockerfile
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert container()["image"] == f"medidiagnose:{project['version']}"


def ray_service() -> Any:
    return yaml.safe_load((ROOT / "deploy" / "ray" / "rayservice.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_pods_of_ray_are_valid_and_have_no_rights(version: str) -> None:
    """The kind itself is not one of Kubernetes' own, which the check knows."""
    cluster = ray_service()["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, "spec": group["template"]["spec"]}
        kubernetes_validate.validate(pod, version, strict=True)
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsUser"] == USER
        (only,) = pod["spec"]["containers"]
        assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        known = {PREFIX + name.upper() for name in Settings.model_fields} | {"RAY_USAGE_STATS_ENABLED"}
        assert {each["name"] for each in only["env"]} <= known


def test_what_ray_serves_is_there_in_the_version_of_the_lock() -> None:
    service = ray_service()
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")
    lock = (ROOT / "requirements-ray.lock").read_text(encoding="utf-8").splitlines()
    assert f"ray=={service['spec']['rayClusterConfig']['rayVersion']}" in lock
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    module, name = application["import_path"].split(":")
    assert f"def {name}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    assert application["args"].keys() <= {"http", "models"}
    workers = service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    limits = workers["template"]["spec"]["containers"][0]["resources"]["limits"]
    wanted = application["args"]["http"]
    assert str(wanted["ray_actor_options"]["num_cpus"]) == limits["cpu"], "a replica a pod"
    assert workers["maxReplicas"] >= wanted["autoscaling_config"]["max_replicas"]
