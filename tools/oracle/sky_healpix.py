"""Records HEALPix cells and centres where astropy_healpix and cdshealpix agree: test/oracle/sky/healpix.json.

    pip install numpy==2.4.6 astropy==8.0.2 astropy_healpix==2.0.1 cdshealpix==0.9.0
    python tools/oracle/sky_healpix.py [--verify]

Places: random ones over the sphere, and those where cells are hard: poles, right ascension 0 and 90, the edge of the equatorial belt.
"""

import json
import math
from pathlib import Path

import astropy_healpix
import cdshealpix
import numpy as np
from astropy import units as u
from astropy.coordinates import Latitude, Longitude
from astropy_healpix import HEALPix
from stored import keep

ORDERS = [0, 1, 5, 8, 13, 20, 24]


def places():
    random = np.random.default_rng(14)
    lon = random.uniform(0, 360, 60)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, 60)))
    yield from zip(lon.tolist(), lat.tolist())
    belt = math.degrees(math.asin(2 / 3))
    for lon in [0.3, 44.9, 89.7, 90.2, 179.8, 180.3, 359.6]:
        for lat in [-89.9999, -belt - 0.01, -belt + 0.01, -0.02, 0.01, belt - 0.01, belt + 0.01, 89.99999]:
            yield lon, lat


cells = []
for lon, lat in places():
    row = [
        int(HEALPix(2**order, order="nested").lonlat_to_healpix(lon * u.deg, lat * u.deg)) for order in ORDERS
    ]
    for order, cell in zip(ORDERS, row):
        other = cdshealpix.nested.lonlat_to_healpix(Longitude(lon * u.deg), Latitude(lat * u.deg), order)
        assert int(other[0]) == cell, (lon, lat, order, cell, other)
    cells.append([lon, lat, *row])

centres = []
random = np.random.default_rng(41)
for order in ORDERS:
    grid = HEALPix(2**order, order="nested")
    picked = range(12) if order == 0 else random.integers(0, grid.npix, 24).tolist() + [0, grid.npix - 1]
    for cell in picked:
        lon, lat = grid.healpix_to_lonlat(cell)
        other = cdshealpix.nested.healpix_to_lonlat(np.array([cell]), order)
        assert abs(other[1][0].deg - lat.deg) < 1e-10, (order, cell)
        assert abs((other[0][0].deg - lon.deg + 180) % 360 - 180) * math.cos(lat.rad) < 1e-10, (order, cell)
        centres.append([order, int(cell), float(lon.deg), float(lat.deg)])

keep(
    Path(__file__).resolve().parents[2] / "test/oracle/sky/healpix.json",
    json.dumps(
        {
            "tool": "astropy_healpix, cdshealpix",
            "version": f"{astropy_healpix.__version__}, {cdshealpix.__version__}",
            "command": "python tools/oracle/sky_healpix.py",
            "orders": ORDERS,
            "cells": cells,
            "centres": centres,
        }
    ).replace("], [", "],\n[")
    + "\n",
)
