"""Where the labels of an automatic flux map stand, so that none covers another, a metabolite or an arrow."""

import re
from typing import Any

import numpy as np

from fluxkit.view.map_data import text_width

FRACTIONS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
GAPS = (5.0, 14.0)


def place_labels(data: dict[str, Any]) -> dict[str, Any]:
    """Return a flux map with every label at the freest place along its arrow; the widest arrows choose first.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.map_data`.
    """
    font = data["label_font"]
    arrows = data["arrows"]
    lines = {each["name"]: _points(each["hit"]) for each in arrows}
    strokes = np.vstack([points for points in lines.values()])
    half = np.repeat([each["width"] / 2 for each in arrows], [len(points) for points in lines.values()])
    taken = [_node_box(each, data["font"]) for each in data["nodes"] if each["text"]]
    labels = {}
    for each in sorted(arrows, key=lambda arrow: -arrow["width"]):
        size = _size(each["label"], font)
        best = min(
            _candidates(lines[each["name"]], each["width"], size),
            key=lambda place: _crowding(place[1], np.array(taken), strokes, half, data) + place[2],
        )
        labels[each["name"]] = {**each["label"], **best[0]}
        taken.append(best[1])
    return {**data, "arrows": [{**each, "label": labels[each["name"]]} for each in arrows]}


def _points(path: str, steps: int = 24) -> np.ndarray:
    """Points along a path of cubic curves, shape ``(point, 2)``."""
    knots = np.array([float(each) for each in re.findall(r"-?\d+\.?\d*", path)]).reshape(-1, 2)
    t = np.linspace(0, 1, steps)[:, None]
    parts = [
        (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        for a, b, c, d in (knots[i : i + 4] for i in range(0, len(knots) - 1, 3))
    ]
    return np.vstack(parts)


def _size(label: dict[str, Any], font: float) -> tuple[float, float]:
    if label["interval"]:
        width = max(text_width(label["text"], font), text_width(f"{label['value']} {label['interval']}", font))
        return width * 1.06, 2.1 * font
    return text_width(f"{label['text']} {label['value']}", font) * 1.06 + 0.35 * font, 1.1 * font


def _node_box(node: dict[str, Any], font: float) -> tuple[float, float, float, float]:
    half = text_width(node["text"], font) / 2 + 2
    return node["x"] - half, node["y"] - 0.6 * font, node["x"] + half, node["y"] + 0.6 * font


def _candidates(points: np.ndarray, width: float, size: tuple[float, float]):
    """Yield the place of a label, its box, and how far it is from the middle of the arrow, as a cost."""
    for rank, fraction in enumerate(FRACTIONS):
        x, y = points[round(fraction * (len(points) - 1))]
        for gap in GAPS:
            off, tall = width / 2 + gap, size[1] / 2
            for dx, dy, anchor in (
                (off, 0, "start"), (-off, 0, "end"), (0, -off - tall, "middle"), (0, off + tall, "middle"),
                (off, -off - tall, "start"), (off, off + tall, "start"), (-off, -off - tall, "end"),
                (-off, off + tall, "end"),
            ):  # fmt: skip
                left = x + dx - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * size[0]
                box = (left, y + dy - tall, left + size[0], y + dy + tall)
                place = {"x": round(float(x + dx), 1), "y": round(float(y + dy), 1), "anchor": anchor}
                yield place, box, 0.02 * rank + 0.004 * gap


def _crowding(
    box: tuple[float, float, float, float],
    taken: np.ndarray,
    strokes: np.ndarray,
    half: np.ndarray,
    data: dict[str, Any],
) -> float:
    """How much a box covers: texts count most, arrows less, the rim of the map as much as a text."""
    left, top, right, bottom = box
    wide = np.minimum(taken[:, 2], right) - np.maximum(taken[:, 0], left)
    high = np.minimum(taken[:, 3], bottom) - np.maximum(taken[:, 1], top)
    covered = float((np.maximum(wide, 0) * np.maximum(high, 0)).sum()) / 40
    x, y = strokes.T
    struck = (x > left - half) & (x < right + half) & (y > top - half) & (y < bottom + half)
    beyond = max(0.0, -left) + max(0.0, -top) + max(0.0, right - data["width"]) + max(0.0, bottom - data["height"])
    return covered + 0.25 * float(struck.sum()) + beyond
