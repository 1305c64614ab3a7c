"""Records what astropy's Cutout2D cuts out of one image: test/oracle/sky/cut.json, which activities/sky/cut is held to.

    pip install -r tools/oracle/requirements.txt
    python tools/oracle/sky_cut.py [--verify]

2,000 cutouts, made here and by the test from one seed: about random places, half-integer ones, edges and corners, of odd, even and half-integer
sizes; 800 of them by right ascension and declination, about the pole and across right ascension 0. Of each group of 50: SHA-256 of first pixel,
width and height (int32) and pixels (float32), big-endian; a cutout beside the image is four times -1. The part of each that lies on the image is
compared with numpy's and with what CFITSIO (fitsio) reads of the file.
"""
import hashlib
import json
import os
import tempfile
from pathlib import Path

import astropy
import fitsio
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.nddata.utils import NoOverlapError
from astropy.wcs import WCS

from stored import keep

WIDTH, HEIGHT, COUNT, GROUP = 257, 181, 2000, 50


def variates(seed):
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state / 2**32


def wcs(ra, dec):
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "RADESYS": "ICRS", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 129.5,
              "CRPIX2": 91.0, "CD1_1": -2e-4, "CD1_2": 3e-5, "CD2_1": 3e-5, "CD2_2": 2e-4}
    return WCS(fits.Header(header))


def cases():
    at = variates(11)
    pole, meridian = wcs(40.0, 89.999), wcs(359.999, -1.5)
    for i in range(COUNT):
        a, b, c, d = next(at), next(at), next(at), next(at)
        size = (1 + int(c * 126) / 2, 1 + int(d * 126) / 2)
        kind = i % 5
        if kind == 0:
            yield (a * WIDTH, b * HEIGHT), size
        elif kind == 1:
            yield (int(a * 2 * (WIDTH + 40)) / 2 - 20, int(b * 2 * (HEIGHT + 40)) / 2 - 20), size
        elif kind == 2:
            yield ((0 if a < 0.5 else WIDTH) + 30 * b - 15, (0 if b < 0.5 else HEIGHT) + 30 * a - 15), size
        else:
            system, ra = (pole, 360 * a) if kind == 3 else (meridian, (359.975 + 0.05 * a) % 360)
            dec = 90 - 0.02 * b if kind == 3 else -1.518 + 0.036 * b
            yield tuple(float(v) for v in system.all_world2pix(ra, dec, 0)), size


def main():
    at = variates(7)
    image = np.array([next(at) for _ in range(WIDTH * HEIGHT)], np.float64).astype(np.float32).reshape(HEIGHT, WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "image.fits")
        fits.writeto(path, image)
        file = fitsio.FITS(path)
        groups, beside, digest = [], 0, hashlib.sha256()
        for i, ((x, y), (width, height)) in enumerate(cases()):
            # Cutout2D takes sizes as height, width.
            try:
                cut = Cutout2D(image, (x, y), (height, width), mode="partial", fill_value=np.nan)
                x0, y0 = (int(v) for v in cut._origin_original_true)
                digest.update(np.array([x0, y0, cut.shape[1], cut.shape[0]], ">i4").tobytes())
                digest.update(cut.data.astype(">f4").tobytes())
                xs, ys = max(0, x0), max(0, y0)
                xe, ye = min(WIDTH, x0 + cut.shape[1]), min(HEIGHT, y0 + cut.shape[0])
                inside = cut.data[ys - y0:ye - y0, xs - x0:xe - x0]
                assert np.array_equal(inside, image[ys:ye, xs:xe]) and np.array_equal(inside, file[0][ys:ye, xs:xe])
                assert np.isnan(cut.data).sum() == cut.data.size - inside.size
            except NoOverlapError:
                beside += 1
                digest.update(np.full(4, -1, ">i4").tobytes())
            if i % GROUP == GROUP - 1:
                groups.append(digest.hexdigest())
                digest = hashlib.sha256()
    keep(Path(__file__).resolve().parents[2] / "test/oracle/sky/cut.json", json.dumps({
        "tool": "astropy.nddata.Cutout2D",
        "version": {"astropy": astropy.__version__, "fitsio": fitsio.__version__},
        "command": "python tools/oracle/sky_cut.py",
        "settings": {"mode": "partial", "count": COUNT, "group": GROUP, "width": WIDTH, "height": HEIGHT},
        "seed": {"image": 7, "cases": 11},
        "inputs": {"image": hashlib.sha256(image.astype(">f4").tobytes()).hexdigest()},
        "values": {"beside": beside, "groups": groups},
    }, indent=1) + "\n")


main()
