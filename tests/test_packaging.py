"""The locks pin what pyproject.toml asks for, name no address, and keep TensorFlow out of the service."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVICE = PROJECT["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {
    "requirements.lock": SERVICE,
    "requirements-dicom.lock": SERVICE + EXTRAS["dicom"],
    "requirements-otel.lock": SERVICE + EXTRAS["dicom"] + EXTRAS["otel"],
    "requirements-ray.lock": SERVICE + EXTRAS["dicom"] + EXTRAS["ray"] + EXTRAS["ray-serve"],
    "requirements-dev.lock": SERVICE + EXTRAS["dicom"] + EXTRAS["otel"] + EXTRAS["dev"],
    "requirements-docs.lock": SERVICE + EXTRAS["docs"],
    "requirements-training.lock": SERVICE + EXTRAS["training-tools"] + EXTRAS["training"],
    "requirements-jax.lock": SERVICE + EXTRAS["training-tools"] + EXTRAS["training"] + EXTRAS["training-jax"],
}
FRAMEWORKS = {"jax", "keras", "tensorflow", "tensorflow-cpu", "tf2onnx", "torch"}
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.+!]*( ; [^/@]+)?")


def pins(lock: str) -> dict[str, Requirement]:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_pins_and_no_address(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and not PIN.fullmatch(line)] == []


@pytest.mark.parametrize(("lock", "wanted"), LOCKS.items())
def test_a_lock_satisfies_the_project(lock: str, wanted: list[str]) -> None:
    pinned = pins(lock)
    for requirement in map(Requirement, wanted):
        if requirement.name == PROJECT["name"]:  # its own extra, whose requirements are in `wanted`
            continue
        (pin,) = pinned[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), f"{lock}: {requirement} is pinned to {pin.version}"


@pytest.mark.parametrize("lock", [lock for lock in LOCKS if lock != "requirements.lock"])
def test_the_locks_agree_with_that_of_the_service(lock: str) -> None:
    larger = pins(lock)
    assert {name: str(pin) for name, pin in pins("requirements.lock").items()}.items() <= {
        name: str(pin) for name, pin in larger.items()
    }.items()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dicom.lock", "requirements-otel.lock"])
def test_the_service_needs_nothing_that_only_training_does(lock: str) -> None:
    assert pins(lock).keys().isdisjoint(FRAMEWORKS | {"matplotlib", "pandas", "scikit-learn", "scipy", "wfdb"})


def test_the_tests_need_no_training_framework() -> None:
    assert pins("requirements-dev.lock").keys().isdisjoint(FRAMEWORKS)
