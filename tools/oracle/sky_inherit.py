"""Records the frames of real images whose RADESYS and EQUINOX are in the primary HDU alone: test/oracle/sky/inherit.json.

    pip install astropy==8.0.2 numpy==2.4.6
    python tools/oracle/sky_inherit.py ../shared/samples/sky [--verify]

The headers are joined here as the standard has it (4.0, section 4.4.2.6 and appendix K: what the extension says itself stands), as no program asked
does it. What that makes is wcslib's (RADESYS, EQUINOX) and astropy's (places in ICRS), each within 0.01 mas of what ERFA makes of FK5.
"""
import json
import re
import sys
import warnings
from pathlib import Path

import astropy
import erfa
import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from sky_wcs import text
from stored import keep

warnings.simplefilter("ignore")
OUT = Path(__file__).resolve().parents[2] / "test/oracle/sky"
MOST = 0.01  # mas
PLACES = np.array([[0, 0], [100.5, 17], [1024, 2048.25], [-300, 77], [1999, 4000]])
NEVER = {"SIMPLE", "BITPIX", "NAXIS", "EXTEND", "COMMENT", "HISTORY", "", "CHECKSUM", "DATASUM", "INHERIT", "EXTNAME", "BSCALE", "BZERO", "BLANK"}


def is_inheriting(header):
    # Bok's files have it as a string.
    return header.get("INHERIT") in (True, "T")


def joined(extension, primary):
    out = extension.copy()
    if is_inheriting(extension):
        for card in primary.cards:
            if card.keyword not in NEVER and card.keyword not in extension:
                out.append(card, end=True)
    return out


def record(files):
    with fits.open(files[0], disable_image_compression=True) as hdus:
        primary, extension = hdus[0].header, hdus[1].header
    wcs = WCS(joined(extension, primary))
    lon, lat = np.array(wcs.all_pix2world(PLACES, 0)).T
    frame = wcs_to_celestial_frame(wcs)
    icrs = SkyCoord(lon * u.deg, lat * u.deg, frame=frame).icrs
    if frame.name == "fk5":
        r, d, *_ = erfa.fk5hz(np.radians(lon), np.radians(lat), 2451545.0, 0.0)
        assert icrs.separation(SkyCoord(r * u.rad, d * u.rad)).mas.max() < MOST
    moved = icrs.separation(SkyCoord(lon * u.deg, lat * u.deg)).mas
    said = WCS(extension)
    return {
        "files": [path.name for path in files],
        "primary": text(primary).splitlines(),
        "extension": text(extension, re.compile("INHERIT")).splitlines(),
        "radesys": [said.wcs.radesys, wcs.wcs.radesys],
        "equinox": None if np.isnan(wcs.wcs.equinox) else float(wcs.wcs.equinox),
        "mas": round(float(moved.max()), 3),
        "points": [[*map(float, p), float(a), float(b)] for p, a, b in zip(PLACES, icrs.ra.deg, icrs.dec.deg)],
    }


def main():
    same = {}
    for path in sorted(Path(sys.argv[1]).glob("*.fits")):
        with fits.open(path, disable_image_compression=True) as hdus:
            parts = [text(hdu.header) for hdu in hdus[:2]]
        grid = "".join(line for line in "".join(parts).splitlines(True) if not line.startswith(("NAXIS", "ZNAXIS")))
        same.setdefault(grid, []).append(path)
    keep(OUT / "inherit.json", json.dumps({
        "tool": ["astropy and its wcslib", "erfa"], "version": [astropy.__version__, erfa.__version__],
        "command": "python tools/oracle/sky_inherit.py SAMPLES", "settings": {"mas": MOST},
        "values": [record(files) for files in same.values()],
    }, indent=1) + "\n")


main()
