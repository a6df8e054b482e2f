"""The viewers of results: one call each for a notebook widget that can also be written as an offline page."""

from typing import TYPE_CHECKING, Any

import xarray as xr

from fluxkit.view.explore.mid_scene import mid_scene
from fluxkit.view.explore.posterior_scene import posterior_scene

if TYPE_CHECKING:
    from fluxkit.view.explore.viewer_widgets import MidViewer, PosteriorViewer


def mid_viewer(estimate_or_labeling: Any, fitted: xr.Dataset | None = None, *, theme: str = "auto") -> "MidViewer":
    """Look through measured labeling, what was fitted, and by how many standard deviations they differ.

    Parameters
    ----------
    estimate_or_labeling : FluxEstimate or xarray.Dataset
        An estimate; or a labeling dataset, of one or several samples.
    fitted : xarray.Dataset, optional
        Labeling to compare a dataset with, such as of :func:`fluxkit.simulate`; a single state.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    MidViewer
        A widget; ``.to_html(path)`` writes one page that opens offline.

    Raises
    ------
    LabelingError
        There is nothing to show, or ``fitted`` does not fit the data.

    Examples
    --------
    >>> import fluxkit
    >>> network = fluxkit.load_network("toy")
    >>> labeling = fluxkit.simulate(network, network.reference_fluxes(), "A: 100% [2-13C]", noise=0.005)
    >>> widget = fluxkit.mid_viewer(labeling)
    """
    from fluxkit.view.explore.viewer_widgets import MidViewer  # anywidget loads Jupyter

    data = mid_scene(estimate_or_labeling, fitted)
    return MidViewer(data=data, selected=data["panels"][0]["key"], theme=theme)


def posterior_viewer(estimate: Any, compare: Any = None, *, theme: str = "auto") -> "PosteriorViewer":
    """Look through a posterior: fluxes against their prior, intervals, and which fluxes the data leave tied together.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    compare : FluxEstimate, optional
        An estimate of another condition on the same network, laid over it, with the probability that each flux differs
        and its q-value, as :func:`fluxkit.inference.compare` has them.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    PosteriorViewer
        A widget; ``.to_html(path)`` writes one page that opens offline, below one megabyte.

    Raises
    ------
    FluxError
        The two estimates are of different networks, or no flux is free.
    """
    from fluxkit.view.explore.viewer_widgets import PosteriorViewer  # anywidget loads Jupyter

    data = posterior_scene(estimate, compare)
    return PosteriorViewer(data=data, chosen=first_choice(data), theme=theme)


def first_choice(data: dict[str, Any], count: int = 6) -> list[str]:
    """Return the fluxes that are shown at first: those that differ most, else those that the data tell most about.

    Parameters
    ----------
    data : dict
        From :func:`~fluxkit.view.explore.posterior_scene.posterior_scene`.
    count : int
        How many.
    """

    def interest(flux: dict[str, Any]) -> float:
        if flux["shift"] is not None:
            return abs(flux["shift"])
        return flux["states"][0]["information"] or 0.0

    return [each["key"] for each in sorted(data["fluxes"], key=interest, reverse=True)[:count]]
