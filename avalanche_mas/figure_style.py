"""The style of all figures, in the library and the report. Free of torch."""

INK, PALE = "#333333", "#dddddd"
"""The colours of text and lines, and of the background behind them."""

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.color": INK,
    "text.usetex": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}
