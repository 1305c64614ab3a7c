/** The sky of the samples: one field of made-up stars and galaxies, the same for both surveys. */
import { Numbers } from './numbers.ts';

/** Right ascension and declination of its middle, degrees. */
export const fieldCentre = [150.1, 2.2] as const;

/** Bands of all samples; fluxes and colours are by their order. */
export const skyBands = ['g', 'r', 'i', 'z'] as const;
export type SkyBand = (typeof skyBands)[number];

export interface Source {
  /** Arcseconds east and north of the middle, on its tangent plane. */
  readonly east: number;
  readonly north: number;
  /** Nanomaggies by band. */
  readonly flux: readonly number[];
  /** Arcseconds, half of the light of a galaxy; 0: a star. */
  readonly radius: number;
  /** Of a galaxy's profile: 1 a disc, 4 an elliptical. */
  readonly index: number;
  /** Shorter by longer axis. */
  readonly ratio: number;
  /** Radians from north through east to the longer axis. */
  readonly angle: number;
  /** How much its arms stand out, 0 to 1. */
  readonly arms: number;
}

const fluxes = (magnitude: number, [gr, ri, iz]: readonly [number, number, number]): number[] =>
  [magnitude + gr, magnitude, magnitude - ri, magnitude - ri - iz].map((m) => 10 ** (0.4 * (22.5 - m)));

/** Of r − i and i − z by g − r, as galaxies and stars have them, roughly. */
const coloursOf = (gr: number): [number, number, number] => [gr, 0.45 * gr, 0.3 * gr];

/** All sources of a field that is `side` arcseconds wide. */
export function makeSky(side: number, seed = 7): Source[] {
  const numbers = new Numbers(seed);
  const place = () => numbers.between(-side / 2, side / 2);
  const sources: Source[] = [...spiral(0, 0), ...cluster(numbers, -side / 5, side / 7)];
  const area = (side / 3600) ** 2;
  for (let i = 0; i < area * 60_000; i++) {
    // Ten times as many for each 2.5 magnitudes: the counts of the sky.
    const magnitude = 24.2 + Math.log10(numbers.between(1e-3, 1)) / 0.4;
    const red = numbers.next() < 0.35;
    const gr = red ? numbers.between(0.85, 1.4) : numbers.between(-0.1, 0.5);
    sources.push({
      east: place(),
      north: place(),
      flux: fluxes(magnitude, coloursOf(gr)),
      radius: Math.min(6, 0.45 * 10 ** (0.14 * (23.5 - magnitude)) * numbers.between(0.7, 1.4)),
      index: red ? 4 : 1,
      ratio: numbers.between(red ? 0.6 : 0.25, 1),
      angle: numbers.between(0, Math.PI),
      arms: !red && magnitude < 20 ? 0.5 : 0,
    });
  }
  for (let i = 0; i < area * 7000; i++) {
    const magnitude = 23 + 1.7 * Math.log10(numbers.between(1e-4, 1));
    sources.push(star(place(), place(), magnitude, numbers.between(-0.2, 1.3)));
  }
  sources.push(star(side / 4.4, side / 5.2, 14.2, 0), star(-side / 3.3, -side / 3.7, 14.9, 1.3));
  return sources;
}

const round = { radius: 0, index: 1, ratio: 1, angle: 0, arms: 0 };
const star = (east: number, north: number, magnitude: number, gr: number): Source => ({
  ...round,
  east,
  north,
  flux: fluxes(magnitude, coloursOf(gr)),
});

/** A large spiral: a red bulge, a blue disc with arms, and its companion, whose place tells north from south and east from west. */
function spiral(east: number, north: number): Source[] {
  return [
    {
      east,
      north,
      flux: fluxes(16.4, coloursOf(0.75)),
      radius: 2.2,
      index: 2,
      ratio: 0.9,
      angle: 0.6,
      arms: 0,
    },
    {
      east,
      north,
      flux: fluxes(15.6, coloursOf(0.12)),
      radius: 11,
      index: 1,
      ratio: 0.72,
      angle: 0.6,
      arms: 0.85,
    },
    {
      ...round,
      east: east + 24,
      north: north + 13,
      flux: fluxes(18.2, coloursOf(0.3)),
      radius: 1.8,
      ratio: 0.6,
      angle: 2,
    },
  ];
}

/** A cluster of ellipticals about a place. */
function cluster(numbers: Numbers, east: number, north: number): Source[] {
  const members = Array.from({ length: 45 }, (): Source => {
    const [far, angle] = [8 + 70 * numbers.next() ** 1.5, numbers.between(0, 2 * Math.PI)];
    return {
      east: east + far * Math.cos(angle),
      north: north + far * Math.sin(angle),
      flux: fluxes(numbers.between(18.5, 22.5), coloursOf(numbers.between(1.05, 1.2))),
      radius: numbers.between(0.5, 1.6),
      index: 4,
      ratio: numbers.between(0.55, 1),
      angle: numbers.between(0, Math.PI),
      arms: 0,
    };
  });
  const brightest = { radius: 5.5, index: 4, ratio: 0.7, angle: 1.1, arms: 0 };
  return [{ ...brightest, east, north, flux: fluxes(16.6, coloursOf(1.15)) }, ...members];
}
