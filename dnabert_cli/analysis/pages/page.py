"""The skeleton of every web page: style, scripts and data in one file that asks for nothing else.

A page is a string, the same for the same content. Text that comes from outside reaches it escaped
only: through `escaped` in the body, through JSON in the data.
"""

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

SIGNIFICANT_DIGITS = 4  # of the numbers in a page: more could not be seen, and pages stay small

# Style and scripts of the file itself, pictures within it; whatever else is asked for is refused.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)
_NO_SCRIPT = (
    "<noscript><p>JavaScript is off: what is written here can be read, "
    "but nothing can be drawn, sorted or chosen.</p></noscript>\n"
)
_SKELETON = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{no_script}{body}
</main>
<p id="status" role="status" aria-live="polite"></p>
{scripts}</body>
</html>
"""


def render_page(
    title: str,
    body: str,
    *,
    scripts: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> str:
    """Return the text of one HTML file, to be written as UTF-8.

    Args:
        title: plain text, for the window and the first heading.
        body: HTML that follows the heading; text from outside has gone through `escaped`.
        scripts: names of files in this package, run in this order after `page.js`.
        data: what the scripts find under `Page.data()`, as JSON; no NaN.

    Raises:
        ValueError: a number of the data is NaN or infinite.
    """
    parts = []
    if scripts:
        parts.append(f'<script type="application/json" id="data">{_json(data or {})}</script>\n')
        parts += [f"<script>\n{_resource(name)}</script>\n" for name in ("page.js", *scripts)]
    page = _SKELETON.format(
        policy=_POLICY,
        title=escaped(title),
        style=_resource("page.css"),
        no_script=_NO_SCRIPT if scripts else "",
        body=body,
        scripts="".join(parts),
    )
    # Bytes of a name that were no UTF-8 come as lone surrogates, which no file can hold.
    return page.encode("utf-8", "replace").decode("utf-8")


def escaped(text: str) -> str:
    """Return plain text as HTML, also fit for an attribute within quotes."""
    return html.escape(text, quote=True)


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a list of names with their plain texts as HTML; nothing for none."""
    items = "".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>\n" for name, text in pairs
    )
    return f'<dl class="facts">\n{items}</dl>\n' if pairs else ""


def svg_image(svg: str, description: str, shift_pixels: int = 0) -> str:
    """Return an SVG file as an image element: no script in it runs, no id in it clashes.

    Args:
        svg: the file's text.
        description: plain text for those who do not see it.
        shift_pixels: empty room left of it.
    """
    content = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    source = f"data:image/svg+xml;base64,{content}"
    style = f' style="margin-left:{shift_pixels}px"' if shift_pixels else ""
    return f'<img src="{source}" alt="{escaped(description)}"{style}>'


def short_number(value: float | None) -> float | int | None:
    """Return a number rounded to `SIGNIFICANT_DIGITS`, or None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON in ASCII that cannot end the element it stands in, nor begin another."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _resource(name: str) -> str:
    """Return the text of a style sheet or script of this package."""
    return resources.files("dnabert_cli.analysis.pages").joinpath(name).read_text("utf-8")
