"""How probable a count is that is at least so large."""

import math
from collections.abc import Iterator

_ROUNDING = 1e-9  # what a sum of weights may lack of a whole number


def tail_probability(count: float, mean: float, variance: float) -> float:
    """P(X >= count) for a negative binomial of that mean and variance (Poisson when variance <= mean).

    A count between two whole numbers, as weights add up to, is taken as the lower one: rather too probable
    than an alarm by half an article.

    Summed term by term away from the mean, so that tiny tails keep their precision; the number of terms
    grows with variance / mean.
    """
    count = math.floor(count + _ROUNDING)
    if count <= 0:
        return 1.0
    if mean < 1e-300:
        return 0.0
    if count <= mean:
        return max(0.0, 1.0 - math.fsum(_terms(count - 1, mean, variance, step=-1)))
    return min(1.0, math.fsum(_terms(count, mean, variance, step=1)))


def _terms(start: int, mean: float, variance: float, step: int) -> Iterator[float]:
    """Probabilities of `start`, `start + step`, ... until they no longer matter, away from the mean."""
    size = mean / (variance / mean - 1) if variance > mean * (1 + 1e-6) else math.inf
    if math.isinf(size):
        log_term = start * math.log(mean) - mean - math.lgamma(start + 1)
    else:
        log_term = (
            math.lgamma(start + size)
            - math.lgamma(size)
            - math.lgamma(start + 1)
            - size * math.log1p(mean / size)
            - start * math.log1p(size / mean)
        )
    term, total, k = math.exp(log_term), 0.0, start
    while term > max(total * 1e-13, 1e-305):  # where floats lose their precision, sums cease to converge
        yield term
        total += term
        if k + step < 0:
            return
        if step > 0:
            term *= mean / (k + 1) if math.isinf(size) else (k + size) / (k + 1) * mean / (size + mean)
        else:
            term *= k / mean if math.isinf(size) else k / (k - 1 + size) * (size + mean) / mean
        k += step
