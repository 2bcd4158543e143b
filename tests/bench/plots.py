"""Line plots as small SVG files: both axes logarithmic, a line for each side."""

import math
from html import escape

__all__ = ["plot"]

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 36, 48
_COLOURS = ("#1f6fb4", "#d9730d", "#3f8f4f", "#8c4fb0")
_STYLE = "font: 12px sans-serif; fill: #555"


class _Axis:
    """Values of one axis as places on the canvas, and the ticks of it."""

    def __init__(self, values, start, end):
        low, high = math.log10(min(values)), math.log10(max(values))
        margin = max(0.05, (high - low) * 0.05)
        self._low, self._high = low - margin, high + margin
        self._start, self._end = start, end

    def __call__(self, value):
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return round(self._start + share * (self._end - self._start), 1)

    @property
    def ticks(self):
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5)):
            ticks = [step * 10.0**decade for decade in decades for step in steps]
            ticks = [tick for tick in ticks if self._low <= math.log10(tick) <= self._high]
            if len(ticks) >= 3:
                break
        return ticks


def plot(title, x_label, y_label, series):
    """The text of an SVG file.

    Args:
        title: above it.
        x_label, y_label: with their units.
        series: name and points of each line.
    """
    points = [point for _, line in series for point in line]
    x = _Axis([point[0] for point in points], _LEFT, _WIDTH - _RIGHT)
    y = _Axis([point[1] for point in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" height="{}">'.format(
            _WIDTH, _HEIGHT, _WIDTH, _HEIGHT
        ),
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(_LEFT, 20, title, "font: bold 13px sans-serif; fill: #222"),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, x_label, _STYLE, "middle"),
        _text(_LEFT, 34, y_label, _STYLE, "start"),
    ]
    for tick in x.ticks:
        parts.append(_line(x(tick), _TOP + 4, x(tick), _HEIGHT - _BOTTOM))
        parts.append(_text(x(tick), _HEIGHT - _BOTTOM + 16, _short(tick), _STYLE, "middle"))
    for tick in y.ticks:
        parts.append(_line(_LEFT, y(tick), _WIDTH - _RIGHT, y(tick)))
        parts.append(_text(_LEFT - 6, y(tick) + 4, _short(tick), _STYLE, "end"))
    for (name, line), colour in zip(series, _COLOURS):
        places = ["{},{}".format(x(across), y(up)) for across, up in line]
        parts.append(
            '<polyline points="{}" fill="none" stroke="{}" stroke-width="2"/>'.format(
                " ".join(places), colour
            )
        )
        parts += [
            '<circle cx="{}" cy="{}" r="3" fill="{}"/>'.format(*place.split(","), colour)
            for place in places
        ]
        across, up = line[-1]
        parts.append(_text(x(across) + 8, y(up) + 4, name, _STYLE.replace("#555", colour)))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(x1, y1, x2, y2):
    return '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#e4e4e4"/>'.format(x1, y1, x2, y2)


def _text(x, y, text, style, anchor="start"):
    return '<text x="{}" y="{}" text-anchor="{}" style="{}">{}</text>'.format(
        x, y, anchor, style, escape(text)
    )


def _short(value):
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return "{:g}{}".format(value / limit, unit)
    return "{:g}".format(value)
