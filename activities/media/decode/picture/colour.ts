/** What the numbers of a frame mean as colours (ITU-T H.273), where the file leaves it open, and where FFmpeg's scaler cannot read it. */
import {
  AVCOL_PRI_BT2020,
  AVCOL_PRI_SMPTE431,
  AVCOL_PRI_SMPTE432,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_RANGE_UNSPECIFIED,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_BT2020_CL,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_CHROMA_DERIVED_CL,
  AVCOL_SPC_CHROMA_DERIVED_NCL,
  AVCOL_SPC_FCC,
  AVCOL_SPC_ICTCP,
  AVCOL_SPC_IPT_C2,
  AVCOL_SPC_RGB,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_SMPTE240M,
  AVCOL_SPC_SMPTE2085,
  AVCOL_SPC_UNSPECIFIED,
  AVCOL_SPC_YCGCO,
  AVCOL_SPC_YCGCO_RE,
  AVCOL_SPC_YCGCO_RO,
  AVCOL_TRC_ARIB_STD_B67,
  AVCOL_TRC_SMPTE2084,
  AVCOL_TRC_UNSPECIFIED,
  type AVColorPrimaries,
  type AVColorRange,
  type AVColorSpace,
  type AVColorTransferCharacteristic,
} from 'node-av/constants';
import { formatName } from '../refusal.ts';

/** Of these the scaler knows all. */
export interface Colours {
  readonly space: AVColorSpace;
  readonly range: AVColorRange;
  readonly primaries: AVColorPrimaries;
  readonly transfer: AVColorTransferCharacteristic;
}

/** What a file says of its colours. */
export interface ColourTags {
  readonly width: number;
  readonly height: number;
  readonly format: number;
  readonly colorSpace: AVColorSpace;
  readonly colorRange: AVColorRange;
  readonly colorPrimaries: AVColorPrimaries;
  readonly colorTrc: AVColorTransferCharacteristic;
}

/** Lines from which on players take an unmarked picture for BT.709. */
const HD_HEIGHT = 720;
const HD_WIDTH = 1280;

const plainSpaces: ReadonlySet<number> = new Set([
  AVCOL_SPC_RGB,
  AVCOL_SPC_BT709,
  AVCOL_SPC_FCC,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_SMPTE240M,
  AVCOL_SPC_BT2020_NCL,
]);

export const isHdr = (transfer: number): boolean =>
  transfer === AVCOL_TRC_SMPTE2084 || transfer === AVCOL_TRC_ARIB_STD_B67;

/**
 * Matrix and range as players guess them where they are not told: high definition is BT.709, less is BT.601; RGB and the formats of JPEG
 * are full range. A matrix that the scaler does not know counts as not told, and so does what only HDR is told by.
 */
export function coloursOf(tags: ColourTags): Colours {
  const format = formatName(tags);
  const rgb = /^(gbr|rgb|bgr|argb|abgr|0rgb|0bgr)/.test(format);
  const full = rgb || format.startsWith('yuvj') || format.startsWith('gray');
  const hd = tags.width >= HD_WIDTH || tags.height >= HD_HEIGHT;
  const told = plainSpaces.has(tags.colorSpace) && tags.colorSpace !== AVCOL_SPC_RGB;
  const hdr = isHdr(tags.colorTrc);
  return {
    space: rgb
      ? AVCOL_SPC_RGB
      : told
        ? tags.colorSpace
        : isWide(tags.colorPrimaries) && tags.colorSpace !== AVCOL_SPC_UNSPECIFIED
          ? AVCOL_SPC_BT2020_NCL
          : hd
            ? AVCOL_SPC_BT709
            : AVCOL_SPC_SMPTE170M,
    range:
      tags.colorRange === AVCOL_RANGE_UNSPECIFIED
        ? full
          ? AVCOL_RANGE_JPEG
          : AVCOL_RANGE_MPEG
        : tags.colorRange,
    primaries: hdr && tags.colorPrimaries in zscalePrimaries ? tags.colorPrimaries : AVCOL_PRI_UNSPECIFIED,
    transfer: hdr ? tags.colorTrc : AVCOL_TRC_UNSPECIFIED,
  };
}

/** By the names of FFmpeg's `zscale`, which reads what the scaler does not. */
export interface Translation {
  readonly matrix: string;
  readonly transfer: string;
  readonly primaries: string;
}

const zscalePrimaries: Readonly<Record<number, string>> = {
  1: 'bt709',
  4: 'bt470m',
  5: 'bt470bg',
  6: 'smpte170m',
  7: 'smpte240m',
  8: 'film',
  [AVCOL_PRI_BT2020]: '2020',
  [AVCOL_PRI_SMPTE431]: 'smpte431',
  [AVCOL_PRI_SMPTE432]: 'smpte432',
  22: 'jedec-p22',
};
/** Curves that mean something else than that of BT.709, which those of BT.601 and BT.2020 are as well. */
const zscaleTransfers: Readonly<Record<number, string>> = {
  4: 'bt470m',
  5: 'bt470bg',
  7: 'smpte240m',
  8: 'linear',
  13: 'iec61966-2-1',
  [AVCOL_TRC_SMPTE2084]: 'smpte2084',
  [AVCOL_TRC_ARIB_STD_B67]: 'arib-std-b67',
};
const zscaleSpaces: Readonly<Record<number, string>> = {
  [AVCOL_SPC_BT709]: 'bt709',
  [AVCOL_SPC_FCC]: 'fcc',
  [AVCOL_SPC_BT470BG]: 'bt470bg',
  [AVCOL_SPC_SMPTE170M]: 'smpte170m',
  [AVCOL_SPC_SMPTE240M]: 'smpte240m',
  [AVCOL_SPC_BT2020_NCL]: '2020_ncl',
  [AVCOL_SPC_YCGCO]: 'ycgco',
  [AVCOL_SPC_BT2020_CL]: '2020_cl',
  [AVCOL_SPC_CHROMA_DERIVED_NCL]: 'chroma-derived-nc',
  [AVCOL_SPC_CHROMA_DERIVED_CL]: 'chroma-derived-c',
  [AVCOL_SPC_ICTCP]: 'ictcp',
  [AVCOL_SPC_IPT_C2]: 'ictcp',
};
/** Systems that are not read, by name; the others have values that are reserved. */
const unread: Readonly<Record<number, string>> = {
  [AVCOL_SPC_SMPTE2085]: 'SMPTE ST 2085',
  [AVCOL_SPC_BT2020_CL]: 'constant luminance with PQ or HLG',
  [AVCOL_SPC_CHROMA_DERIVED_CL]: 'constant luminance with PQ or HLG',
  [AVCOL_SPC_ICTCP]: 'ICtCp without PQ or HLG',
  [AVCOL_SPC_IPT_C2]: 'IPT-C2',
  [AVCOL_SPC_YCGCO_RE]: 'YCgCo-Re',
  [AVCOL_SPC_YCGCO_RO]: 'YCgCo-Ro',
};

/** Primaries far wider than those of sRGB: shown as if they were its own, all is pale. */
const isWide = (primaries: number): boolean =>
  primaries === AVCOL_PRI_BT2020 || primaries === AVCOL_PRI_SMPTE431 || primaries === AVCOL_PRI_SMPTE432;

/** What has to be translated before the scaler reads it right: an unusual matrix, or SDR of a wide gamut. */
export function translationOf(tags: ColourTags): Translation | undefined {
  const { space } = coloursOf(tags);
  const hdr = isHdr(tags.colorTrc);
  const unusual = isReadable(tags) && !plainSpaces.has(tags.colorSpace) && space !== AVCOL_SPC_RGB;
  if (!unusual && (hdr || !isWide(tags.colorPrimaries))) return undefined;
  // Of RGB the scaler makes BT.709 first.
  const told = unusual ? tags.colorSpace : space === AVCOL_SPC_RGB ? AVCOL_SPC_BT709 : space;
  const matrix = zscaleSpaces[told];
  if (matrix === undefined) return undefined;
  const curves: typeof zscaleTransfers = constant.has(told) ? {} : zscaleTransfers;
  const of2020 = told === AVCOL_SPC_BT2020_CL || matrix === 'ictcp';
  return {
    matrix,
    transfer: curves[tags.colorTrc] ?? (matrix === 'ictcp' ? 'smpte2084' : '709'),
    primaries: of2020 ? '2020' : (zscalePrimaries[tags.colorPrimaries] ?? '709'),
  };
}

/** With constant luminance: of BT.709's curve alone. */
const constant: ReadonlySet<number> = new Set([AVCOL_SPC_BT2020_CL, AVCOL_SPC_CHROMA_DERIVED_CL]);

/** Whether the matrix is one that is read here, or not told. ICtCp is made of PQ or HLG alone. */
function isReadable({ colorSpace, colorTrc }: ColourTags): boolean {
  if (colorSpace === AVCOL_SPC_UNSPECIFIED || plainSpaces.has(colorSpace)) return true;
  if (constant.has(colorSpace)) return !isHdr(colorTrc);
  if (zscaleSpaces[colorSpace] === 'ictcp') return isHdr(colorTrc) || colorTrc === AVCOL_TRC_UNSPECIFIED;
  return colorSpace in zscaleSpaces;
}

/** Where saved frames have colours that are only nearly right: why, in words. */
export function approximationOf(tags: ColourTags): string | undefined {
  if (isReadable(tags) && tags.colorSpace !== AVCOL_SPC_IPT_C2) return undefined;
  const name = unread[tags.colorSpace] ?? `number ${tags.colorSpace} of ITU-T H.273`;
  return `The colours of saved frames are only nearly right: their matrix (${name}) is not read here.`;
}
