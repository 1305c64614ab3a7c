/** A list of positions to begin with: the brightest galaxies of the samples' sky, as a catalogue has them. */
import { placeOf } from './render.ts';
import { makeSky } from './sky.ts';
import { skySide, usualSize } from './surveys.ts';

/** Arcseconds to the border, which the stamps about them keep clear of, and between two of them. */
const [toBorder, between] = [30, 5];

/** CSV: `id`, `ra` and `dec` (degrees, ICRS), `mag_r`; the brightest first. */
export function sampleTargets(count = 200): string {
  const side = skySide(usualSize.tile);
  const reach = side / 2 - toBorder;
  const galaxies = makeSky(side)
    .filter(({ radius, east, north }) => radius > 0 && Math.max(Math.abs(east), Math.abs(north)) < reach)
    .sort((a, b) => b.flux[1]! - a.flux[1]!);
  const chosen: typeof galaxies = [];
  for (const one of galaxies) {
    if (chosen.length === count) break;
    if (chosen.every(({ east, north }) => Math.hypot(east - one.east, north - one.north) > between))
      chosen.push(one);
  }
  const rows = chosen.map(({ east, north, flux }, i) => {
    const [ra, dec] = placeOf(east, north);
    const magnitude = 22.5 - 2.5 * Math.log10(flux[1]!);
    return `G${String(i + 1).padStart(3, '0')},${ra.toFixed(6)},${dec.toFixed(6)},${magnitude.toFixed(2)}`;
  });
  return `${['id,ra,dec,mag_r', ...rows].join('\n')}\n`;
}
