"""The dashboard and the alerts read metrics and labels that the service has."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.fake_bundle import make_bundle
from tests.pictures import encode, noise
from tests.service import serving, upload

DEPLOY = Path(__file__).parents[2] / "deploy"
SAMPLES_OF = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
    "info": ("_info",),
    "unknown": ("",),
}
OF_THE_SERVER = {"medidiagnose_connections", "medidiagnose_workers"}
"""Shown where `app.server` or a worker serves, not where a test calls the application itself."""
OF_THE_SCRAPE = {"instance", "job"}
WORDS = {"and", "on", "by", "group_left", "offset", "sum", "abs", "rate", "increase", "changes", "histogram_quantile"}
WORDS |= {"max_over_time", "d", "m", "h", "s"}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard() -> Any:
    return json.loads((DEPLOY / "grafana" / "medidiagnose.json").read_text(encoding="utf-8"))


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression, by what shows it."""
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def metrics_in(expression: str) -> dict[str, set[str]]:
    """The metrics that an expression reads, each with the labels that it selects by."""
    found: dict[str, set[str]] = {}
    for name, selected in re.findall(r"\b([a-z][a-z_]*)\b(?=\s*(?:\{([^}]*)\}|\[|\s|\)|$))", expression):
        if name not in WORDS and "_" in name:
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\"", selected))
    return found


def grouped_by(expression: str) -> set[str]:
    """The labels that an expression sums by or joins on."""
    lists = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {label.strip() for names in lists for label in names.split(",")}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def exported(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """Every sample that the service exports, by name, with its labels; those of a metric without samples are empty."""
    folder = tmp_path_factory.mktemp("bundles")
    make_bundle(folder, "skin")
    async with serving(bundles=folder) as client:
        for route in ("/analyze/skin", "/analyze/xray"):  # a reading and a sample of the demo mode
            assert (await client.post(route, files=upload(encode(noise(), "JPEG")))).status_code == 200
        assert (await client.get("/nowhere")).status_code == 404
        assert (await client.post("/analyze/skin", files=upload(b"GIF89a"))).status_code == 400
        text = (await client.get("/metrics")).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for suffix in SAMPLES_OF[family.type]:
            found.setdefault(family.name + suffix, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.anyio
@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda text: text[:40])
async def test_an_expression_reads_what_is_exported(
    where: str, expression: str, exported: Mapping[str, set[str]]
) -> None:
    read = {name: labels for name, labels in metrics_in(expression).items() if name != "up"}
    assert read or expression.startswith("up{"), where
    assert read.keys() <= exported.keys() | OF_THE_SERVER, where
    for name, labels in read.items():
        if name in OF_THE_SERVER:
            continue
        assert labels <= exported[name] | OF_THE_SCRAPE, f"{where}: {name}"
        assert grouped_by(expression) <= exported[name] | OF_THE_SCRAPE, f"{where}: {name}"


def test_the_check_sees_metrics_and_labels() -> None:
    expression = 'sum by (a, b) (rate(one_total{c="1", d=~"$e"}[5m])) / on (f) two_three offset 1d > 0.5'
    assert metrics_in(expression) == {"one_total": {"c", "d"}, "two_three": set()}
    assert grouped_by(expression) == {"a", "b", "f"}


@pytest.mark.anyio
async def test_the_manual_lists_every_metric_of_ours(exported: Mapping[str, set[str]]) -> None:
    manual = (DEPLOY.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(medidiagnose_[a-z_]+)`", manual))
    names = {re.sub("_(bucket|sum|count)$", "", name) for name in exported if not name.endswith("_created")}
    assert listed == {name for name in names if name.startswith("medidiagnose_")} | OF_THE_SERVER


def test_every_alert_says_what_is_wrong_and_how_soon_to_come() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")


def test_the_dashboard_asks_for_no_one_data_source() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels if "datasource" in panel} == {"${datasource}"}


def test_problems_that_alerts_name_exist() -> None:
    from app.errors import InternalError

    named = {name for _, expression in expressions() for name in re.findall(r'problem="([^"]+)"', expression)}
    assert named == {InternalError.kind}


def test_metrics_of_variables_exist() -> None:
    variables = dashboard()["templating"]["list"]
    named = {each["query"].split("(")[1].split(",")[0] for each in variables if each["type"] == "query"}
    assert named == {"medidiagnose_build_info", "medidiagnose_model_ready"}
