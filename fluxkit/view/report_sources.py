"""Who to cite: the sources of what fluxkit does, by key, with the DOIs that stand where the code uses them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A work to cite.

    Parameters
    ----------
    cite : str
        How a text cites it, such as ``"Neal 2011"``.
    topic : str
        What it is cited for.
    words : str
        Authors, year, title and place.
    doi : str
        Empty where there is none.
    """

    cite: str
    topic: str
    words: str
    doi: str = ""


SOURCES = {
    "fluxkit": Source(
        "The fluxkit authors",
        "software",
        "The fluxkit authors, fluxkit: from isotope labeling to metabolic fluxes, version {version}",
    ),
    "emu": Source(
        "Antoniewicz et al. 2007",
        "EMU",
        "Antoniewicz, Kelleher & Stephanopoulos 2007, Elementary metabolite units (EMU), Metab Eng 9, 68",
        "10.1016/j.ymben.2006.09.001",
    ),
    "exchange": Source(
        "Wiechert & de Graaf 1997",
        "net and exchange fluxes",
        "Wiechert & de Graaf 1997, Bidirectional reaction steps in metabolic networks, Biotechnol Bioeng 55, 101",
        "10.1002/(SICI)1097-0290(19970705)55:1<101::AID-BIT12>3.0.CO;2-P",
    ),
    "isotopes": Source(
        "Berglund & Wieser 2011",
        "natural isotopes",
        "Berglund & Wieser 2011, Isotopic compositions of the elements 2009, Pure Appl Chem 83, 397",
        "10.1351/PAC-REP-10-06-02",
    ),
    "posterior": Source(
        "Theorell et al. 2017",
        "flux posteriors",
        "Theorell et al. 2017, To be certain about the uncertainty: Bayesian statistics for 13C metabolic flux "
        "analysis, Biotechnol Bioeng 114, 2668",
        "10.1002/bit.26379",
    ),
    "chi-square": Source(
        "Antoniewicz et al. 2006",
        "chi-square",
        "Antoniewicz, Kelleher & Stephanopoulos 2006, Determination of confidence intervals of metabolic fluxes, "
        "Metab Eng 8, 324",
        "10.1016/j.ymben.2006.01.004",
    ),
    "refinement": Source(
        "Nocedal & Wright 2006",
        "refinement",
        "Nocedal & Wright 2006, Numerical Optimization, chapters 10 and 19",
        "10.1007/978-0-387-40065-5",
    ),
    "least squares": Source(
        "Branch et al. 1999",
        "least squares",
        "Branch, Coleman & Li 1999, A subspace, interior, and conjugate gradient method, SIAM J Sci Comput 21, 1",
        "10.1137/S1064827595289108",
    ),
    "hmc": Source(
        "Neal 2011",
        "Hamiltonian Monte Carlo",
        "Neal 2011, MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo, chapter 5",
        "10.1201/b10905-6",
    ),
    "reflection": Source(
        "Afshar & Domke 2015",
        "reflections at bounds",
        "Afshar & Domke 2015, Reflection, refraction and Hamiltonian Monte Carlo, NeurIPS 28",
    ),
    "r-hat": Source(
        "Vehtari et al. 2021",
        "R-hat and effective sample size",
        "Vehtari et al. 2021, Rank-normalization, folding and localization: an improved R-hat, Bayesian Anal 16, 667",
        "10.1214/20-BA1221",
    ),
    "sidak": Source(
        "Sidak 1967",
        "many tests",
        "Sidak 1967, Rectangular confidence regions for the means of multivariate normal distributions, "
        "J Am Stat Assoc 62, 626",
        "10.1080/01621459.1967.10482935",
    ),
    "false discovery": Source(
        "Benjamini & Hochberg 1995",
        "false discovery rate",
        "Benjamini & Hochberg 1995, Controlling the false discovery rate, J R Stat Soc B 57, 289",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "q-value": Source(
        "Storey 2003",
        "q-values",
        "Storey 2003, The positive false discovery rate: a Bayesian interpretation and the q-value, Ann Stat 31, 2013",
        "10.1214/aos/1074290335",
    ),
    "negligible": Source(
        "Kruschke 2018",
        "changes too small to count",
        "Kruschke 2018, Rejecting or accepting parameter values in Bayesian estimation, "
        "Adv Methods Pract Psychol Sci 1, 270",
        "10.1177/2515245918771304",
    ),
}


class Citations:
    """Writes out what a text cites, and remembers it; words of users never pass through."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, *keys: str) -> str:
        """Return a citation such as ``"(Neal 2011)"``.

        Parameters
        ----------
        *keys : str
            Of :data:`SOURCES`.
        """
        self.keys += [each for each in keys if each not in self.keys]
        return f"({'; '.join(SOURCES[each].cite for each in keys)})"


def references(keys: Iterable[str], version: str) -> dict[str, tuple[str, str]]:
    """Return sources by topic, each with its text and DOI.

    Parameters
    ----------
    keys : iterable of str
        Of :data:`SOURCES`.
    version : str
        Of fluxkit.
    """
    return {each.topic: (each.words.format(version=version), each.doi) for each in (SOURCES[key] for key in keys)}
