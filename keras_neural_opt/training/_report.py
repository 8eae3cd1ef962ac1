"""Self-contained HTML pages."""

import base64
import hashlib
import html
import io
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_neural_opt.training._result import TrainingResult

# No script, no request: the page is what it is, whatever a name in it contains. Drawings have their colours in style
# attributes, and colour bars as images in themselves.
_POLICY = (
    "default-src 'none'; img-src data:; style-src {hashes}; style-src-attr 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'"
)

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #5b6470; --line: #d9dee4; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --soft: #a2abb6; --line: #363d46; --page: #14171b; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 3rem; max-width: 60rem; color: var(--text); background: var(--page);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 46rem; }
.soft, caption { color: var(--soft); }
figure { margin: 0; max-width: 46rem; }
figure.wide { max-width: none; }
figure svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; font-size: .9rem; }
th, td { padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
th { white-space: normal; color: var(--soft); font-weight: 600; font-size: .85rem; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
@media (max-width: 40rem) { table { font-size: .8rem; } th, td { padding-right: .5rem; } }
"""

# A colour that no figure uses; in the page it becomes the colour of the text, in light and dark mode.
_TEXT_COLOR = "#010203"
# Inches of a figure above which the width of text is not enough.
_WIDE = 8


def html_page(title: str, body: str) -> str:
    """Return a page with this title around `body`, which is HTML."""
    rest = (
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )
    policy = _POLICY.format(hashes=" ".join(_style_hashes(rest)))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n{rest}'
    )


def _style_hashes(page: str) -> list[str]:
    """Return what allows exactly the style sheets of a page: its own, and those of its drawings."""
    sheets = dict.fromkeys(re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL))
    digests = (hashlib.sha256(sheet.encode()).digest() for sheet in sheets)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def html_table(caption: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; every cell is escaped text."""

    def row(cells: Sequence[Any], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return (
        f'<div class="scroll"><table><caption>{html.escape(caption)}</caption>\n'
        f"<thead>{row(header, 'th')}</thead>\n<tbody>{body}</tbody></table></div>"
    )


def html_figure(figure: "Figure", description: str) -> str:
    """Return a matplotlib figure as inline SVG in the colours of the page.

    Args:
        figure: The figure.
        description: What it shows, for those who cannot see it.
    """
    drawing = svg(_in_text_color(figure), background=None).replace(_TEXT_COLOR, "currentColor")
    wide = ' class="wide"' if figure.get_figwidth() > _WIDE else ""
    return (
        f'<figure{wide} role="img" aria-label="{html.escape(description)}">{drawing[drawing.index("<svg") :]}</figure>'
    )


def svg(figure: "Figure", background: str | None) -> str:
    """Return a figure as an SVG document, the same for the same figure.

    Args:
        figure: The figure.
        background: A colour, or None for none.
    """
    buffer = io.StringIO()
    color = "none" if background is None else background
    for axes in figure.axes:
        axes.set_facecolor(color)
    # Text as paths looks the same wherever it is read.
    with mpl.rc_context({"svg.hashsalt": "keras_neural_opt", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", facecolor=color, metadata={"Date": None, "Creator": None})
    return re.sub(r"[ \t]+$", "", buffer.getvalue(), flags=re.MULTILINE)


def result_page(result: "TrainingResult") -> str:
    """Return the report of one training."""
    names = list(result.history)
    summary = (
        f"<p>{result.epochs_run} epochs, final loss {result.final_loss:.6g},"
        f" {'converged' if result.converged else 'not converged'}.</p>"
    )
    columns = ([f"{value:.6g}" for value in result.history[name]] for name in names)
    rows = zip_longest(range(1, result.epochs_run + 1), *columns, fillvalue="")
    figure = html_figure(result.plot(), "Loss over the epochs")
    table = html_table("One row an epoch", ("epoch", *names), rows)
    return html_page("Training result", f"{summary}\n{figure}\n<h2>History</h2>\n{table}")


def _in_text_color(figure: "Figure") -> "Figure":
    for axes in figure.axes:
        axes.tick_params(which="both", colors=_TEXT_COLOR)
        for spine in axes.spines.values():
            spine.set_color(_TEXT_COLOR)
        legend = axes.get_legend()
        for text in [
            axes.title,
            axes.xaxis.label,
            axes.yaxis.label,
            *axes.texts,
            *(legend.get_texts() if legend else []),
        ]:
            text.set_color(_TEXT_COLOR)
    return figure
