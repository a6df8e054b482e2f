"""The tracer designer: one call for a widget in which a tracer is put together atom by atom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from fluxkit.design import PriceTable, read_prices
from fluxkit.design.experiments import seen_elements
from fluxkit.design.flux_targets import flux_targets
from fluxkit.design.prepared import PreparedDesign
from fluxkit.errors import LabelingError, TracerError
from fluxkit.fluxes import flux_space
from fluxkit.labeling import NoiseModel
from fluxkit.networks import Network
from fluxkit.view.explore.designer_scene import Shop, first_fluxes, first_mix
from fluxkit.view.explore.explorer_scene import flux_options
from fluxkit.view.explore.mix import mix_tracers, read_mix

if TYPE_CHECKING:
    from fluxkit.view.explore.designer_widget import TracerDesigner


def tracer_designer(
    network: Network,
    tracers: str | None = None,
    *,
    fluxes_of_interest: Sequence[str] | str | None = None,
    measurements: Sequence[str] | None = None,
    purity: float = 1.0,
    prices: PriceTable | str | Path | None = None,
    draws: int = 32,
    seed: int = 0,
    prior: str = "targets",
    states: xr.Dataset | None = None,
    noise: NoiseModel | float = NoiseModel(),  # noqa: B008, a frozen record
    natural_abundance: str = "",
    rates: Mapping[str, float] | None = None,
    rate_unit: str = "",
    theme: str = "auto",
) -> "TracerDesigner":
    """Put a tracer together atom by atom, and watch what it would show, what it would tell, and what it costs.

    Atoms are picked on the drawn molecule; labelings are mixed with shares, and the rest of a pool is unlabeled.
    Predicted MIDs and expected 90 % intervals are those of :func:`fluxkit.simulate` and :func:`fluxkit.design_tracers`,
    averaged over draws from the flux prior.

    Parameters
    ----------
    network : Network
        The network.
    tracers : str, optional
        Where to start: ``"Glc_x: 50% [1,2-13C2] + 50% [U-13C6]"``; the network's first common tracer by default.
    fluxes_of_interest : sequence of str, or str, optional
        As for :func:`fluxkit.design_tracers`; by default the eight free net fluxes that the first tracer tells most
        about. Every other flux can be chosen in the widget.
    measurements : sequence of str, optional
        What can be measured; everything in the observation table by default.
    purity : float
        Isotopic purity of every labeled position, 0 to 1.
    prices, draws, seed, prior, states, noise, natural_abundance, rates, rate_unit
        As for :func:`fluxkit.design_tracers`.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    TracerDesigner
        A widget. ``.tracers`` is the text of what is shown, and takes another; ``.optimise()`` does what its button
        does; ``.to_html(path)`` writes what is shown as one page that opens offline.

    Raises
    ------
    TracerError, UnknownNameError, FluxError, LabelingError
        A tracer, purity, flux, measurement, noise, rate or price cannot be understood.

    Examples
    --------
    >>> import fluxkit
    >>> network = fluxkit.load_network("toy")
    >>> widget = fluxkit.tracer_designer(network, "A_x: 50% [1-13C] + 50% [2-13C]")
    >>> widget.tracers
    'A_x: 50% [1-13C] + 50% [2-13C]'
    """
    from fluxkit.view.explore.designer_widget import TracerDesigner  # anywidget loads Jupyter

    if not 0 < purity <= 1:
        raise TracerError(f"isotopic purity must be above 0 and at most 1, not {purity!r}; write 0.99 for 99 %.")
    if isinstance(measurements, str):
        raise LabelingError(f"measurements must be a list of names, not the text {measurements!r}; write [...].")
    space = flux_space(network, prior)
    asked = [fluxes_of_interest] if isinstance(fluxes_of_interest, str) else list(fluxes_of_interest or [])
    if fluxes_of_interest is not None:
        flux_targets(network, asked)
    options = [
        each["reaction"] if each["kind"] == "net" else f"exchange({each['reaction']})" for each in flux_options(space)
    ]
    offered = (*options, *(each for each in asked if each not in options))
    names = None if measurements is None else tuple(measurements)
    prepared = PreparedDesign(
        network, offered, names, draws, seed, prior, states, noise, natural_abundance, rates, rate_unit
    )
    table = prices if isinstance(prices, PriceTable) else read_prices(prices)
    mix = first_mix(prepared) if tracers is None else read_mix(network, tracers)
    prepared.question(seen_elements(mix_tracers(network, mix)))  # refuses noise, rates and names before a page is made
    return TracerDesigner(
        prepared,
        Shop(table, table.label_prices(network)),
        mix=mix,
        fluxes=asked or first_fluxes(prepared, mix, space.free),
        purity=purity,
        theme=theme,
    )
