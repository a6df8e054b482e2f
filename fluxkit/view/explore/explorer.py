"""The flux explorer: one call for a widget in which a flux is moved, and labeling and flux map follow."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from fluxkit.fluxes import as_flux_dataset, flux_space
from fluxkit.networks import Network

if TYPE_CHECKING:
    from fluxkit.view.explore.explorer_widget import FluxExplorer


def flux_explorer(
    network: Network,
    tracers: str | Mapping[str, str],
    fragments: Sequence[str] | None = None,
    fluxes: Any = None,
    *,
    theme: str = "auto",
) -> "FluxExplorer":
    """Move a flux and watch what it does to the labeling and to the other fluxes.

    Every state that the slider reaches balances and obeys the bounds: the other net fluxes make way by the smallest
    change in the metric of the prior. An exchange flux moves alone, on a logarithmic slider.

    Parameters
    ----------
    network : Network
        The network.
    tracers : str or mapping of str to str
        Tracers of one experiment, or of several by name, such as ``"Glc_x: 100% [U-13C6]"``.
    fragments : sequence of str, optional
        Fragments to show; by default the observation table of the network, and every balanced metabolite without one.
    fluxes : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        Where to start: the best point of an estimate, a single flux state, or net fluxes by reaction (with the exchange
        fluxes of the reference state); the reference state by default. In the flux unit of the network.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    FluxExplorer
        A widget; ``.move("PDH", 80)`` does what the slider does, ``.state`` holds the fluxes that are shown.

    Raises
    ------
    FluxError
        The start is not possible in this network.
    TracerError, LabelingError, UnknownNameError
        A tracer or a fragment cannot be understood.

    Examples
    --------
    >>> import fluxkit
    >>> network = fluxkit.load_network("toy")
    >>> widget = fluxkit.flux_explorer(network, "A: 100% [2-13C]")
    """
    from fluxkit.view.explore.explorer_widget import FluxExplorer  # Jupyter loads with it

    state = start_state(network, fluxes)
    return FluxExplorer(flux_space(network), state, tracers, fragments, theme=theme)


def start_state(network: Network, fluxes: Any = None) -> xr.Dataset:
    """Return the single flux state at which an explorer starts.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        As in :func:`flux_explorer`.

    Raises
    ------
    FluxError
        The state is not possible in this network.
    """
    reference = network.reference_fluxes()
    if fluxes is None:
        fluxes = reference
    elif hasattr(fluxes, "best") and hasattr(fluxes, "posterior"):
        fluxes = fluxes.best
    exchange = None
    if not isinstance(fluxes, xr.Dataset):
        names = [each.name for each in network.reactions if each.reversible]
        exchange = {name: float(reference["exchange_flux"].sel(reaction=name)) for name in names}
    state = as_flux_dataset(network, fluxes, exchange, check_bounds=True)
    return state[["net_flux", "exchange_flux"]]
