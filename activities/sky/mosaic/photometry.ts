/** Whether the values of tiles mean the same, and by which factor they are brought to the first tile's. */
import { SkyError } from '../errors.ts';
import { bytesPerPixel, type MosaicTile, PLANES } from './tile.ts';

/**
 * By tile: what its values are multiplied by so that they have the zero point of the first; weights are divided by its square.
 *
 * Throws SkyError `incompatible_tiles`: BUNIT differs, zero points differ where one is unknown, or planes differ.
 */
export function tileScales(tiles: readonly MosaicTile[]): number[] {
  const first = tiles[0]!;
  return tiles.map((tile) => {
    if ((tile.unit ?? '') !== (first.unit ?? '')) {
      throw unlike(
        `${tile.name} has values in ${tile.unit || 'no unit'}, ${first.name} in ${first.unit || 'no unit'}`,
      );
    }
    if ((tile.zeroPoint === undefined) !== (first.zeroPoint === undefined)) {
      const [known, unknown] = tile.zeroPoint === undefined ? [first, tile] : [tile, first];
      throw unlike(`${known.name} has a zero point (${known.zeroPoint}), ${unknown.name} has none`);
    }
    for (const plane of PLANES) {
      if (!tile[plane] !== !first[plane]) {
        const [has, lacks] = tile[plane] ? [tile, first] : [first, tile];
        throw unlike(`${has.name} has ${plane} pixels, ${lacks.name} has none`);
      }
    }
    return tile.zeroPoint === first.zeroPoint ? 1 : 10 ** (0.4 * (first.zeroPoint! - tile.zeroPoint!));
  });
}

/** Throws SkyError `incompatible_tiles` where the pixels of a plane are of several types: what is copied is not converted. */
export function requireSameTypes(tiles: readonly MosaicTile[]): void {
  const first = tiles[0]!;
  for (const tile of tiles) {
    for (const plane of PLANES) {
      const [type, wanted] = [tile[plane]?.type, first[plane]?.type];
      if (type !== wanted)
        throw unlike(`the ${plane} of ${tile.name} is ${type}, that of ${first.name} is ${wanted}`);
    }
  }
}

/** Bytes of all planes of one pixel of a tile. */
export function tilePixelBytes(tile: MosaicTile): number {
  return PLANES.reduce((sum, plane) => sum + (tile[plane] ? bytesPerPixel(tile[plane].type) : 0), 0);
}

function unlike(what: string): SkyError {
  return new SkyError('incompatible_tiles', `tiles cannot be joined: ${what}`);
}
