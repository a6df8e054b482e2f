"""Where the labels of an automatic flux map stand, so that none covers another, a metabolite or an arrow."""

import re
from typing import Any

import numpy as np

from fluxkit.view.map_data import text_width

FRACTIONS = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
GAPS = (5.0, 12.0, 22.0)


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
    strokes = np.vstack(list(lines.values()))
    half = np.repeat([each["width"] / 2 for each in arrows], [len(points) for points in lines.values()])
    taken = [_node_box(each, data["font"]) for each in data["nodes"] if each["text"]]
    labels = {}
    for each in sorted(arrows, key=lambda arrow: -arrow["width"]):
        places, boxes, far = _candidates(lines[each["name"]], each["width"], _size(each["label"], font))
        best = int((_crowding(boxes, np.array(taken), strokes, half, data) + far).argmin())
        labels[each["name"]] = {**each["label"], **places[best]}
        taken.append(tuple(boxes[best]))
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
        return width * 1.15, 2.3 * font
    return text_width(f"{label['text']} {label['value']}", font) * 1.1 + 0.35 * font, 1.35 * font


def _node_box(node: dict[str, Any], font: float) -> tuple[float, float, float, float]:
    half = text_width(node["text"], font) / 2 + 2
    return node["x"] - half, node["y"] - 0.6 * font, node["x"] + half, node["y"] + 0.6 * font


def _candidates(
    points: np.ndarray, width: float, size: tuple[float, float]
) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Places of a label, their boxes, and how far each is from the middle of the arrow, as a cost."""
    places, boxes, far = [], [], []
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
                places.append({"x": round(float(x + dx), 1), "y": round(float(y + dy), 1), "anchor": anchor})
                boxes.append((left, y + dy - tall, left + size[0], y + dy + tall))
                far.append(0.02 * rank + 0.004 * gap)
    return places, np.array(boxes), np.array(far)


def _crowding(
    boxes: np.ndarray, taken: np.ndarray, strokes: np.ndarray, half: np.ndarray, data: dict[str, Any]
) -> np.ndarray:
    """How much each box covers: texts count most, arrows less, the rim of the map as much as a text."""
    low, high = boxes[:, :2].min(0) - 20, boxes[:, 2:].max(0) + 20
    near = ((strokes > low) & (strokes < high)).all(1)
    taken = taken[(taken[:, 2:] > low).all(1) & (taken[:, :2] < high).all(1)]
    left, top, right, bottom = boxes.T[:, :, None]
    wide = np.minimum(taken[:, 2], right) - np.maximum(taken[:, 0], left)
    tall = np.minimum(taken[:, 3], bottom) - np.maximum(taken[:, 1], top)
    covered = (np.maximum(wide, 0) * np.maximum(tall, 0)).sum(1) / 40
    (x, y), reach = strokes[near].T, half[near]
    struck = (x > left - reach) & (x < right + reach) & (y > top - reach) & (y < bottom + reach)
    beyond = np.maximum(0, -left) + np.maximum(0, -top)
    beyond = beyond + np.maximum(0, right - data["width"]) + np.maximum(0, bottom - data["height"])
    return covered + 0.25 * struck.sum(1) + beyond[:, 0]
