"""Records where astropy and wcslib put pixels on the sky: test/oracle/sky/wcs.json and the headers beside it, which `activities/sky/wcs` is held to.

    pip install astropy==8.0.2 numpy==2.4.6; apt-get install gcc wcslib-dev
    python tools/oracle/sky_wcs.py ../shared/samples/sky [--verify]

A point is recorded where both agree to 1e-9 pixel (or 1e-13 degree, which is what doubles can tell at 360), of the place of a pixel as of the pixel of a
place; how many do not is recorded too. Where wcslib reads
another thing than astropy, or none, the header says so in `alone`, with the reason. Floats are written as Python does: the shortest that is read back
as the same.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import astropy
import astropy.wcs
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from stored import keep

warnings.simplefilter("ignore")
HERE = Path(__file__).resolve().parent
OUT = HERE.parents[1] / "test/oracle/sky"
ASTROPY = Path(astropy.wcs.__file__).parent / "tests/data"
SAMPLES = Path(sys.argv[1])
AGREED = 1e-9
DIGITS = 1e-13
SEED = 20240917
WORDS = re.compile(
    r"(NAXIS[12]?|ZNAXIS[12]|WCSAXES|RADESYS|RADECSYS|EQUINOX|EPOCH|"
    r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)\d|(CD|PC)\d_\d|PC00\d00\d|PV\d_\d+|LONPOLE|LATPOLE|[AB]P?_(ORDER|\d_\d))[A-Z]?"
)

# What is refused by name: plate solutions, lookup tables.
TABLES = re.compile(r"AMD[XY]\d+|PLT\w+|PPO\d|CNPIX\d|[XY]PIXELSZ|CPDIS\d|D2IMDIS\d|D2IMEXT")


def text(header, *more):
    """Its cards of the WCS, one a line."""
    return "".join(card.image[:80].rstrip() + "\n" for card in header.cards if any(words.fullmatch(card.keyword) for words in (WORDS, *more)))


def of_file(path, hdu=0):
    if path.suffix == ".hdr":
        return fits.Header.fromstring(path.read_bytes().decode())
    with fits.open(path) as hdus:
        return hdus[hdu].header


def made(**cards):
    header = fits.Header()
    base = dict(NAXIS=2, NAXIS1=600, NAXIS2=400, CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=150.1, CRVAL2=2.2, CRPIX1=300.5, CRPIX2=200.5)
    scale = {} if "CD1_1" in cards else dict(CDELT1=-2e-4, CDELT2=2e-4)
    for key, value in {**base, **scale, **cards}.items():
        header[key] = value
    return header


TPV = dict(CTYPE1="RA---TPV", CTYPE2="DEC--TPV", CD1_1=-4e-4, CD1_2=2e-5, CD2_1=1e-5, CD2_2=4e-4)
CURVED = dict(PV1_0=1e-4, PV1_1=1.01, PV1_2=2e-3, PV1_4=3e-3, PV1_5=-2e-3, PV1_7=4e-3, PV1_12=-1e-3, PV2_0=-2e-4, PV2_1=0.99, PV2_2=-3e-3, PV2_6=2e-3, PV2_10=5e-3)
SIN = dict(CTYPE1="RA---SIN", CTYPE2="DEC--SIN")
MADE = {
    "pole-north": made(CRVAL1=30.0, CRVAL2=90.0),
    "pole-north-180": made(CRVAL1=30.0, CRVAL2=90.0, LONPOLE=180.0),
    "pole-south": made(CRVAL1=210.0, CRVAL2=-90.0),
    "pole-within": made(CRVAL1=77.0, CRVAL2=89.99),
    "ra-0": made(CRVAL1=0.0, CRVAL2=-33.0),
    "ra-360": made(CRVAL1=359.9999, CRVAL2=61.0),
    "crota2": made(CROTA2=33.0, CDELT1=-3e-4),
    "crota1-dec-first": made(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.2, CRVAL2=150.1, CDELT1=2e-4, CDELT2=-3e-4, CROTA1=33.0),
    "pc": made(PC1_1=0.8, PC1_2=-0.61, PC2_1=0.6, PC2_2=0.79, CDELT1=-3e-4, CDELT2=2e-4),
    "pc-of-old": made(PC001001=0.8, PC001002=-0.61, PC002001=0.6, PC002002=0.79, CDELT1=-3e-4, CDELT2=2e-4),
    "cd-mirrored": made(CD1_1=2e-4, CD1_2=3e-5, CD2_1=-2e-5, CD2_2=1.9e-4),
    "dec-first": made(CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=-12.0, CRVAL2=350.1, CD1_1=1e-6, CD1_2=2e-4, CD2_1=-2e-4, CD2_2=3e-6),
    "lonpole": made(LONPOLE=37.5),
    "lonpole-sin": made(**SIN, LONPOLE=-122.0, CDELT1=-0.01, CDELT2=0.01),
    "sin-wide": made(**SIN, CRVAL2=40.0, CDELT1=-0.25, CDELT2=0.25),
    "sin-slant": made(**SIN, PV2_1=0.3, PV2_2=-0.7, CDELT1=-0.1, CDELT2=0.1),
    "ncp": made(CTYPE1="RA---NCP", CTYPE2="DEC--NCP", CRVAL2=52.0, CDELT1=-0.01, CDELT2=0.01),
    "tan-wide": made(CDELT1=-0.3, CDELT2=0.3),
    "galactic": made(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN", CRVAL1=0.05, CRVAL2=-0.1),
    "arcsec": made(CUNIT1="arcsec", CUNIT2="arcsec", CRVAL1=540360.0, CRVAL2=7920.0, CDELT1=-0.72, CDELT2=0.72),
    "tpv": made(**TPV, **CURVED),
    "tpv-radial": made(**TPV, **CURVED, PV1_3=1e-3, PV1_11=2e-3, PV2_3=-1e-3, PV2_23=0.02, PV2_39=-0.3, PV1_31=0.01, PV2_38=0.2),
    "scamp": made(**{**TPV, **CURVED, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}),
    "cube": made(NAXIS=4, NAXIS3=1, NAXIS4=1, **SIN, CTYPE3="FREQ", CRVAL3=1.4e9, CRPIX3=1.0, CDELT3=1e6, CTYPE4="STOKES", CRVAL4=1.0, CRPIX4=1.0, CDELT4=1.0),
}

# What wcslib 7.12 is not asked about, and why.
ALONE = {
    "scamp": "wcslib reads TAN with PV of SCAMP since version 8 alone; the same as the header tpv",
    "too_many_pv": "wcslib reads PV beside -SIP, which astropy removes (its issue 2364; Shupe et al. 2012, section 7)",
}


def inputs():
    """name, source, header, names of further files of the same WCS."""
    seen = {}
    for path in sorted(SAMPLES.glob("*.fits")):
        header = of_file(path, 1)
        cards = "".join(line for line in text(header).splitlines(True) if not line.startswith(("NAXIS", "ZNAXIS")))
        seen.setdefault(cards, []).append((path.name, header))
    for files in seen.values():
        yield files[0][0].removesuffix(".fits"), "legacypipe", files[0][1], [name for name, _ in files]
    for name in ["tpvonly.hdr", "siponly.hdr", "irac_sip.hdr", "too_many_pv.hdr", "maps/1904-66_TAN.hdr", "maps/1904-66_SIN.hdr", "sip.fits", "sip2.fits"]:
        yield Path(name).stem, "astropy", of_file(ASTROPY / name), []
    yield "j94f05bgq_flt", "astropy", of_file(ASTROPY / "j94f05bgq_flt.fits", 1), []
    for name, header in MADE.items():
        yield name, "made", header, []


REFUSED = {"dss": ("dss.14.29.56-62.41.05.fits.gz", 0), "dist_lookup": ("dist_lookup.fits.gz", 1)}


def wcslib(path, pixels):
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "wcs"
        subprocess.run(["cc", "-O1", "-I/usr/include/wcslib", HERE / "sky_wcs.c", "-o", program, "-lwcs", "-lm"], check=True)
        lines = "".join(f"{x + 1!r} {y + 1!r}\n" for x, y in pixels.tolist())
        run = subprocess.run([program, path, ""], input=lines, capture_output=True, text=True)
        if run.returncode != 0:
            raise SystemExit(f"{path.name}: wcslib says {run.returncode} {run.stderr}")
        values = np.array([[float(word) for word in line.split()] for line in run.stdout.splitlines()])
        return values[:, :2], values[:, 2:] - 1


def apart(a, b, scale):
    """Pixels between two lists of places."""
    east = ((a[:, 0] - b[:, 0] + 180) % 360 - 180) * np.cos(np.radians(a[:, 1]))
    return np.hypot(east, a[:, 1] - b[:, 1]) / scale


def main():
    (OUT / "wcs").mkdir(parents=True, exist_ok=True)
    for name, (file, hdu) in REFUSED.items():
        keep(OUT / "wcs" / f"{name}.hdr", text(of_file(ASTROPY / file, hdu), TABLES))
    rng = np.random.default_rng(SEED)
    records = []
    for name, source, header, files in inputs():
        path = OUT / "wcs" / f"{name}.hdr"
        keep(path, text(header))
        wcs = WCS(fits.Header.fromstring(path.read_text(), sep="\n")).celestial
        lon_first = wcs.wcs.lng == 0
        scale = float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))))
        size = np.array([header.get(f"ZNAXIS{i}", header.get(f"NAXIS{i}", 256)) for i in (1, 2)])
        # Of small cuts a chip's worth; a sixteenth of a pixel is short to write.
        margin = 1000 if source == "legacypipe" else 0
        count = 60 if source == "made" else 200
        pixels = np.round(rng.uniform(-0.5 - margin, size - 0.5 + margin, (count, 2)) * 16) / 16
        sky = wcs.all_pix2world(pixels, 0)
        # Those that are not on the sky are recorded as such.
        shown = np.isfinite(sky).all(axis=1)
        back = np.full_like(pixels, np.nan)
        if source == "made" or shown.all():
            back[shown] = wcs.all_world2pix(sky[shown], 0, tolerance=1e-11, maxiter=50)
        sky = sky if lon_first else sky[:, ::-1]
        sky[:, 0] %= 360
        worst = {"inverse": float(np.nanmax(np.abs(back - pixels)))}
        agreed = max(AGREED, DIGITS / scale)
        good = ~shown | (np.abs(back - pixels).max(axis=1) <= agreed)
        if name not in ALONE:
            theirs, returned = wcslib(path, pixels)
            missing = ~np.isfinite(theirs).all(axis=1)
            assert (missing == ~shown).all(), f"{name}: wcslib has {missing.sum()} without a place, astropy {(~shown).sum()}"
            difference = apart(sky, theirs, scale)
            inverse = np.abs(returned - pixels).max(axis=1)
            worst.update(wcslib=float(np.nanmax(difference)), wcslibInverse=float(np.nanmax(inverse)))
            good &= ~shown | ((difference <= agreed) & (inverse <= agreed))
        points = [[*map(float, p), *(map(float, s) if ok else (None, None))] for p, s, ok, g in zip(pixels, sky, shown, good) if g]
        record = {"name": name, "source": source, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "scale": scale}
        if files:
            record["files"] = files
        if name in ALONE:
            record["alone"] = ALONE[name]
        records.append({**record, "worst": worst, "left": int((~good).sum()), "points": points})
        print(f"{name}: {len(points)} points, {worst}", file=sys.stderr)
    version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "wcslib-dev"], capture_output=True, text=True).stdout
    head = {"tool": ["astropy", "wcslib"], "version": [astropy.__version__, version], "command": "python tools/oracle/sky_wcs.py SAMPLES", "seed": SEED,
            "settings": {"agreed": AGREED, "degrees": DIGITS, "all_world2pix": {"tolerance": 1e-11}}}
    body = ",\n".join(json.dumps(record, ensure_ascii=False).replace("[[", "[\n[").replace("], [", "],\n[") for record in records)
    keep(OUT / "wcs.json", json.dumps(head)[:-1] + ', "values": [\n' + body + "\n]}\n")


if __name__ == "__main__":
    main()
