"""Every bundled network has a flux map, drawn by hand or laid out by itself."""

import pytest

from fluxkit import flux_map
from fluxkit.networks import list_networks, load_network


@pytest.mark.parametrize("name", list_networks())
def test_every_reaction_and_balanced_pool_is_on_the_map(name, tmp_path):
    network = load_network(name)
    widget = flux_map(network.reference_fluxes(), network)
    assert {each["name"] for each in widget.data["arrows"]} == set(network.reaction_names)
    assert set(network.balanced) <= {each["name"] for each in widget.data["nodes"]}
    inside = [
        0 < each["x"] < widget.data["width"] and 0 < each["y"] < widget.data["height"] for each in widget.data["nodes"]
    ]
    assert all(inside)
    page = tmp_path / "map.html"
    widget.to_html(page)
    assert network.reaction_names[-1] in page.read_text(encoding="utf-8")
