/** Which objects are files of a survey. */
import type { BrokenFile } from '../../schema.ts';
import { type PlaneName, planeNames, type SurveyDefinition, type WcsKind } from '../definition/definition.ts';
import { pathTemplate } from '../definition/template.ts';

/** An object as a listing shows it. */
export interface ListedObject {
  readonly uri: string;
  readonly size: number;
  readonly etag: string;
}

/** All objects under `s3://bucket/prefix/`, in order. */
export type ListObjects = (
  prefix: string,
  options: { readonly signal?: AbortSignal | undefined },
) => AsyncIterable<ListedObject>;

/** One plane of one band of a tile, in a file. */
export interface WantedImage {
  readonly tile: string;
  /** '' for what is of all bands. */
  readonly band: string;
  readonly plane: PlaneName;
  readonly object: ListedObject;
  readonly hdu: number | string | undefined;
  readonly wcs: WcsKind;
}

export interface Scan {
  /** By the URI of their file. */
  readonly files: ReadonlyMap<string, readonly WantedImage[]>;
  /** Files that stand for what another one stands for. */
  readonly doubled: readonly BrokenFile[];
  /** Where it was looked. */
  readonly prefixes: readonly string[];
}

export const keyOf = (of: { readonly tile: string; readonly band: string; readonly plane: string }): string =>
  JSON.stringify([of.tile, of.band, of.plane]);

/** Lists what the templates of a survey can match, each prefix once. Throws what the store throws. */
export async function scanSurvey(
  definition: SurveyDefinition,
  list: ListObjects,
  signal?: AbortSignal,
): Promise<Scan> {
  const bands = definition.bands.map(({ name }) => name);
  const planes = planeNames.flatMap((name) => {
    const plane = definition.planes[name];
    if (plane === undefined) return [];
    const { root, tile } = definition;
    const template = pathTemplate({ path: plane.path, root, plane: name, bands, tile: tile.pattern });
    return [{ name, hdu: plane.hdu, template }];
  });
  const all = [...new Set(planes.map(({ template }) => template.prefix))].sort();
  const prefixes = all.filter((prefix) => !all.some((other) => other !== prefix && prefix.startsWith(other)));
  const files = new Map<string, WantedImage[]>();
  const owners = new Map<string, string>();
  const doubled: BrokenFile[] = [];
  for (const prefix of prefixes)
    for await (const object of list(prefix, { signal })) {
      for (const { name, hdu, template } of planes) {
        const match = template.match(object.uri);
        if (match === undefined) continue;
        for (const band of bandsIn(match.band, hdu, name, bands)) {
          const wanted: WantedImage = {
            tile: match.tile,
            band,
            plane: name,
            object,
            hdu: typeof hdu === 'string' ? hdu.replaceAll('{band}', band) : hdu,
            wcs: definition.bands.find((one) => one.name === band)?.wcs ?? definition.wcs,
          };
          const owner = owners.get(keyOf(wanted));
          if (owner === undefined) {
            owners.set(keyOf(wanted), object.uri);
            files.set(object.uri, [...(files.get(object.uri) ?? []), wanted]);
          } else doubled.push(doubledFile(wanted, owner));
        }
      }
    }
  return { files, doubled, prefixes };
}

/** The bands that a file has: what its path says, all of them where its HDUs tell them apart, the only one there is, or none by name. */
function bandsIn(
  band: string,
  hdu: number | string | undefined,
  plane: PlaneName,
  bands: readonly string[],
): readonly string[] {
  if (band !== '') return [band];
  if (typeof hdu === 'string' && hdu.includes('{band}')) return bands;
  return plane === 'image' ? bands.slice(0, 1) : [''];
}

const doubledFile = ({ tile, band, plane, object }: WantedImage, owner: string): BrokenFile => ({
  uri: object.uri,
  code: 'doubled',
  detail: `${owner} is the ${plane} of ${[tile, band].join(' ').trim()} already. Make planes.${plane}.path more exact.`,
});
