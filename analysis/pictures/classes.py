"""How bona fide and spoof are drawn, wherever a picture is about one detector.

The two colours differ in lightness as well, for a printer and for eyes that see no red or green.
They are no detector's, so such a picture names its detector in the title.
"""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter

BONA_FIDE_COLOUR = "#1b4f5c"
SPOOF_COLOUR = "#e0803a"

# 0.0525 is 5.25 %, without zeros that say nothing.
PER_CENT = FuncFormatter(lambda rate, _: f"{100 * rate:.6g} %")
