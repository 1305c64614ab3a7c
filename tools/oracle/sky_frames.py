"""Records places of ICRS in FK5 (J2000), FK4 (B1950) and galactic coordinates by astropy, each within mas of what ERFA makes of it: test/oracle/sky/frames.json.

    pip install astropy==8.0.2 numpy==2.4.6
    python tools/oracle/sky_frames.py [--verify]

ERFA's galactic pole is that of Hipparcos, 25 mas from the one of FK5 that astropy has; its FK4 is that of Standish 1982, astropy's that of Murray 1989.
"""
import json
from pathlib import Path

import astropy
import erfa
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from stored import keep

rng = np.random.default_rng(1950)
lon = np.r_[0, 0, 0, 359.999999, 266.4051, 192.85948, rng.uniform(0, 360, 40)]
lat = np.r_[90, -90, 0, 12, -28.936175, 27.12825, np.degrees(np.arcsin(rng.uniform(-1, 1, 40)))]
icrs = SkyCoord(lon * u.deg, lat * u.deg)


def hipparcos_to_fk5(r, d):
    r5, d5, *_ = erfa.hfk5z(r, d, 2451545.0, 0.0)
    return r5, d5


def fk4(r, d):
    r50, d50, *_ = erfa.fk54z(*hipparcos_to_fk5(r, d), 1950.0)
    return r50, d50


others = {"fk5": (hipparcos_to_fk5, 0.01), "fk4": (fk4, 3), "galactic": (erfa.icrs2g, 30)}
values, apart = {}, {}
for frame, (other, most) in others.items():
    there = icrs.transform_to(frame).spherical
    l, b = np.degrees(other(np.radians(lon), np.radians(lat)))
    mas = SkyCoord(there.lon, there.lat).separation(SkyCoord(l * u.deg, b * u.deg)).mas
    assert mas.max() < most, (frame, mas.max())
    apart[frame] = {"most": most, "worst": round(float(mas.max()), 4)}
    values[frame] = [[float(x), float(y)] for x, y in zip(there.lon.deg, there.lat.deg)]

head = {"tool": ["astropy", "erfa"], "version": [astropy.__version__, erfa.__version__], "command": "python tools/oracle/sky_frames.py",
        "seed": 1950, "settings": {"mas apart": apart}, "icrs": [[float(x), float(y)] for x, y in zip(lon, lat)], "values": values}
keep(Path(__file__).resolve().parents[2] / "test/oracle/sky/frames.json", json.dumps(head).replace("], [", "],\n[") + "\n")
