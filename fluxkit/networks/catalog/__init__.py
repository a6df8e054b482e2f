"""The bundled networks, each a folder of plain text with its sources."""

from functools import lru_cache
from pathlib import Path

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.networks.network import Network
from fluxkit.networks.tables import read_network

CATALOG = Path(__file__).parent
_BODY = "nmol/min/g body weight"
_UPTAKE = "glucose uptake = 1"
_UNITS = {
    "ccm": "glucose uptake = 100",
    "coculture": "nmol/h/10^6 cells",
    "liver_hc": _BODY,
    "mlflux_ccm": _UPTAKE,
    "mlflux_ccm_corrected": _UPTAKE,
    "mlflux_ecoli": _UPTAKE,
    "mlflux_glycolysis": _UPTAKE,
    "mlflux_glyppp": _UPTAKE,
    "mlflux_simple": "A uptake = 1",
    "mlflux_uppergly": _UPTAKE,
    "toy": "A uptake = 100",
    "wholebody": _BODY,
    "wholebody_av": _BODY,
    "wholebody_core": _BODY,
    "wholebody_mouse": _BODY,
}


_MAIN = ("model.rxn", "body.toml")


def list_networks() -> list[str]:
    """Return the names of the bundled networks."""
    return sorted(each.parent.name for main in _MAIN for each in CATALOG.glob(f"*/{main}"))


@lru_cache
def load_network(name: str) -> Network:
    """Load a bundled network.

    Parameters
    ----------
    name : str
        One of :func:`list_networks`.

    Raises
    ------
    UnknownNameError
        There is no such network; the message offers the nearest names.
    """
    if name not in list_networks():
        raise UnknownNameError(f"no bundled network is called {name!r}. {suggest(name, list_networks())}")
    folder = CATALOG / name

    def optional(file: str) -> Path | None:
        return folder / file if (folder / file).is_file() else None

    return read_network(
        next(folder / each for each in _MAIN if (folder / each).is_file()),
        bounds=optional("fluxes.tsv"),
        constraints=optional("constraints.tsv"),
        observations=optional("observations.tsv"),
        tracers=optional("tracers.tsv"),
        name=name,
        flux_unit=_UNITS[name],
        description=(folder / "README.md").read_text(encoding="utf-8"),
        common_names=False,  # a learned network of this name is told by exactly its table what may be measured
    )
