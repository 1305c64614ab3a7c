/**
 * What the pages of a TIFF are, read from its directories (TIFF 6.0; BigTIFF; SubIFDs: Adobe's technote 1), so that the picture can be
 * chosen among thumbnails, masks and reductions before anything is decoded, and what cannot be read here is called by its name.
 */
import { ProblemError } from '@darkroom/contract';
import { type Directory, Reader, TAGS } from './directories.ts';

export interface TiffPage {
  /** In the chain of directories, from 0. */
  readonly page: number;
  /** Which of that directory's SubIFDs, from 0; undefined for the directory itself. */
  readonly subifd: number | undefined;
  /** A SubIFD's own successor or child, which libvips cannot be pointed to. */
  readonly buried: boolean;
  /** Before orientation. */
  readonly width: number;
  readonly height: number;
  /** Bits of each sample; undefined where they differ. */
  readonly bits: number | undefined;
  readonly samples: number;
  readonly sampleFormat: 'unsigned' | 'signed' | 'float' | 'other';
  /** Codes of the tags PhotometricInterpretation and Compression. */
  readonly photometric: number;
  readonly compression: number;
  readonly tiled: boolean;
  /** Each colour in a plane of its own (PlanarConfiguration 2). */
  readonly planesApart: boolean;
  /** MaxSampleValue or SMaxSampleValue, where it is told. */
  readonly largestSample: number | undefined;
  /** A reduction of another page; a mask or something else that is no picture. */
  readonly reduced: boolean;
  readonly auxiliary: boolean;
}

/**
 * The pages of a TIFF, in order, SubIFDs after the page they belong to. Throws `truncated_image` where a directory lies behind the end or
 * there is none, `too_many_frames` where there are more than `most`.
 */
export function tiffPages(bytes: Buffer, most: number): TiffPage[] {
  const file = new Reader(bytes);
  const seen = new Set<number>();
  const pages: TiffPage[] = [];
  const read = (offset: number, where: Place): Directory | undefined => {
    // A chain that runs in a circle ends where it began.
    if (seen.has(offset)) return undefined;
    seen.add(offset);
    if (seen.size > most)
      throw new ProblemError(
        'too_many_frames',
        `The TIFF has more than ${most} pages; the limit is ${most}.`,
      );
    const directory = file.directory(offset);
    pages.push(pageOf(directory, where));
    return directory;
  };
  let page = 0;
  for (let offset = file.first; offset !== 0; page++) {
    const directory = read(offset, { page, subifd: undefined, buried: false });
    if (directory === undefined) break;
    const below = (directory.tags.get(TAGS.subIfds) ?? []).map((at, subifd) => ({
      at,
      subifd,
      buried: false,
    }));
    for (let next = below.shift(); next !== undefined; next = below.shift()) {
      const { at, subifd, buried } = next;
      const found = at === 0 ? undefined : read(at, { page, subifd, buried });
      const more = [found?.next ?? 0, ...(found?.tags.get(TAGS.subIfds) ?? [])];
      below.push(
        ...more.filter((child) => child !== 0).map((child) => ({ at: child, subifd, buried: true })),
      );
    }
    offset = directory.next;
  }
  if (pages.length === 0) throw new ProblemError('truncated_image', 'The TIFF has no page.');
  return pages;
}

/** The picture of a TIFF: its largest page; of several as large, one that can be read and is no reduction, and the first. */
export function largestPage(pages: readonly TiffPage[]): TiffPage {
  const pictures = pages.filter(({ auxiliary }) => !auxiliary);
  const rank = (page: TiffPage): number[] => [
    page.width * page.height,
    whyUnsupported(page) === undefined ? 1 : 0,
    page.reduced ? 0 : 1,
  ];
  const [first, ...others] = pictures.length > 0 ? pictures : pages;
  if (first === undefined) throw new RangeError('no page');
  return others.reduce((best, page) => (isMore(rank(page), rank(best)) ? page : best), first);
}

function isMore(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at !== -1 && (a[at] ?? 0) > (b[at] ?? 0);
}

/** What libvips' build has no decoder for. */
const COMPRESSIONS: ReadonlyMap<number, string> = new Map([
  [32_766, 'NeXT'],
  [32_767, 'of a Sony raw'],
  [32_809, 'ThunderScan'],
  [33_003, 'JPEG 2000'],
  [33_005, 'JPEG 2000'],
  [34_676, 'SGI Log'],
  [34_677, 'SGI Log'],
  [34_712, 'JPEG 2000'],
  [34_713, 'of a Nikon raw'],
  [34_887, 'LERC'],
  [34_892, 'lossy JPEG of a DNG'],
  [34_925, 'LZMA'],
  [34_933, 'PNG'],
  [34_934, 'JPEG XR'],
  [50_000, 'Zstandard'],
  [50_002, 'JPEG XL'],
  [52_546, 'JPEG XL'],
  [65_535, 'of a Pentax raw'],
]);

interface Colour {
  readonly name: string;
  /** Samples of a pixel; one more is taken for alpha, more than that for something that is no photo. */
  readonly samples: number;
  readonly unsigned: readonly number[];
  readonly signed?: readonly number[];
  readonly float?: readonly number[];
}

const GREY: Colour = {
  name: 'grey',
  samples: 1,
  unsigned: [1, 2, 4, 8, 16, 32],
  signed: [8, 16, 32],
  float: [32],
};
const COLOURS: ReadonlyMap<number, Colour> = new Map([
  [0, { ...GREY, unsigned: [1, 2, 4, 8, 16], signed: [], float: [] }],
  [1, GREY],
  [2, { name: 'RGB', samples: 3, unsigned: [8, 16, 32], signed: [8, 16, 32], float: [16, 32] }],
  [3, { name: 'palette', samples: 1, unsigned: [1, 2, 4, 8] }],
  [5, { name: 'CMYK', samples: 4, unsigned: [8, 16] }],
  [6, { name: 'YCbCr', samples: 3, unsigned: [8] }],
  [8, { name: 'CIELab', samples: 3, unsigned: [16] }],
]);

const OTHER_COLOURS: ReadonlyMap<number, string> = new Map([
  [4, 'a transparency mask'],
  [9, 'ICCLab'],
  [10, 'ITULab'],
  [32_803, 'the data of a sensor (camera raw, DNG)'],
  [32_844, 'LogL'],
  [32_845, 'LogLuv'],
  [34_892, 'linear camera raw (DNG)'],
  [51_177, 'a depth map'],
  [52_527, 'a semantic mask'],
]);

/** Why libvips cannot read this page, or would read something else than is in it; undefined where it reads it. Goes on from "The TIFF's picture is ". */
export function whyUnsupported(page: TiffPage): string | undefined {
  const { bits, samples, sampleFormat, photometric, compression } = page;
  const size = `${page.width} × ${page.height}`;
  if (page.buried) return `a sub-image within a sub-image (${size})`;
  const colour = COLOURS.get(photometric);
  if (colour === undefined)
    return OTHER_COLOURS.get(photometric) ?? `of colours unknown here (${photometric})`;
  const compressed = COMPRESSIONS.get(compression);
  if (compressed !== undefined) return `compressed by a method that is not read here: ${compressed}`;
  if (bits === undefined) return 'of samples with different numbers of bits';
  if (samples < colour.samples || samples > colour.samples + 1)
    return `of ${samples} bands, where ${colour.name} has ${colour.samples}`;
  const depths = sampleFormat === 'other' ? [] : (colour[sampleFormat] ?? []);
  if (!depths.includes(bits)) return `${colour.name} of ${bits}-bit ${SAMPLE_NAMES[sampleFormat]} samples`;
  if (page.tiled && page.planesApart && samples > 1) return 'of tiles with each colour in a plane of its own';
  return undefined;
}

const SAMPLE_NAMES = {
  unsigned: 'unsigned',
  signed: 'signed',
  float: 'floating-point',
  other: 'complex or undefined',
} as const;

const SAMPLE_FORMATS = ['unsigned', 'signed', 'float'] as const;

type Place = Pick<TiffPage, 'page' | 'subifd' | 'buried'>;

function pageOf({ tags }: Directory, where: Place): TiffPage {
  const value = (tag: number, otherwise: number): number => tags.get(tag)?.[0] ?? otherwise;
  const bits = tags.get(TAGS.bits) ?? [1];
  const kind = value(TAGS.newSubfileType, 0);
  const old = value(TAGS.subfileType, 1);
  const largest = [...(tags.get(TAGS.largest) ?? []), ...(tags.get(TAGS.largestOfAnyType) ?? [])];
  return {
    ...where,
    width: value(TAGS.width, 0),
    height: value(TAGS.height, 0),
    bits: bits.every((other) => other === bits[0]) ? bits[0] : undefined,
    samples: value(TAGS.samples, 1),
    sampleFormat: SAMPLE_FORMATS[value(TAGS.sampleFormat, 1) - 1] ?? 'other',
    photometric: value(TAGS.photometric, value(TAGS.samples, 1) >= 3 ? 2 : 1),
    compression: value(TAGS.compression, 1),
    tiled: tags.has(TAGS.tileWidth),
    planesApart: value(TAGS.planes, 1) === 2,
    largestSample: largest.length > 0 ? Math.max(...largest) : undefined,
    reduced: (kind & 1) !== 0 || old === 2,
    // Transparency masks; depth maps, and what DNG keeps beside its picture.
    auxiliary: (kind & ~0b11) !== 0,
  };
}
