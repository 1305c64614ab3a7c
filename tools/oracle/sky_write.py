"""Holds every kind of FITS file that activities/sky writes against other people's programs, and records the sums of those found right:
test/oracle/sky/write.json.

    pip install -r tools/oracle/requirements.txt   # and Debian's fitsverify 4.20, libcfitsio-bin 4.2.0, Node 24
    python tools/oracle/sky_write.py [--verify]

Of each file: fitsverify has nothing to say; astropy finds both checksums right. Of a compressed one besides: astropy and CFITSIO (funpack, and
fitsio where funpack cannot) restore the same pixels, which are the written ones (integers, blanks, lossless tiles, zeros of dither 2) or lie
within a step of them; and its tiles are byte for byte those that fpack makes of the plain file.

Two things differ on purpose. ZBLANK is -2147483648, which the standard recommends, where fpack writes -2147483647: fpack's tiles with blanks are
compared as numbers. And funpack 4.2.0 puts tiles with blanks in the wrong place where tiles are not whole rows (its source says so, imcompress.c,
`fits_read_write_compressed_img`): there fitsio reads the file.
"""
import hashlib
import json
import os
import subprocess
import tempfile
import warnings
from pathlib import Path

import astropy
import fitsio
import numpy as np
from astropy.io import fits

from stored import keep

here = os.path.dirname(os.path.abspath(__file__))
generator = os.path.join(here, "../../activities/sky/fits/write/testing/files.ts")
TILES = {"row": "233,1", "square": "32,32", "ragged": "50,7"}
SEED = 77


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def pixels(path, hdu=None):
    with fits.open(path, checksum=True, memmap=False) as file:
        images = [one.data for one in file if one.data is not None]
        return images[0] if hdu is None else file[hdu].data


def table(path):
    with fits.open(path, disable_image_compression=True, memmap=False) as file:
        names = file[1].columns.names
        return file[1].header.copy(), [{name: np.array(row[name]) for name in names} for row in file[1].data]


def restored(path, folder, whole_rows):
    ours = pixels(path, 1)
    cfitsio = fitsio.read(path, 1)
    if whole_rows or not (cfitsio.dtype.kind == "f" and np.isnan(cfitsio).any()):
        out = os.path.join(folder, "unpacked.fits")
        subprocess.run(["funpack", "-O", out, path], check=True)
        cfitsio = pixels(out)
        os.remove(out)
    assert ours.dtype.newbyteorder("=") == cfitsio.dtype.newbyteorder("="), path
    assert np.array_equal(ours, cfitsio, equal_nan=ours.dtype.kind == "f"), path
    return ours


def compare_with_fpack(path, plain, folder, tiling, dither):
    out = os.path.join(folder, "packed.fz")
    command = ["fpack", "-r", "-t", TILES[tiling]]
    if dither:
        command += [f"-q{'z' if dither == '2' else ''}{SEED}", "4"]
    subprocess.run([*command, "-O", out, plain], check=True)
    (header, ours), (other, theirs) = table(path), table(out)
    os.remove(out)
    assert header["ZNAXIS1"] == other["ZNAXIS1"] and len(ours) == len(theirs), path
    blanks = dither and np.isnan(pixels(plain)).any()
    for mine, its in zip(ours, theirs):
        quantised = len(its["COMPRESSED_DATA"]) > 0
        assert quantised == (len(mine["COMPRESSED_DATA"]) > 0), path
        if dither and quantised:
            assert mine["ZSCALE"] == its["ZSCALE"] and mine["ZZERO"] == its["ZZERO"], path
        if not blanks and quantised:
            assert np.array_equal(mine["COMPRESSED_DATA"], its["COMPRESSED_DATA"]), path


def main():
    values = {}
    with tempfile.TemporaryDirectory() as folder:
        written = os.path.join(folder, "written")
        os.mkdir(written)
        subprocess.run(["node", generator, written], check=True)
        for name in sorted(os.listdir(written)):
            path = os.path.join(written, name)
            verified = subprocess.run(["fitsverify", "-q", path], capture_output=True, text=True)
            assert verified.stdout.startswith("verification OK"), verified.stdout
            base, *kind = name.split(".")
            if kind[0] == "fits":  # of several HDUs also packed: its parts are among the others
                with fits.open(path, checksum=True, disable_image_compression=True) as file:
                    assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in file)
                    [hdu.data for hdu in file]
            else:
                tiling, dither = (kind[0][:-1], kind[0][-1]) if kind[0][-1] in "12" else (kind[0], None)
                plain = os.path.join(written, f"{base}.fits")
                original, found = pixels(plain), restored(path, folder, tiling == "row")
                if dither:
                    assert np.array_equal(np.isnan(found), np.isnan(original)), name
                    _, rows = table(path)
                    finite = np.isfinite(original)
                    assert np.abs(found[finite] - original[finite]).max() <= max(row["ZSCALE"] for row in rows), name
                    assert dither == "1" or np.array_equal(found == 0, original == 0), name
                    compare_with_fpack(path, plain, folder, tiling, dither)
                else:
                    assert np.array_equal(found, original), name
                    compare_with_fpack(path, plain, folder, tiling, None)
            values[name] = sha256(open(path, "rb").read())
    keep(Path(here).parents[1] / "test/oracle/sky/write.json", json.dumps({
        "tool": "fitsverify, fpack, funpack, astropy, fitsio",
        "version": {"fitsverify": "4.20", "cfitsio": "4.2.0", "astropy": astropy.__version__, "fitsio": fitsio.__version__},
        "command": "python tools/oracle/sky_write.py",
        "settings": {"quantisation": 4, "ditherSeed": SEED},
        "seed": "variates of files.ts",
        "inputs": {},
        "values": values,
    }, indent=1) + "\n")


with warnings.catch_warnings():
    warnings.simplefilter("error", fits.verify.VerifyWarning)
    main()
