"""What each version of a model changed, for its card."""

from collections.abc import Mapping

HEADING = "## Versions"

HISTORY: Mapping[str, Mapping[str, str]] = {
    "skin": {
        "1.0.0": "one run: balanced accuracy 0.724, macro AUROC 0.949 on the test split",
        "1.1.0": "the mean of the weights of two runs; an int8 network beside it",
        "1.1.1": "a class activation map as one more output, every other the same in every bit",
        "1.1.2": "refuses bare skin; nothing else that it answers is another",
        "1.1.3": "less sure: temperature and prediction sets are of lesions that it had not seen, each point finds as "
        "many as before; its map says what hiding a place would take",
        "1.2.0": "three folds and the network of 1.1.3 distilled into one; fewer melanomas answered routine, more nevi "
        "escalated; surer where it is right elsewhere; refuses fewer dermoscopies of other places",
    },
    "xray": {
        "1.0.0": "the first",
        "1.0.1": "refuses films that are inverted, doubled or on their side",
        "1.1.0": "three folds distilled into one network, with normal adults among its negatives",
        "1.1.1": "a class activation map as one more output, every other the same in every bit",
        "1.1.2": "its map says what hiding a place would take; prediction sets hold more; probabilities are the same",
    },
    "breast": {
        "1.0.0": "the mean of five networks, trained on BUS-BRA alone",
        "1.1.0": "three folds distilled into one network, with BUSI's normal pictures and lesions taken out",
        "1.1.1": "a class activation map as one more output, every other the same in every bit",
        "1.1.2": "its map says what hiding a place would take; prediction sets are of more pictures; probabilities are "
        "the same",
    },
    "heart_record": {
        "1.1.0": "the classes, by random convolutions",
        "1.2.0": "reads the median beat too, tells the rhythm, and names at most one infarction in twenty Normal",
        "1.2.1": "which leads and seconds speak for each class as one more output, every other the same in every bit",
        "1.3.0": "random convolutions of the median beat, part by part; NORM is weighed against every finding",
    },
    "heart_image": {
        "1.0.0": "the first",
        "1.0.1": "half the time, every output the same",
        "1.0.2": "accepts a sheet only from a consistency of 0.5 on, in place of 0.3",
        "1.0.3": "which leads speak for each class as one more output, every other the same in every bit",
    },
    "disease": {
        "1.0.0": "the first",
        "1.1.0": "knows nine everyday complaints more",
    },
    "heart_risk": {"1.0.0": "the first"},
}


def section_of(name: str) -> str:
    """The section of a model's card, the newest version first."""
    told = [f"* {version}: {change}." for version, change in [*HISTORY.get(name, {}).items()][::-1]]
    return "\n".join([HEADING, "", *told, ""]) if told else ""
