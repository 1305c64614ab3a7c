/** Frames of any size and format → small 4:2:0 pictures for comparison, into the same memory each time. */
import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { FFmpegError, Frame, SoftwareScaleContext } from 'node-av/lib';
import { type SmallPicture, smallSize } from '../scenes/picture.ts';

export class Shrinker {
  readonly #scaler = new SoftwareScaleContext();
  readonly #frame = new Frame();
  readonly #picture: SmallPicture;

  /** Pictures come out at the size for a video of `width` × `height`, whatever single frames have. */
  constructor(width: number, height: number) {
    const size = smallSize(width, height);
    const frame = this.#frame;
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

  shrink(frame: Frame): SmallPicture {
    FFmpegError.throwIfError(this.#scaler.scaleFrameSync(this.#frame, frame), 'making a frame small');
    return this.#picture;
  }

  close(): void {
    this.#scaler.freeContext();
    this.#frame.free();
  }
}
