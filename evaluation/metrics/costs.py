"""What errors cost: the published sets of priors and costs, and their text beside each value.

Two values of a metric can be compared only if their costs are the same, so that each set prints
itself. Sources: Todisco et al. 2019 and Wang et al. 2020 (ASVspoof 2019), Liu et al. 2023 (2021),
Wang et al. 2024 (ASVspoof 5), Shim et al. 2024 (a-DCF).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TypeVar

from fakemamba.evaluation.metrics.checks import Floats, MetricError

Rate = TypeVar("Rate", float, Floats)


@dataclass(frozen=True)
class LinearCost:
    """A cost that is linear in the error rates, by the costs of the better constant decision.

    (constant + miss · Pmiss + false_accept · Pfa) / (constant + min(miss, false_accept)), where the
    constant is what is lost even without an error.

    Raises:
        MetricError: a negative cost, or no cost at all of accepting or rejecting everything.
    """

    constant: float
    miss: float
    false_accept: float

    def __post_init__(self) -> None:
        parts = (self.constant, self.miss, self.false_accept)
        if not all(math.isfinite(one) and one >= 0 for one in parts) or self.default <= 0:
            raise MetricError(
                f"costs ({self.text}) must not be negative, and accepting or rejecting everything "
                "must cost something; look at the priors, or at the error rates of the ASV system"
            )

    @property
    def default(self) -> float:
        """What accepting or rejecting everything costs, whichever is less."""
        return self.constant + min(self.miss, self.false_accept)

    @property
    def floor(self) -> float:
        """The normalised cost of a detector that makes no error."""
        return self.constant / self.default

    def at(self, miss: Rate, false_accept: Rate) -> Rate:
        """The normalised cost at error rates (any shape)."""
        return (self.constant + self.miss * miss + self.false_accept * false_accept) / self.default

    @property
    def text(self) -> str:
        """C0, C1 and C2, as the literature names them."""
        return f"C0 {self.constant:.7g}, C1 {self.miss:.7g}, C2 {self.false_accept:.7g}"


@dataclass(frozen=True)
class _Costs:
    """Priors and costs whose names are those of the literature."""

    @property
    def text(self) -> str:
        """Each name with its value, to be printed beside the metric."""
        shown = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{_literature(name)} {value:.7g}" for name, value in shown)


@dataclass(frozen=True)
class DcfCosts(_Costs):
    """Of minDCF and actDCF; the values are ASVspoof 5's."""

    pi_spoof: float = 0.05
    c_miss: float = 1.0
    c_fa: float = 10.0

    @property
    def linear(self) -> LinearCost:
        """The cost as a function of the error rates."""
        return LinearCost(0.0, self.c_miss * (1 - self.pi_spoof), self.c_fa * self.pi_spoof)

    @property
    def bayes_threshold(self) -> float:
        """The log-likelihood ratio from which a trial is better accepted."""
        return -math.log(self.linear.miss / self.linear.false_accept)


@dataclass(frozen=True)
class TdcfCosts2019(_Costs):
    """Of the t-DCF of ASVspoof 2019, which later texts call legacy."""

    pi_target: float = 0.9405
    pi_nontarget: float = 0.0095
    pi_spoof: float = 0.05
    c_miss_asv: float = 1.0
    c_fa_asv: float = 10.0
    c_miss_cm: float = 1.0
    c_fa_cm: float = 10.0


@dataclass(frozen=True)
class TdcfCosts2021(_Costs):
    """Of the t-DCF of ASVspoof 2021 and ASVspoof 5."""

    pi_target: float = 0.9405
    pi_nontarget: float = 0.0095
    pi_spoof: float = 0.05
    c_miss: float = 1.0
    c_fa: float = 10.0
    c_fa_spoof: float = 10.0


@dataclass(frozen=True)
class AdcfCosts(_Costs):
    """Of the a-DCF. There are two published sets, so there is no default."""

    pi_target: float
    pi_nontarget: float
    pi_spoof: float
    c_miss: float
    c_fa: float
    c_fa_spoof: float


DCF_ASVSPOOF5 = DcfCosts()
TDCF_2019 = TdcfCosts2019()
TDCF_2021 = TdcfCosts2021()
ADCF_ASVSPOOF5 = AdcfCosts(0.9405, 0.0095, 0.05, 1.0, 10.0, 10.0)
ADCF_SHIM2024 = AdcfCosts(0.9, 0.05, 0.05, 1.0, 10.0, 20.0)


def _literature(name: str) -> str:
    """``c_fa_spoof`` as ``C_fa_spoof``; priors keep their ``pi``."""
    return name[0].upper() + name[1:] if name.startswith("c_") else name
