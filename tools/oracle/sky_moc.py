"""Records coverage maps as mocpy makes them of the footprints of tiles: test/oracle/sky/moc.json.

    pip install mocpy==0.21.0 astropy==8.0.2 numpy==2.4.6
    python tools/oracle/sky_moc.py [--verify]

Tiles: one, two over right ascension 0, one over each pole, a grid of neighbours with gaps, one of 20 degrees.
"""

import json
from pathlib import Path

import astropy.units as u
import mocpy
import numpy as np
from astropy.wcs import WCS
from mocpy import MOC

from stored import keep

SETS = {
    "one": (10, [(150.1, 2.2, 0.2, 0)]),
    "right ascension 0": (9, [(0.01, -30, 0.5, 20), (359.8, -30.1, 0.5, 5)]),
    "north pole": (9, [(77, 89.9, 0.7, 33)]),
    "south pole": (7, [(0, -90, 3, 10)]),
    "neighbours": (8, [(20 + (i % 6) * 1.05, -45 + (i // 6) * 0.7, 0.73, 0) for i in range(24)]),
    "large": (5, [(200, 41.8, 20, 45)]),
}


def corners(lon, lat, size, rotation):
    """Of a TAN image of 100 pixels a side whose columns point so many degrees from north towards east."""
    wcs = WCS(naxis=2)
    scale = size / 100
    c, s = np.cos(np.radians(rotation)) * scale, np.sin(np.radians(rotation)) * scale
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [lon, lat]
    wcs.wcs.crpix = [50.5, 50.5]
    wcs.wcs.cd = [[-c, s], [s, c]]
    wcs.wcs.lonpole = 180
    edges = np.array([[-0.5, -0.5], [99.5, -0.5], [99.5, 99.5], [-0.5, 99.5]])
    return wcs.all_pix2world(edges, 0)


sets = {}
for name, (order, tiles) in SETS.items():
    outlines = [corners(*tile) for tile in tiles]
    maps = [MOC.from_polygon(c[:, 0] * u.deg, c[:, 1] * u.deg, max_depth=order) for c in outlines]
    whole = maps[0]
    for one in maps[1:]:
        whole = whole.union(one)
    sets[name] = {
        "order": order,
        "corners": [np.round(c, 12).tolist() for c in outlines],
        "moc": whole.serialize(format="json"),
        "coarser": whole.degrade_to_order(order - 3).serialize(format="json"),
        "ascii": whole.to_string("ascii").split(),
    }
keep(
    Path(__file__).resolve().parents[2] / "test/oracle/sky/moc.json",
    json.dumps(
        {
            "tool": "mocpy",
            "version": mocpy.__version__,
            "command": "python tools/oracle/sky_moc.py",
            "sets": sets,
        },
        separators=(",", ":"),
    )
    + "\n",
)
