"""The model card (Mitchell et al. 2019, arXiv:1810.03993) written from what was measured."""

from collections.abc import Iterable, Mapping

from models.preprocessing.ecg_record import SignalPreprocessing
from models.preprocessing.ecg_sheet.preparation import SheetPreprocessing
from models.preprocessing.form import TabularPreprocessing
from models.serving.bundle import Estimate, Metadata, NoveltySpec, OperatingPoint

INTERVALS = (
    "Brackets hold 95 % bootstrap intervals over groups (lesions or patients). Test sets were held out by group and "
    "measured once, after everything was chosen. `sensitivity_x`, `specificity_x` and `accuracy_x` are those at the "
    "operating point of class x."
)
INTERVALS_OVER_PATIENTS = "Brackets hold 95 % bootstrap intervals over patients or, for vignettes, over diagnoses."
_FEATURES_NAMED = 20
_DATA, _POINTS = "## Data", "## Operating points"
Subgroups = Mapping[str, Mapping[str, Mapping[str, Estimate]]]
"""Set to subgroup to figures."""


def write_card(metadata: Metadata, title: str, subgroups: Subgroups, notes: str) -> str:
    """The card in Markdown; `notes` is what a person adds."""
    lines = [
        f"# {title}",
        "",
        f"Bundle `{metadata.name}` {metadata.version}, {metadata.precision}, made {metadata.created}.",
        "**Not a medical device.** For research, and as a second look by professionals; it replaces no examination.",
        "",
        f"Classes, in output order: {', '.join(f'`{code}`' for code in metadata.classes)}.",
        f"Input: {_input(metadata)}. Network: {metadata.training.get('backbone', 'unknown')}.",
        _licence(metadata),
        "",
        *_data(metadata),
        *(_operating_points(metadata) if metadata.operating_points else ()),
        "## Measured",
        "",
        INTERVALS if metadata.operating_points else INTERVALS_OVER_PATIENTS,
    ]
    for name, figures in metadata.metrics.items():
        lines += ["", f"### {name} ({next(iter(figures.values())).n} cases)", "", "| figure | value |", "|---|---|"]
        lines += [f"| {figure} | {format_estimate(estimate)} |" for figure, estimate in figures.items()]
        if subgroups.get(name):
            lines += ["", *_subgroup_table(subgroups[name])]
    if metadata.novelty:
        lines += ["", "## Pictures of another kind", "", _flagged(metadata.novelty)]
    return "\n".join([*lines, "", notes.strip(), ""])


def renewed(card: str, before: Metadata, now: Metadata) -> str:
    """The card of another version of a bundle that answers as it did, but for what it flags and its thresholds, or of
    one whose terms are told anew."""
    own = f"Bundle `{before.name}` {{}},"
    card = card.replace(own.format(before.version), own.format(now.version), 1)
    if before.novelty and now.novelty:
        card = card.replace(_flagged(before.novelty), _flagged(now.novelty), 1)
    card = card.replace(_licence(before), _licence(now), 1)
    card = _with_section(card, _DATA, _data(now))
    return _with_section(card, _POINTS, _operating_points(now)) if now.operating_points else card


def _with_section(card: str, heading: str, lines: Iterable[str]) -> str:
    """The card with other lines in the place of those under a heading, where it has that."""
    start, found, rest = card.partition(f"{heading}\n")
    return start + "\n".join(lines) + rest[rest.index("\n## ") :] if found else card


def format_estimate(estimate: Estimate) -> str:
    """`0.812 (0.790 to 0.833)`."""
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _licence(metadata: Metadata) -> str:
    return f"Licence of the weights: {metadata.licence}."


def _data(metadata: Metadata) -> Iterable[str]:
    told = [f"* **{source.name}** ({source.licence}), {source.use}. {source.citation}" for source in metadata.data]
    return [_DATA, "", *told, ""]


def _operating_points(metadata: Metadata) -> Iterable[str]:
    points = [
        (
            point.code,
            f"{point.threshold:.4f}",
            point.rule,
            f"{point.sensitivity:.3f}",
            f"{point.specificity:.3f}",
            _predictive(point),
        )
        for point in (*metadata.operating_points, *metadata.rhythm)
    ]
    return [
        _POINTS,
        "",
        f"Chosen on {_chosen_on(metadata)}; the figures of this table are of the same.",
        "",
        "| class | threshold | rule | sensitivity | specificity | predictive values |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(point)} |" for point in points),
        "",
        *_temperature(metadata),
    ]


def _flagged(novelty: NoveltySpec) -> str:
    return (
        f"A picture is flagged where its novelty score is above {novelty.threshold:.2f}; "
        f"{100 * novelty.false_alarms:.1f} % of the validation pictures are."
    )


def _predictive(point: OperatingPoint) -> str:
    values = (point.positive_predictive_value, point.negative_predictive_value)
    if point.prevalence is None or None in values:
        return ""
    told = " and ".join(f"{value:.3f}" for value in values)
    return f"{told} at a prevalence of {point.prevalence:g}"


def _temperature(metadata: Metadata) -> Iterable[str]:
    """Nothing of a bundle whose log odds were calibrated otherwise."""
    if metadata.rhythm:
        return []
    on = _chosen_on(metadata)
    return [f"Temperature {metadata.temperature:.3f}, fitted on {on} and applied inside the graph.", ""]


def _chosen_on(metadata: Metadata) -> str:
    folds = metadata.training.get("folds")
    return "what each fold's network said of pictures that it had not seen" if folds else "validation"


def _input(metadata: Metadata) -> str:
    spec = metadata.preprocessing
    if isinstance(spec, SheetPreprocessing):
        return "12 leads read off a sheet, 10 s at 100 Hz, in mV, and where they are shown"
    if isinstance(spec, SignalPreprocessing):
        low, high = spec.band
        return f"{spec.seconds} s of {len(spec.leads)} leads at {spec.rate} Hz, {low:g}-{high:g} Hz, in mV"
    if isinstance(spec, TabularPreprocessing):
        names = [f"`{name}`" for name in spec.names]
        return ", ".join(names if len(names) <= _FEATURES_NAMED else [*names[:3], f"... {len(names)} values in all"])
    return f"{spec.size} x {spec.size} RGB, framing `{spec.framing}`"


def _subgroup_table(subgroups: Mapping[str, Mapping[str, Estimate]]) -> Iterable[str]:
    columns = list(dict.fromkeys(figure for figures in subgroups.values() for figure in figures))
    yield f"| subgroup | n | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 2) + "|"
    for name, figures in subgroups.items():
        cells = [format_estimate(figures[column]) if column in figures else "" for column in columns]
        yield f"| {name} | {next(iter(figures.values())).n} | {' | '.join(cells)} |"
