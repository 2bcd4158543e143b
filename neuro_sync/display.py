"""What notebooks show: tables and small pictures, with everything that came from outside escaped."""

import math
from datetime import datetime, timezone
from html import escape
from typing import TYPE_CHECKING, List, Mapping, Optional, Sequence

if TYPE_CHECKING:
    from .models.cluster import Preset
    from .models.jobs import JobDescription
    from .models.telemetry import JobTelemetry

__all__ = ["jobs_table_html", "presets_table_html", "telemetry_html"]

_COLOURS = {
    "pending": "#9a6700",
    "suspended": "#9a6700",
    "running": "#0969da",
    "succeeded": "#1a7f37",
    "failed": "#cf222e",
    "cancelled": "#6e7781",
}
_WIDTH, _HEIGHT = 320, 64
# Notebooks align to the right and break lines inside ids, unless they are told.
_CELL = "text-align:left;white-space:nowrap"


def jobs_table_html(jobs: "Sequence[JobDescription]") -> str:
    """A row for each job."""
    rows = [
        [
            _code(job.id),
            escape(job.name or ""),
            _status_html(job),
            escape(_moment(job.history.created_at)),
            escape(_span(job.history.run_time_seconds)),
            escape(job.preset_name or ""),
            escape(str(job.container.image)),
            _code(_cut(job.container.command or "", 60)),
        ]
        for job in jobs
    ]
    return _table(
        ["Job", "Name", "Status", "Created (UTC)", "Ran", "Preset", "Image", "Command"], rows
    )


def presets_table_html(presets: "Mapping[str, Preset]") -> str:
    """A row for each preset."""
    from .models.cluster import gpu_texts

    rows = [
        [
            escape(name),
            "{:g}".format(preset.cpu),
            "{} MiB".format(preset.memory_mb),
            escape(", ".join(gpu_texts(preset))),
            escape(str(preset.credits_per_hour)),
        ]
        for name, preset in presets.items()
    ]
    return _table(["Preset", "CPU", "Memory", "GPU", "Credits/h"], rows)


def telemetry_html(samples: "Sequence[JobTelemetry]") -> str:
    """The last sample in words, and where there are more of them cpu and memory over time."""
    if not samples:
        return "<em>no telemetry yet</em>"
    last = samples[-1]
    figures = [
        ["CPU", "{:.2f} cores".format(last.cpu)],
        ["Memory", "{:.1f} MiB".format(last.memory)],
    ]
    if last.gpu_duty_cycle is not None:
        figures.append(["GPU", "{} %".format(escape(str(last.gpu_duty_cycle)))])
    if last.gpu_memory is not None:
        figures.append(["GPU memory", "{:.1f} MiB".format(last.gpu_memory)])
    if len(samples) == 1:
        return _table(["", "now"], figures)
    times = [sample.timestamp for sample in samples]
    return _table(["", "last"], figures) + "".join(
        [
            _chart("CPU, cores", times, [sample.cpu for sample in samples], "#0969da"),
            _chart("Memory, MiB", times, [sample.memory for sample in samples], "#1a7f37"),
        ]
    )


def _chart(title: str, times: Sequence[float], values: Sequence[float], colour: str) -> str:
    """A line over time, from 0 to a little more than its highest point."""
    top = max(max(values), 1e-9)
    span = max(times) - min(times)
    points = " ".join(
        "{:.1f},{:.1f}".format(
            (time - min(times)) / span * _WIDTH if span else number / (len(times) - 1) * _WIDTH,
            _HEIGHT - value / top * (_HEIGHT - 6),
        )
        for number, (time, value) in enumerate(zip(times, values))
    )
    return (
        '<figure style="margin:6px 0;display:inline-block;margin-right:16px">'
        '<figcaption style="font-size:smaller">{title}: at most {top:.2f} in {span}</figcaption>'
        '<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="{title}" style="border-left:1px solid #8c959f;border-bottom:1px solid #8c959f">'
        '<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/></svg></figure>'
    ).format(
        title=escape(title),
        top=top,
        span=_span(span) or "no time",
        width=_WIDTH,
        height=_HEIGHT,
        points=points,
        colour=colour,
    )


def _code(text: str) -> str:
    return '<code style="white-space:nowrap">{}</code>'.format(escape(text))


def _status_html(job: "JobDescription") -> str:
    shown = job.status.value
    # That a job that succeeded was completed is no news.
    if job.history.reason and job.status.value != "succeeded":
        shown += " ({})".format(job.history.reason)
    if job.history.exit_code:
        shown += ", exit code {}".format(job.history.exit_code)
    colour = _COLOURS.get(job.status.value, "#6e7781")
    return '<span style="color:{}">{}</span>'.format(colour, escape(shown))


def _table(heads: Sequence[str], rows: "Sequence[Sequence[str]]") -> str:
    """Cells are HTML already."""
    lines: List[str] = ["<table><thead><tr>"]
    lines += ['<th style="{}">{}</th>'.format(_CELL, escape(head)) for head in heads]
    lines.append("</tr></thead><tbody>")
    for row in rows:
        cells = ['<td style="{}">{}</td>'.format(_CELL, cell) for cell in row]
        lines.append("<tr>{}</tr>".format("".join(cells)))
    lines.append("</tbody></table>")
    return "".join(lines)


def _moment(moment: Optional[datetime]) -> str:
    if moment is None:
        return ""
    return "{:%Y-%m-%d %H:%M:%S}".format(moment.astimezone(timezone.utc))


def _span(seconds: Optional[float]) -> str:
    if not seconds or not math.isfinite(seconds):
        return ""
    if seconds < 60:
        return "{:.1f} s".format(seconds)
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "{}:{:02}:{:02}".format(hours, minutes, rest)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
