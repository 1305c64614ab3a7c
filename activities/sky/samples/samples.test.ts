import { describe, expect, it } from 'vitest';
import { memorySource } from '../bytes/memory.ts';
import type { FitsImage } from '../fits/read/file.ts';
import { openImage } from '../fits/read/open.ts';
import { parseWcs } from '../wcs/parse.ts';
import { placeOf } from './render.ts';
import { type SampleSurvey, sampleBricks, sampleCoadd } from './surveys.ts';

const size = { tile: 300 };
const files = ({ files: all }: SampleSurvey): Map<string, Uint8Array> =>
  new Map([...all()].map(({ path, bytes }) => [path, bytes]));
const [coadd, bricks] = [files(sampleCoadd(size)), files(sampleBricks(size))];
const image = (of: Map<string, Uint8Array>, path: string, hdu?: string): Promise<FitsImage> =>
  openImage(memorySource(of.get(path)!, path), hdu);

/** The light within so many arcseconds of a place. */
async function light(of: FitsImage, place: readonly [number, number], arcseconds: number): Promise<number> {
  const { width, height } = of;
  const { data } = await of.read({ x0: 0, y0: 0, width, height });
  const wcs = parseWcs(of.header);
  const [cx, cy] = wcs.toPixel(...place);
  const radius = arcseconds / 3600 / wcs.pixelScale;
  expect(Math.min(cx, cy, width - 1 - cx, height - 1 - cy)).toBeGreaterThan(radius);
  let sum = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (Math.hypot(x - cx, y - cy) < radius) sum += Number(data[y * width + x]);
  return sum;
}

describe('the samples', () => {
  it('have planes in the layouts of their surveys', async () => {
    expect([...coadd.keys()]).toHaveLength(12);
    const sci = await image(coadd, 'C1/C1_r.fits.fz', 'SCI');
    expect(sci).toMatchObject({ compression: 'RICE_1', width: 300, height: 300, bitpix: -32 });
    expect((await image(coadd, 'C1/C1_r.fits.fz', 'MSK')).bitpix).toBe(32);
    const exposures = [...bricks.keys()].filter((path) => path.startsWith('e'));
    expect(exposures).toHaveLength(9);
    const z = await image(bricks, 'e101/e101-image-z.fits.fz');
    expect(parseWcs(z.header).projection).toBe('TPV');
    const masks = await Promise.all(
      [...bricks.keys()].filter((path) => path.includes('-mask-')).map((path) => image(bricks, path)),
    );
    expect(masks.map(({ bitpix }) => bitpix)).toEqual(masks.map(() => 32));
  });

  it('show one sky: as much light in the galaxy that both have, by their zero points', async () => {
    // The brightest of the cluster, see `makeSky`.
    const side = 2.1 * size.tile * 0.263;
    const place = placeOf(-side / 5, side / 7);
    const counts = await light(await image(coadd, 'C3/C3_r.fits.fz', 'SCI'), place, 9);
    const brick = [...bricks.keys()].filter((path) => path.endsWith('-image-r.fits.fz')).sort();
    const west = await image(bricks, brick.find((path) => path.startsWith('1500p022')) ?? brick[0]!);
    const nanomaggies = await light(west, place, 9);
    expect(nanomaggies).toBeGreaterThan(150);
    expect(counts / 10 ** (0.4 * (30 - 22.5)) / nanomaggies).toBeCloseTo(1, 2);
  });

  it('are the same at every make', () => {
    const [first] = sampleCoadd({ tile: 60 }).files();
    const [again] = sampleCoadd({ tile: 60 }).files();
    expect(Buffer.compare(first!.bytes, again!.bytes)).toBe(0);
  });
});
