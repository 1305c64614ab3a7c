/** What the numbers of a frame mean as colours, where the file leaves it open. */
import {
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_RANGE_UNSPECIFIED,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_UNSPECIFIED,
  type AVColorRange,
  type AVColorSpace,
} from 'node-av/constants';

export interface Colours {
  readonly space: AVColorSpace;
  readonly range: AVColorRange;
}

/** Lines from which on players take an unmarked picture for BT.709. */
const HD_HEIGHT = 720;
const HD_WIDTH = 1280;

/** Matrix and range as players guess them: high definition is BT.709, less is BT.601; RGB and the formats of JPEG are full range. */
export function coloursOf(frame: {
  readonly width: number;
  readonly height: number;
  readonly colorSpace: AVColorSpace;
  readonly colorRange: AVColorRange;
  readonly pixelFormat: string;
}): Colours {
  const rgb = /^(gbr|rgb|bgr|argb|abgr|0rgb|0bgr)/.test(frame.pixelFormat);
  const full = rgb || frame.pixelFormat.startsWith('yuvj') || frame.pixelFormat.startsWith('gray');
  const hd = frame.width >= HD_WIDTH || frame.height >= HD_HEIGHT;
  return {
    space: rgb
      ? AVCOL_SPC_RGB
      : frame.colorSpace === AVCOL_SPC_UNSPECIFIED || frame.colorSpace === AVCOL_SPC_RGB
        ? hd
          ? AVCOL_SPC_BT709
          : AVCOL_SPC_SMPTE170M
        : frame.colorSpace,
    range:
      frame.colorRange === AVCOL_RANGE_UNSPECIFIED
        ? full
          ? AVCOL_RANGE_JPEG
          : AVCOL_RANGE_MPEG
        : frame.colorRange,
  };
}
