"""The fonts of letters and house numbers; all come with matplotlib or Pillow."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import ImageFont

from avalanche_mas.streams.drawn.canvas import GLYPH_PIXELS

FONTS = (
    "DejaVuSans",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-BoldItalic",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmtt10",
    "Aileron",
)


@cache
def font(name: str) -> ImageFont.FreeTypeFont:
    """Load a font of `FONTS` in the size at which glyphs are rasterised.

    Raises:
        RuntimeError: if Pillow was built without FreeType.
    """
    if name == "Aileron":
        found = ImageFont.load_default(size=GLYPH_PIXELS)
        if not isinstance(found, ImageFont.FreeTypeFont):
            raise RuntimeError("Pillow has no FreeType here; install a wheel: pip install pillow")
        return found
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{name}.ttf"), GLYPH_PIXELS)
