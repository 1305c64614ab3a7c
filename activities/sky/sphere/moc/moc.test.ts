import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../bytes/memory.ts';
import { openFits } from '../../fits/read/open.ts';
import { verifyChecksums } from '../../fits/write/verify.ts';
import { footprint } from '../../wcs/geometry.ts';
import { tangentWcs } from '../../wcs/tangent.ts';
import { cellArea, cellCentre, cellCorners, cellOf, cellRadius } from '../healpix.ts';
import { contains, polygonOfSky } from '../polygon.ts';
import { separation, towards } from '../vector.ts';
import { mocAscii, mocFits, mocFrom, mocJson } from './forms.ts';
import { coarser, type Moc, mocOf } from './moc.ts';

type Cells = Record<string, number[]>;
const oracle: Record<
  string,
  { order: number; corners: [number, number][][]; moc: Cells; coarser: Cells; ascii: string[] }
> = JSON.parse(readFileSync(new URL('../../../../test/oracle/sky/moc.json', import.meta.url), 'utf8')).sets;

const bounds = (finest: number) => ({ finest, mostLooked: 2 ** 24, mostCells: 2 ** 20 });
const filled = (moc: Moc): Cells => ({ ...Object.fromEntries(moc.cells) }) as Cells;
const withoutEmpty = (cells: Cells): Cells =>
  Object.fromEntries(Object.entries(cells).filter(([, { length }]) => length > 0));
const holds = ({ cells }: Moc, place: Parameters<typeof cellOf>[0]): boolean =>
  [...cells].some(([order, of]) => of.includes(cellOf(place, order)));

describe('coverage maps', () => {
  it.each(Object.entries(oracle))('are those of mocpy: %s', (_, { order, corners, ...expected }) => {
    const moc = mocOf(corners.map(polygonOfSky), bounds(order));
    expect(moc.order).toBe(order);
    expect(filled(moc)).toEqual(withoutEmpty(expected.moc));
    expect(mocAscii(moc).split(' ')).toEqual(expected.ascii);
    expect(filled(coarser(moc, order - 3))).toEqual(withoutEmpty(expected.coarser));
    expect(mocFrom(order, mocJson(moc))).toEqual(moc);
  });

  it('hold every place of a tile, wherever it lies, and none that is far from it', () => {
    const tile = fc.record({
      lon: fc.double({ min: 0, max: 359.99, noNaN: true }),
      lat: fc.double({ min: -90, max: 90, noNaN: true }),
      size: fc.double({ min: 0.05, max: 3, noNaN: true }),
      rotation: fc.double({ min: 0, max: 360, noNaN: true }),
    });
    fc.assert(
      fc.property(tile, fc.integer({ min: 3, max: 9 }), ({ lon, lat, size, rotation }, finest) => {
        const wcs = tangentWcs({ lon, lat, width: 9, height: 9, pixelScale: size / 9, rotation });
        const polygon = polygonOfSky(footprint(wcs, 9, 9));
        const moc = mocOf([polygon], bounds(finest));
        for (const corner of polygon.vertices) {
          for (const share of [0.001, 0.3, 0.9]) {
            const place = towards(corner, polygon.centre, share * separation(corner, polygon.centre));
            if (contains(polygon, place)) expect(holds(moc, place)).toBe(true);
          }
        }
        for (const [order, cells] of moc.cells)
          for (const cell of cells)
            expect(separation(cellCentre(cell, order), polygon.centre)).toBeLessThan(
              polygon.radius + cellRadius(order) + 1e-9,
            );
      }),
      { numRuns: 60 },
    );
  });

  it('are coarser where their cells would be too many', () => {
    const { corners } = oracle.neighbours!;
    const polygons = corners.map(polygonOfSky);
    const fine = mocOf(polygons);
    expect(fine.order).toBe(12);
    const most = 40;
    const few = mocOf(polygons, { ...bounds(12), mostCells: most });
    expect(few.order).toBeLessThan(9);
    expect(few).toEqual(coarser(fine, few.order));
    expect([...few.cells.values()].flat().length).toBeLessThanOrEqual(most);
    expect(mocOf(polygons, { ...bounds(12), mostLooked: 1000 }).order).toBe(9);
    expect(mocOf([])).toEqual({ order: 12, cells: new Map() });
    expect(mocAscii(mocOf([]))).toBe('12/');
  });

  it('have cells whose corners are where their neighbours’ are', () => {
    for (const order of [0, 1, 3, 8])
      for (const cell of [0, 3, 5, 11]) {
        const [south, east, north, west] = cellCorners(cell, order);
        const centre = cellCentre(cell, order);
        expect(south![2]).toBeLessThanOrEqual(centre[2]);
        expect(north![2]).toBeGreaterThanOrEqual(centre[2]);
        for (const corner of [south, east, north, west]) {
          const away = separation(corner!, centre);
          expect(away).toBeLessThanOrEqual(cellRadius(order) + 1e-9);
          // Just inside, a corner is the cell's; just outside, it is another's.
          expect(cellOf(towards(corner!, centre, away * 1e-3), order)).toBe(cell);
          expect(cellOf(towards(centre, corner!, away * 1.001), order)).not.toBe(cell);
        }
      }
  });

  it('are FITS tables whose checksums are right', async () => {
    const { corners, order } = oracle.one!;
    const moc = mocOf(corners.map(polygonOfSky), bounds(order));
    const file = await openFits(memorySource(mocFits(moc)));
    expect(await verifyChecksums(file)).toMatchObject([
      { checksum: 'right', dataSum: 'right' },
      { checksum: 'right', dataSum: 'right' },
    ]);
    const { header } = file.hdus[1]!;
    const cells = [...moc.cells.values()].flat().length;
    expect(['MOCVERS', 'MOCDIM', 'MOCORD_S', 'ORDERING', 'NAXIS2'].map((k) => header.value(k))).toEqual([
      ...['2.0', 'SPACE', 10, 'NUNIQ', cells],
    ]);
    const degrees = [...moc.cells].reduce((sum, [level, of]) => sum + of.length * cellArea(level), 0);
    expect(degrees).toBeGreaterThan(0.04);
  });
});
