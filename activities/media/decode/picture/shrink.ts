/** Frames of any size and format → small 4:2:0 pictures for comparison, into the same memory each time. */
import {
  AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
  AV_FRAME_DATA_DYNAMIC_HDR_PLUS,
  AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
  AV_PIX_FMT_YUV420P,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_TRC_UNSPECIFIED,
} from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';
import { type SmallPicture, smallSize } from '../../scenes/picture.ts';
import { requireMade } from '../refusal.ts';
import { coloursOf, isHdr } from './colour.ts';
import { refer } from './reference.ts';

export class Shrinker {
  readonly #scaler = new SoftwareScaleContext();
  readonly #source = new Frame();
  readonly #frame = new Frame();
  readonly #picture: SmallPicture;

  /** Pictures come out at the size for a video of `width` × `height`, whatever single frames have. */
  constructor(width: number, height: number) {
    const size = smallSize(width, height);
    const frame = this.#frame;
    this.#source.alloc();
    frame.alloc();
    frame.format = AV_PIX_FMT_YUV420P;
    frame.width = size.width;
    frame.height = size.height;
    FFmpegError.throwIfError(frame.getBuffer(1), 'memory of the small picture');
    const [y, u, v] = frame.data ?? [];
    if (y === undefined || u === undefined || v === undefined)
      throw new Error('A small picture has three planes.');
    this.#picture = { ...size, y, u, v };
    this.#scaler.allocContext();
    this.#scaler.setOption('sws_flags', 'area');
  }

  /**
   * Pictures are compared by the numbers they are coded in, whatever those mean as colours: HDR is not made SDR here, for which the scaler
   * would set itself up for seconds, with HDR10+ at every change of its metadata.
   */
  shrink(frame: Frame): SmallPicture {
    const source = this.#source;
    try {
      refer(source, frame, { ...coloursOf(frame), ...untold });
      if (isHdr(frame.colorTrc)) for (const kind of metadata) source.removeSideData(kind);
      requireMade(this.#scaler.scaleFrameSync(this.#frame, source), 'making it small', source);
    } finally {
      source.unref();
    }
    return this.#picture;
  }

  close(): void {
    this.#scaler.freeContext();
    this.#source.free();
    this.#frame.free();
  }
}

const untold = { primaries: AVCOL_PRI_UNSPECIFIED, transfer: AVCOL_TRC_UNSPECIFIED };
const metadata = [
  AV_FRAME_DATA_MASTERING_DISPLAY_METADATA,
  AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
  AV_FRAME_DATA_DYNAMIC_HDR_PLUS,
];
