/** What the shots of a film show: a drawn picture or a still one under a moving camera, an FFmpeg source, or footage. */
import { AV_PIX_FMT_GRAY8, AV_PIX_FMT_YUV420P, AVMEDIA_TYPE_VIDEO, SWS_BICUBIC } from 'node-av/constants';
import {
  Codec,
  CodecContext,
  FFmpegError,
  FilterGraph,
  FormatContext,
  Frame,
  Packet,
  SoftwareScaleContext,
} from 'node-av/lib';
import { type Planes, paint, planes, type Rectangle, scaleInto } from './planes.ts';

export type Picture =
  /** Soft shapes and colours of their own per seed, with blocks moving over them (two unless said). */
  | { readonly seed: number; readonly objects?: number }
  /** A picture file, cut to the film's shape. */
  | { readonly image: string }
  /** An FFmpeg source filter, such as `mandelbrot` or `testsrc2`; its size is set by the film. */
  | { readonly filter: string }
  /** Footage: a video file from its frame `skip` on, stretched to the film's size; its last frame stands where it is too short. */
  | { readonly clip: string; readonly skip?: number };

/** What the camera shows of a drawn or still picture, as shares of its width and height. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

/** Draws frame `n` of a shot (from 0, ascending; halves are moments between) with the camera at `view` into `target`. */
export type Source = (n: number, view: View, target: Planes) => void;

/** Same numbers for the same seed everywhere, 0 ≤ x < 1 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Opens a picture for a film of the given size. */
export function openPicture(picture: Picture, width: number, height: number): Source {
  if ('seed' in picture) return drawn(picture.seed, picture.objects ?? 2, width, height);
  if ('image' in picture) return still(picture.image, width, height);
  const frames =
    'filter' in picture ? filtered(picture.filter, width, height) : decoded(picture.clip, picture.skip ?? 0);
  return moving(frames);
}

/** The camera over a picture twice as large as the film, so that half of it is shown pixel by pixel. */
function camera(texture: Planes): (view: View, target: Planes) => void {
  return (view, target) => {
    const shape = (share: number, size: number) => Math.max(16, Math.round((share * size) / 2) * 2);
    const width = Math.min(texture.width, shape(view.size, texture.width));
    const height = Math.min(texture.height, shape(view.size, texture.height));
    const x = Math.min(Math.max(0, Math.round(view.x * texture.width)), texture.width - width);
    const y = Math.min(Math.max(0, Math.round(view.y * texture.height)), texture.height - height);
    scaleInto(target, texture, { x, y, width, height });
  };
}

function still(file: string, width: number, height: number): Source {
  const frames = decoded(file, 0);
  const first = frames.next();
  if (first.done === true) throw new Error(`${file} holds no picture`);
  const source = asPlanes(first.value);
  const scale = Math.min(source.width / width, source.height / height);
  const shown = { width: Math.floor(width * scale), height: Math.floor(height * scale) };
  const texture = planes(2 * width, 2 * height);
  scaleInto(texture, source, {
    x: (source.width - shown.width) >> 1,
    y: (source.height - shown.height) >> 1,
    ...shown,
  });
  frames.return();
  const show = camera(texture);
  return (_n, view, target) => show(view, target);
}

function drawn(seed: number, objects: number, width: number, height: number): Source {
  const next = random(seed);
  const show = camera(texture(next, 2 * width, 2 * height));
  const blocks = Array.from({ length: objects }, () => ({
    size: 0.06 + 0.12 * next(),
    x: next(),
    y: 0.2 + 0.6 * next(),
    speed: (next() - 0.5) * 0.02,
    colour: [40 + 180 * next(), 60 + 136 * next(), 60 + 136 * next()] as const,
  }));
  return (n, view, target) => {
    show(view, target);
    for (const { size, x, y, speed, colour } of blocks) {
      const place = (((x + speed * n) % 1) + 1) % 1;
      const block: Rectangle = {
        x: Math.round(place * width),
        y: Math.round(y * height),
        width: Math.round(size * width),
        height: Math.round(size * height),
      };
      paint(target, block, [colour[0], colour[1], colour[2]]);
    }
  };
}

/** Noise of growing fineness and falling strength, grown smoothly: what a landscape is to a detector. */
function texture(next: () => number, width: number, height: number): Planes {
  const target = planes(width, height);
  const octave = (across: number, w: number, h: number) => {
    const down = Math.max(2, Math.round((across * 9) / 16));
    const small = Buffer.from(Array.from({ length: across * down }, () => Math.floor(next() * 256)));
    const grown = Buffer.alloc(w * h);
    using scaler = new SoftwareScaleContext();
    scaler.getContext(across, down, AV_PIX_FMT_GRAY8, w, h, AV_PIX_FMT_GRAY8, SWS_BICUBIC);
    scaler.scaleSync([small], [across], 0, down, [grown], [w]);
    return grown;
  };
  const layer = (
    plane: Buffer,
    w: number,
    h: number,
    middle: number,
    strengths: readonly [number, number][],
  ) => {
    const sum = new Int16Array(w * h).fill(Math.round(middle));
    for (const [across, strength] of strengths) {
      const grown = octave(across, w, h);
      const weight = Math.round(strength * 256);
      for (let n = 0; n < sum.length; n++) sum[n] = sum[n]! + (((grown[n]! - 128) * weight) >> 8);
    }
    for (let n = 0; n < sum.length; n++) plane[n] = Math.min(235, Math.max(16, sum[n]!));
  };
  const middle = 70 + 110 * next();
  layer(target.y, width, height, middle, [
    [4, 0.5],
    [9, 0.35],
    [24, 0.25],
    [64, 0.2],
    [160, 0.12],
  ]);
  const colour = () => 90 + 76 * next();
  for (const plane of [target.u, target.v])
    layer(plane, (width + 1) >> 1, (height + 1) >> 1, colour(), [
      [4, 0.25],
      [12, 0.15],
    ]);
  return target;
}

function moving(frames: Generator<Frame, void, undefined>): Source {
  let current: Planes | undefined;
  let at = -1;
  return (n, _view, target) => {
    for (const wanted = Math.floor(n); at < wanted; at++) {
      const step = frames.next();
      if (step.done === true) break;
      current = asPlanes(step.value);
    }
    if (current === undefined) throw new Error('the source holds no picture');
    scaleInto(target, current, { x: 0, y: 0, width: current.width, height: current.height });
  };
}

function asPlanes(frame: Frame): Planes {
  const { width, height } = frame;
  const target = planes(width, height);
  using scaler = new SoftwareScaleContext();
  scaler.getContext(width, height, frame.format as never, width, height, AV_PIX_FMT_YUV420P, SWS_BICUBIC);
  const chroma = (width + 1) >> 1;
  scaler.scaleSync(
    frame.data!,
    frame.linesize,
    0,
    height,
    [target.y, target.u, target.v],
    [width, chroma, chroma],
  );
  return target;
}

function* filtered(source: string, width: number, height: number): Generator<Frame, void, undefined> {
  using graph = new FilterGraph();
  graph.alloc();
  const separator = source.includes('=') ? ':' : '=';
  const text = `${source}${separator}size=${width}x${height},format=yuv420p,buffersink@out`;
  FFmpegError.throwIfError(graph.parsePtr(text), `filter ${source}`);
  FFmpegError.throwIfError(graph.configSync(), `filter ${source}`);
  const sink = graph.filters?.find((filter) => filter.isSink());
  if (sink === undefined) throw new Error(`filter ${source} has no output`);
  using frame = new Frame();
  frame.alloc();
  while (sink.buffersinkGetFrameSync(frame) >= 0) {
    yield frame;
    frame.unref();
  }
}

/** The frames of a picture or video file in order of presentation, from frame `skip` on. */
function* decoded(file: string, skip: number): Generator<Frame, void, undefined> {
  const input = new FormatContext();
  FFmpegError.throwIfError(input.openInputSync(file), file);
  using context = new CodecContext();
  using packet = new Packet();
  using frame = new Frame();
  try {
    FFmpegError.throwIfError(input.findStreamInfoSync(), file);
    const stream = input.streams.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_VIDEO);
    const codec = stream === undefined ? null : Codec.findDecoder(stream.codecpar.codecId);
    if (stream === undefined || codec === null) throw new Error(`${file} holds no picture`);
    context.allocContext3(codec);
    context.parametersToContext(stream.codecpar);
    FFmpegError.throwIfError(context.open2Sync(codec), file);
    packet.alloc();
    frame.alloc();
    let n = 0;
    for (let more = true; more; ) {
      more = input.readFrameSync(packet) >= 0;
      if (more && packet.streamIndex !== stream.index) {
        packet.unref();
        continue;
      }
      context.sendPacketSync(more ? packet : null);
      packet.unref();
      while (context.receiveFrameSync(frame) >= 0) {
        if (n++ >= skip) yield frame;
        frame.unref();
      }
    }
  } finally {
    input.closeInputSync();
  }
}
