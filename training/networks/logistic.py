"""Logistic regression whose coefficients may be kept from changing their sign."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from training.errors import TrainingError

FloatArray = NDArray[np.float64]


def fit_logistic(
    design: FloatArray, labels: NDArray[np.bool_], *, penalty: float, nonnegative: NDArray[np.bool_]
) -> tuple[float, FloatArray]:
    """Intercept and the (k,) coefficients of a (n, k) design that minimise the cross-entropy, summed over the cases,
    plus `penalty` / 2 times the squared coefficients of the standardised columns.

    Coefficients marked `nonnegative`, (k,), are kept at 0 or above. A constant column gets 0. Raises `TrainingError`
    where it doesn't converge.
    """
    centre, spread = design.mean(axis=0), design.std(axis=0)
    varies = spread > 0
    scaled = (design - centre) / np.where(varies, spread, 1.0)
    truth = labels.astype(np.float64)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        slopes = parameters[1:]
        logits = scaled @ slopes + parameters[0]
        error = expit(logits) - truth
        value = np.sum(np.logaddexp(0.0, logits) - truth * logits) + penalty / 2 * slopes @ slopes
        return float(value), np.r_[error.sum(), scaled.T @ error + penalty * slopes]

    bounds = [(None, None), *((0.0, None) if bounded else (None, None) for bounded in nonnegative)]
    found = minimize(loss, np.zeros(1 + design.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds)
    if not found.success:
        raise TrainingError(f"The logistic regression did not converge: {found.message}.")
    slopes = np.where(varies, found.x[1:] / np.where(varies, spread, 1.0), 0.0)
    return float(found.x[0] - centre @ slopes), slopes
