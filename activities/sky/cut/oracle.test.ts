import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { memorySource } from '../bytes/memory.ts';
import { openImage } from '../fits/read/open.ts';
import { writeFits } from '../fits/write/file.ts';
import { toBigEndian } from '../fits/write/image.ts';
import { variates } from '../fits/write/testing/files.ts';
import type { Plane } from '../image/plane.ts';
import { parseWcs } from '../wcs/parse.ts';
import { headerOf } from '../wcs/testing.ts';
import { cutTile } from './cut.ts';
import { cutBox, type Placed, placeCut, wholePixels } from './place.ts';
import type { CutSize } from './request.ts';

const { settings, inputs, values } = JSON.parse(
  readFileSync(new URL('../../../test/oracle/sky/cut.json', import.meta.url), 'utf8'),
) as {
  settings: { count: number; group: number; width: number; height: number };
  inputs: { image: string };
  values: { beside: number; groups: string[] };
};
const { width, height } = settings;

const wcs = (ra: number, dec: number) =>
  parseWcs(
    headerOf({
      ...{ CTYPE1: 'RA---TAN', CTYPE2: 'DEC--TAN', RADESYS: 'ICRS', CRVAL1: ra, CRVAL2: dec },
      ...{ CRPIX1: 129.5, CRPIX2: 91, CD1_1: -2e-4, CD1_2: 3e-5, CD2_1: 3e-5, CD2_2: 2e-4 },
    }),
  );
const pole = wcs(40, 89.999);
const meridian = wcs(359.999, -1.5);

/** As tools/oracle/sky_cut.py makes them. */
function* places(): Generator<Placed> {
  const next = variates(11);
  for (let i = 0; i < settings.count; i++) {
    const [a, b, c, d] = [next(), next(), next(), next()];
    const size: CutSize = {
      width: { value: 1 + Math.trunc(c * 126) / 2, unit: 'px' },
      height: { value: 1 + Math.trunc(d * 126) / 2, unit: 'px' },
    };
    const at = (x: number, y: number): Placed => ({
      box: cutBox(x, y, wholePixels(size.width, 1), wholePixels(size.height, 1)),
      centre: [x, y],
    });
    const kind = i % 5;
    if (kind === 0) yield at(a * width, b * height);
    else if (kind === 1) {
      yield at(Math.trunc(a * 2 * (width + 40)) / 2 - 20, Math.trunc(b * 2 * (height + 40)) / 2 - 20);
    } else if (kind === 2) {
      yield at((a < 0.5 ? 0 : width) + 30 * b - 15, (b < 0.5 ? 0 : height) + 30 * a - 15);
    } else if (kind === 3) yield placeCut(pole, 360 * a, 90 - 0.02 * b, size);
    else yield placeCut(meridian, (359.975 + 0.05 * a) % 360, -1.518 + 0.036 * b, size);
  }
}

it('cuts the pixels that Cutout2D cuts: edges, corners, halves, the pole and right ascension 0', async () => {
  const next = variates(7);
  const data = Float32Array.from({ length: width * height }, next);
  const bytes = toBigEndian(data, Buffer.alloc(data.byteLength));
  expect(createHash('sha256').update(bytes).digest('hex'), 'the recorded image').toBe(inputs.image);
  const image = await openImage(memorySource(writeFits([{ plane: { width, height, data }, cards: [] }])));

  const scratch = Buffer.alloc(4 * 64 * 64);
  const groups: string[] = [];
  let digest = createHash('sha256');
  let beside = 0;
  let count = 0;
  const add = (box: readonly number[], plane?: Plane) => {
    digest.update(toBigEndian(Int32Array.from(box), Buffer.alloc(16)));
    if (plane) digest.update(toBigEndian(plane.data, scratch));
  };
  for (const { box, centre } of places()) {
    try {
      const { image: cut } = await cutTile({ planes: { image }, box, centre, mode: 'primary' });
      const { plane, coverage } = cut!;
      const onImage = Array.from(plane.data as Float32Array).filter((value) => !Number.isNaN(value)).length;
      expect(coverage).toBe(onImage / plane.data.length);
      add([box.x0, box.y0, plane.width, plane.height], plane);
    } catch (error) {
      expect(error).toMatchObject({ code: 'no_coverage' });
      beside++;
      add([-1, -1, -1, -1]);
    }
    if (++count % settings.group === 0) {
      groups.push(digest.digest('hex'));
      digest = createHash('sha256');
    }
  }
  expect(groups).toEqual(values.groups);
  expect(beside).toBe(values.beside);
});
