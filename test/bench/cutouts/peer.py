"""Cutouts as they are made in Python: one process, one stamp after the other, HDUs kept open. A line of JSON asks for a turn, a line answers."""

import hashlib
import json
import os
import sys
import time

import fitsio
import numpy as np
import s3fs
from astropy.io import fits

reach = json.loads(sys.stdin.readline())
store = s3fs.S3FileSystem(
    key=reach["accessKeyId"],
    secret=reach["secretAccessKey"],
    client_kwargs={"endpoint_url": reach["endpoint"], "region_name": reach["region"]},
    config_kwargs={"s3": {"addressing_style": "path"}},
)
opened = {}


def kept(way, tile):
    """What stays open of a tile: its file with the image's HDU, and the image's header."""
    key = (way, tile)
    if key not in opened:
        if way == "fitsio":
            file = fitsio.FITS(reach["files"][tile])
            opened[key] = (file[1], file[1].read_header(), file)
        else:
            # Ranges of a megabyte through a cache of one piece, as astropy's documentation has it for large files.
            path = f"{reach['bucket']}/{reach['keys'][tile]}"
            file = store.open(path, "rb", block_size=1_000_000, cache_type="bytes")
            hdu = fits.open(file)[1]
            opened[key] = (hdu, hdu.header, file)
    return opened[key]


def moved(header, x0, y0):
    header = header.copy()
    header["CRPIX1"] -= x0
    header["CRPIX2"] -= y0
    return header


def cut(way, stamp, size, path, whole):
    tile, x0, y0 = stamp["tile"], stamp["x0"], stamp["y0"]
    hdu, header, _ = kept(way, tile)
    if way == "fitsio":
        data = hdu[y0 : y0 + size, x0 : x0 + size]
        with fitsio.FITS(path, "rw", clobber=True) as file:
            new = fitsio.FITSHDR(header)
            new["CRPIX1"] = header["CRPIX1"] - x0
            new["CRPIX2"] = header["CRPIX2"] - y0
            file.write(data, header=new)
        return data
    if way == "whole":
        if tile not in whole:
            whole.clear()
            whole[tile] = fits.open(store.open(f"{reach['bucket']}/{reach['keys'][tile]}", "rb", cache_type="all"))[1].data
        data = whole[tile][y0 : y0 + size, x0 : x0 + size]
    else:
        data = hdu.section[y0 : y0 + size, x0 : x0 + size]
    fits.PrimaryHDU(data, moved(header, x0, y0)).writeto(path, overwrite=True)
    return data


for line in sys.stdin:
    turn = json.loads(line)
    digests, whole = [], {}
    began, cpu = time.perf_counter(), time.process_time()
    for i, stamp in enumerate(turn["stamps"]):
        data = cut(turn["way"], stamp, turn["size"], os.path.join(turn["folder"], f"{i}.fits"), whole)
        if turn["digests"]:
            digests.append(hashlib.sha256(np.asarray(data).astype(">f4").tobytes()).hexdigest())
    answer = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "digests": digests}
    print(json.dumps(answer), flush=True)
