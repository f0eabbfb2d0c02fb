"""How all figures are drawn, those of the library and those of the report. Free of torch."""

INK, PALE = "#333333", "#dddddd"
"""Of text and lines, and of what is behind them."""

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
