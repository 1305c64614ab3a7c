/** What the processes that cut side by side are asked, and what they answer. */

export interface Stamp {
  /** Number of the tile. */
  readonly tile: number;
  /** Its first pixel, from 0. */
  readonly x0: number;
  readonly y0: number;
}

/** One turn: these stamps, one after the other, each written to a FITS file of its own. */
export interface Turn {
  readonly way: Way;
  readonly stamps: readonly Stamp[];
  /** Pixels of a side. */
  readonly size: number;
  /** Where the files go. */
  readonly folder: string;
  /** Whether to tell the pixels apart, which takes time. */
  readonly digests: boolean;
}

export interface Turned {
  readonly seconds: number;
  /** Processor seconds of the process. */
  readonly cpu: number;
  /** SHA-256 of the pixels as FITS has them. */
  readonly digests: readonly string[];
}

/** What each way is, in words. */
export const ways = {
  ours: 'ours, from S3',
  'ours-local': 'ours, local file',
  'ours-grouped': 'ours, from S3, all of one tile at a time',
  section: 'astropy .section, from S3, kept open',
  whole: 'astropy, whole tile from S3, then slices',
  fitsio: 'fitsio, local file, kept open',
} as const;
export type Way = keyof typeof ways;

/** How a process reaches the tiles. */
export interface Reach {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  /** Keys of the tiles, by number. */
  readonly keys: readonly string[];
  /** The same as local files. */
  readonly files: readonly string[];
}
