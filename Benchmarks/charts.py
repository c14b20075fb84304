"""Line charts as SVG, without a library: what `--chart` of the benchmark scripts writes."""

import html
import math
import statistics

COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#4a5568")
LEFT, WIDTH, HEIGHT, LEGEND = 80, 480, 260, 190


class Axis:
    """One direction of a chart: where a value lies, from 0 to 1, and which values have a label; 0 is among them unless it
    is logarithmic."""

    def __init__(self, title, values, logarithmic=False):
        self.title = title
        if logarithmic:
            exponents = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
            decades = [10.0 ** exponent for exponent in exponents]
            self.least = max(tick for tick in decades if tick <= min(values))
            self.greatest = min(tick for tick in decades if tick >= max(values))
            if self.greatest == self.least:
                self.greatest *= 10
            # A few decades have room for lines between them.
            steps = (1, 2, 5) if len(decades) <= 4 else (1,)
            self.ticks = [tick * step for tick in decades for step in steps if tick * step <= self.greatest]
            self.place = lambda value: math.log10(value / self.least) / math.log10(self.greatest / self.least)
        else:
            step = self.step((max(0, *values) - min(0, *values)) / 6)
            self.ticks = [step * number for number in range(
                math.floor(min(0, *values) / step), max(1, math.ceil(max(0, *values) / step)) + 1)]
            self.least, self.greatest = self.ticks[0], self.ticks[-1]
            self.place = lambda value: (value - self.least) / (self.greatest - self.least)

    @staticmethod
    def step(wanted):
        """The least of 1, 2 or 5 times a power of ten that is not below `wanted`."""
        if wanted <= 0:
            return 1
        power = 10.0 ** math.floor(math.log10(wanted))
        return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)


def number(value):
    """A short label: 50k, 1.5M, 0.05."""
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def text(x, y, words, attributes=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{html.escape(words)}</text>'


def point(x, values):
    """A point of a line: the median of what several runs found, with the least and the greatest."""
    return x, statistics.median(values), min(values), max(values)


class Chart:
    """Lines through points `(x, median, least, greatest)` under names; a bar goes from the least to the greatest."""

    def __init__(self, title, x, y, lines, logarithmic_x=False, logarithmic_y=False):
        points = [point for line in lines.values() for point in line]
        self.title, self.lines = title, lines
        self.x = Axis(x, [point[0] for point in points], logarithmic_x)
        self.y = Axis(y, [value for point in points for value in point[1:]], logarithmic_y)

    def svg(self, top):
        """The chart with its upper edge at `top`."""
        left, right, above, below = LEFT, LEFT + WIDTH, top + 30, top + 30 + HEIGHT
        parts = [text(left, top + 14, self.title, 'font-weight="bold"')]

        def across(value):
            return left + self.x.place(value) * WIDTH

        def up(value):
            return below - self.y.place(value) * HEIGHT

        for tick in self.x.ticks:
            parts.append(f'<path d="M{across(tick):.1f} {above}V{below}" stroke="#e2e8f0"/>')
            parts.append(text(across(tick), below + 16, number(tick), 'text-anchor="middle"'))
        for tick in self.y.ticks:
            parts.append(f'<path d="M{left} {up(tick):.1f}H{right}" stroke="#e2e8f0"/>')
            parts.append(text(left - 6, up(tick) + 4, number(tick), 'text-anchor="end"'))
        parts.append(f'<path d="M{left} {above}V{below}H{right}" fill="none" stroke="black"/>')
        parts.append(text((left + right) / 2, below + 36, self.x.title, 'text-anchor="middle"'))
        middle = (above + below) / 2
        parts.append(text(20, middle, self.y.title, f'text-anchor="middle" transform="rotate(-90 20 {middle})"'))
        for index, (name, points) in enumerate(self.lines.items()):
            colour = COLOURS[index % len(COLOURS)]
            path = "L".join(f"{across(x):.1f} {up(median):.1f}" for x, median, _, _ in points)
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for x, median, least, greatest in points:
                parts.append(f'<path d="M{across(x):.1f} {up(least):.1f}V{up(greatest):.1f}" stroke="{colour}"/>')
                parts.append(f'<circle cx="{across(x):.1f}" cy="{up(median):.1f}" r="3" fill="{colour}"/>')
            row = above + 12 + 18 * index
            parts.append(f'<path d="M{right + 16} {row - 4}h20" stroke="{colour}" stroke-width="2"/>')
            parts.append(text(right + 42, row, name))
        return "\n".join(parts)


def picture(charts):
    """The SVG document of all charts, one below the other."""
    each = HEIGHT + 90
    width, height = LEFT + WIDTH + LEGEND, each * len(charts) + 10
    body = "\n".join(chart.svg(10 + each * index) for index, chart in enumerate(charts))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')
