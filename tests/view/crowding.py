"""What stands in the way of what on a map: an independent check with boxes and sampled arrows."""

import re

import numpy as np

from fluxkit.view.map_data import text_width


def label_box(label: dict, font: float) -> tuple[float, float, float, float]:
    two = bool(label["interval"])
    lines = [label["text"], f"{label['value']} {label['interval']}"] if two else [f"{label['text']} {label['value']}"]
    width = max(text_width(line, font) for line in lines)
    left = {"start": 0.0, "middle": -width / 2, "end": -width}[label["anchor"]]
    top, bottom = (-0.95, 1.0) if two else (-0.45, 0.45)
    return label["x"] + left, label["y"] + top * font, label["x"] + left + width, label["y"] + bottom * font


def node_box(node: dict, font: float) -> tuple[float, float, float, float]:
    half = text_width(node["text"], font) / 2
    return node["x"] - half, node["y"] - font * 0.45, node["x"] + half, node["y"] + font * 0.45


def overlap(a: tuple, b: tuple) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


def texts(data: dict) -> dict[str, tuple[float, float, float, float]]:
    boxes = {f"label {a['name']}": label_box(a["label"], data["label_font"]) for a in data["arrows"]}
    boxes |= {f"pool {n['name']}": node_box(n, data["font"]) for n in data["nodes"] if n["text"]}
    return boxes


def overlapping_texts(data: dict) -> list[tuple[str, str]]:
    boxes = list(texts(data).items())
    return [(a, b) for i, (a, p) in enumerate(boxes) for b, q in boxes[i + 1 :] if overlap(p, q)]


def outside(data: dict) -> list[str]:
    return [
        name
        for name, (left, top, right, bottom) in texts(data).items()
        if left < 0 or top < 0 or right > data["width"] or bottom > data["height"]
    ]


def sample(path: str, n: int = 40) -> np.ndarray:
    numbers = np.array([float(each) for each in re.findall(r"-?\d+\.?\d*", path)]).reshape(-1, 2)
    points = []
    for i in range(0, len(numbers) - 1, 3):
        a, b, c, d = numbers[i : i + 4]
        t = np.linspace(0, 1, n)[:, None]
        points.append((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d)
    return np.vstack(points)


def struck_labels(data: dict) -> list[tuple[str, str]]:
    """Labels that an arrow runs through or touches."""
    found = []
    for arrow in data["arrows"]:
        points = sample(arrow["hit"])
        for name, (left, top, right, bottom) in texts(data).items():
            x, y, half = points[:, 0], points[:, 1], arrow["width"] / 2
            inner = (x > left - half) & (x < right + half) & (y > top - half) & (y < bottom + half)
            if inner.any() and name.startswith("label"):
                found.append((arrow["name"], name))
    return found


def crossings(data: dict) -> list[tuple[str, str]]:
    """Pairs of arrows that cross."""
    lines = {a["name"]: sample(a["hit"]) for a in data["arrows"]}
    names = list(lines)
    found = []
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            p, q = lines[first], lines[second]
            r, s = np.diff(p, axis=0)[:, None], np.diff(q, axis=0)[None]
            gap = q[None, :-1] - p[:-1, None]
            cross = r[..., 0] * s[..., 1] - r[..., 1] * s[..., 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (gap[..., 0] * s[..., 1] - gap[..., 1] * s[..., 0]) / cross
                u = (gap[..., 0] * r[..., 1] - gap[..., 1] * r[..., 0]) / cross
            if ((t > 0) & (t < 1) & (u > 0) & (u < 1)).any():
                found.append((first, second))
    return found
