"""Records what reproject_exact and SWarp make of small skies: test/oracle/sky/mosaic.json, which `activities/sky/mosaic` is held to.

    pip install numpy==2.4.6 astropy==8.0.2 reproject==0.21.0   # and Debian's swarp 2.41.5
    python tools/oracle/sky_mosaic.py [--verify]

The skies are isolated Gaussians (more than five times their full width apart) on a flat background; they are rounded to 1/256, so that the
tests make the same bits; the SHA-256 of their big-endian float32 tells a changed generator. Results are little-endian float32, rounded to
1/4096, as base64 of zlib. reproject_exact gives surface brightness, which is stored as such. SWarp gives flux (it multiplies by the ratio of the
areas of pixels, one number a tile: FSCALASTRO_TYPE FIXED). SWarp's are recorded where the fluxes of sources by both agree within 0.2 %, which
they do not at a pole: there SWarp's ratio of areas is off by a percent, and its places by hundredths of a pixel. That case, and that of a
galactic grid for an equatorial tile, which SWarp does not make without help, are reproject's alone.
"""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import astropy
import numpy as np
import reproject
from astropy.io import fits
from astropy.wcs import WCS

from stored import keep

SIZE = 64
FWHM = 4.0
BACKGROUND = 2.0
SOURCES = [[14.3, 15.1, 1000.0], [45.8, 17.4, 400.0], [18.6, 46.2, 700.0], [46.9, 48.5, 1500.0]]
SCALE = 0.263 / 3600


def sky():
    y, x = np.mgrid[:SIZE, :SIZE]
    s = FWHM / (2 * np.sqrt(2 * np.log(2)))
    image = np.full((SIZE, SIZE), BACKGROUND)
    for sx, sy, flux in SOURCES:
        image += flux / (2 * np.pi * s * s) * np.exp(-((x - sx) ** 2 + (y - sy) ** 2) / (2 * s * s))
    return (np.round(image * 256) / 256).astype(np.float32)


def tan(lon, lat, x, y, scale, rotation, galactic=False):
    """Cards of a grid whose y axis is turned by so many degrees from north to east."""
    c, s = scale * np.cos(np.deg2rad(rotation)), scale * np.sin(np.deg2rad(rotation))
    first, second = ("GLON-TAN", "GLAT-TAN") if galactic else ("RA---TAN", "DEC--TAN")
    return {**({} if galactic else {"RADESYS": "ICRS"}), "CTYPE1": first, "CTYPE2": second, "CUNIT1": "deg", "CUNIT2": "deg",
            "CRVAL1": lon, "CRVAL2": lat, "CRPIX1": x, "CRPIX2": y,
            "CD1_1": float(-c), "CD1_2": float(s), "CD2_1": float(s), "CD2_2": float(c)}


def tpv():
    cards = tan(150.0, 2.0, 900.0, -700.0, SCALE, 90.0)
    cards.update({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"})
    cards.update({"PV1_0": 1e-4, "PV1_1": 1.003, "PV1_2": 0.002, "PV1_4": 0.01, "PV1_5": -0.02, "PV1_7": 0.4})
    cards.update({"PV2_0": -2e-4, "PV2_1": 0.998, "PV2_2": -0.001, "PV2_4": 0.02, "PV2_6": 0.01, "PV2_7": -0.3})
    return cards


def cases():
    plain = tan(150.0, 2.0, 32.5, 32.5, SCALE, 0.0)
    yield "turned", plain, tan(150.0001, 2.0001, 31.0, 31.5, SCALE, 30.0), 62
    yield "larger pixels", plain, tan(150.0001, 2.0001, 23.0, 22.5, 1.4 * SCALE, 20.0), 46
    yield "much larger pixels", plain, tan(150.0001, 2.0002, 12.0, 12.5, 2.6 * SCALE, -70.0), 24
    yield "smaller pixels", plain, tan(150.00126, 1.9988, 26.5, 26.5, 0.5 * SCALE, 45.0), 52
    yield "distorted", tpv(), None, 62
    yield "across right ascension 0", tan(359.9999, -45.0, 32.5, 32.5, SCALE, 10.0), tan(0.0002, -45.0001, 30.0, 31.0, SCALE, -15.0), 60
    yield "at a pole", tan(77.0, 89.9995, 32.5, 32.5, SCALE, 0.0), tan(200.0, 89.9998, 28.0, 29.0, 1.1 * SCALE, 40.0), 56
    yield "galactic", plain, None, 62


def header(cards, size):
    h = fits.Header()
    h["NAXIS"], h["NAXIS1"], h["NAXIS2"] = 2, size, size
    for key, value in cards.items():
        h[key] = value
    return h


def swarp(image, source, target, size):
    with tempfile.TemporaryDirectory() as folder:
        fits.PrimaryHDU(image, header(source, SIZE)).writeto(os.path.join(folder, "in.fits"))
        with open(os.path.join(folder, "out.head"), "w") as f:
            f.write("".join(f"{card}\n" for card in header(target, size).cards) + "END\n")
        command = ["SWarp", "in.fits", "-IMAGEOUT_NAME", "out.fits", "-SUBTRACT_BACK", "N", "-RESAMPLING_TYPE", "LANCZOS3", "-PROJECTION_ERR", "0",
                   "-COMBINE_TYPE", "AVERAGE", "-WRITE_XML", "N", "-NTHREADS", "1", "-VERBOSE_TYPE", "QUIET"]
        subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
        result = fits.getdata(os.path.join(folder, "out.fits")).astype(float)
        weight = fits.getdata(os.path.join(folder, "coadd.weight.fits"))
        result[weight <= 0] = np.nan
        return result


def packed(array):
    rounded = (np.round(array * 4096) / 4096).astype("<f4")
    return base64.b64encode(zlib.compress(rounded.tobytes(), 9)).decode()


def fluxes(array, source, target, size, background):
    """By apertures of one and a half full widths, of sources that lie on the result whole."""
    y, x = np.mgrid[:size, :size]
    pixel = np.sqrt(abs(np.linalg.det(target.pixel_scale_matrix)))
    radius = 1.5 * FWHM * SCALE / pixel
    found = []
    for sx, sy, _ in SOURCES:
        px, py = (float(v) for v in target.world_to_pixel(source.pixel_to_world(sx, sy)))
        if min(px, py, size - 1 - px, size - 1 - py) > radius + 1:
            inside = (x - px) ** 2 + (y - py) ** 2 <= radius**2
            found.append(float((array - background)[inside].sum()))
    return np.array(found)


def main():
    image = sky()
    values = {}
    for name, source, target, size in cases():
        wcs = WCS(header(source, SIZE))
        if target is None:
            # Around the middle of the tile.
            middle = wcs.pixel_to_world(31.5, 31.5)
            galactic = name == "galactic"
            lon, lat = (middle.galactic.l.deg, middle.galactic.b.deg) if galactic else (middle.ra.deg, middle.dec.deg)
            target = tan(float(lon), float(lat), size / 2, size / 2, SCALE, 25.0, galactic)
        out = WCS(header(target, size))
        exact, _ = reproject.reproject_exact((image, wcs), out, shape_out=(size, size))
        entry = {"source": source, "target": target, "size": size, "exact": packed(exact)}
        by_exact = fluxes(exact, wcs, out, size, BACKGROUND)
        if name != "galactic":
            lanczos = swarp(image, source, target, size)
            # Of a result pixel, in pixels of the tile.
            middle = size / 2
            (x, ax, bx), (y, ay, by) = wcs.world_to_pixel(out.pixel_to_world([middle, middle + 1, middle], [middle, middle, middle + 1]))
            area = abs((ax - x) * (by - y) - (ay - y) * (bx - x))
            ratio = fluxes(lanczos, wcs, out, size, BACKGROUND * area) / (by_exact * area)
            print(name, "SWarp / reproject:", ratio, file=sys.stderr)
            agree = np.abs(ratio - 1).max() <= 2e-3
            if agree:
                entry["lanczos3"] = packed(lanczos)
            elif name != "at a pole":
                raise SystemExit(f"{name}: the two differ by {ratio}")
        values[name] = entry
    keep(Path(__file__).resolve().parents[2] / "test/oracle/sky/mosaic.json", json.dumps({
        "tool": "reproject, SWarp",
        "version": f"reproject {reproject.__version__}, astropy {astropy.__version__}, numpy {np.__version__}, "
                   + subprocess.run(["SWarp", "-v"], capture_output=True, text=True).stdout.strip(),
        "command": "python tools/oracle/sky_mosaic.py",
        "settings": {"size": SIZE, "fwhm": FWHM, "background": BACKGROUND, "sources": SOURCES},
        "inputs": {"sky": hashlib.sha256(image.astype(">f4").tobytes()).hexdigest()},
        "values": values,
    }, indent=1) + "\n")


main()
