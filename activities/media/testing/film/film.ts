/** Films for tests, benchmark and demo, made in process: shots, transitions at known frames, any codec and container at hand. */
import { drawBars } from './bars.ts';
import { type Encoding, openEncoder } from './encode.ts';
import { openPicture, type Picture, random, type View } from './pictures.ts';
import { fadeTo, mix, type Planes, planes, weave } from './planes.ts';

export interface Shot {
  readonly picture: Picture;
  /** Length on the timeline, in frames. */
  readonly frames: number;
  /** The camera over a drawn or still picture, from the shot's first frame to its last; it stands unless `to` is given. */
  readonly from?: View;
  readonly to?: View;
  /** The camera trembles by up to so much of the picture's width. */
  readonly shake?: number;
  /** Of the luma; 0.1 is night. */
  readonly brightness?: number;
  /** White light on `frames` frames from `frame` of the shot on. */
  readonly flashes?: readonly { readonly frame: number; readonly frames: number }[];
  /** How it replaces the shot before: a transition lasts `frames` frames, the middle of which is the shot's first frame. */
  readonly begins?: Transition;
}

export type Transition =
  | { readonly kind: 'cut' }
  | { readonly kind: 'dissolve'; readonly frames: number }
  | { readonly kind: 'fade'; readonly frames: number; readonly through?: 'black' | 'white' };

export interface FilmOptions extends Encoding {
  /** Burns the number of each frame into its pixels (`bars.ts`). */
  readonly numbered?: boolean;
  /** Noise of the sensor, ± so many steps of 255. */
  readonly grain?: number;
}

/** Where a shot replaces another: its first frame, and the first and last frame that show both or the colour between. */
export interface Change {
  readonly kind: 'cut' | 'fade' | 'dissolve';
  readonly frame: number;
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export interface Film {
  readonly path: string;
  /** Of each frame, seconds as they were given to the encoder (containers may round them, and move the first to their start). */
  readonly times: readonly number[];
  readonly changes: readonly Change[];
}

/** The middle half of a picture twice the film's size: shown pixel by pixel. */
const MIDDLE: View = { x: 0.25, y: 0.25, size: 0.5 };

/** Makes the film at `path`; the name's ending picks the container. The same arguments make the same film. */
export function makeFilm(path: string, shots: readonly Shot[], options: FilmOptions = {}): Film {
  const width = options.width ?? 320;
  const height = options.height ?? 180;
  const total = shots.reduce((sum, shot) => sum + shot.frames, 0);
  const encoder = openEncoder(path, { ...options, width, height }, total);
  const timeline = layOut(shots);
  const sources = new Map<Laid, ReturnType<typeof openPicture>>();
  const render = (moment: number): Planes => {
    const frame = Math.floor(moment);
    const target = planes(width, height);
    const shown = timeline.filter(({ first, last }) => first <= frame && frame <= last);
    for (const laid of sources.keys()) if (laid.last < frame) sources.delete(laid);
    for (const [nth, laid] of shown.entries()) {
      const source = sources.get(laid) ?? openPicture(laid.shot.picture, width, height);
      sources.set(laid, source);
      const picture = nth === 0 ? target : planes(width, height);
      source(moment - laid.first, camera(laid, moment), picture);
      light(picture, laid, frame);
      if (nth > 0) mix(target, picture, laid.share(frame));
    }
    for (const laid of timeline) if (laid.colour !== undefined) fadeTo(target, laid.colour, laid.veil(frame));
    return target;
  };
  for (let frame = 0; frame < total; frame++) {
    const picture = render(frame);
    if (options.interlaced === true) weave(picture, render(frame + 0.5));
    if (options.grain !== undefined) roughen(picture, options.grain, frame);
    if (options.numbered === true) drawBars(picture, frame);
    encoder.add(picture);
  }
  const times = encoder.finish();
  const changes = timeline.slice(1).map(({ shot, start, change }) => ({
    kind: shot.begins?.kind ?? ('cut' as const),
    frame: start,
    at: times[start]!,
    from: times[change.from]!,
    to: times[change.to]!,
  }));
  return { path, times, changes };
}

/** A shot on the timeline: the frames it is drawn on, transitions included. */
interface Laid {
  readonly shot: Shot;
  readonly start: number;
  readonly first: number;
  readonly last: number;
  /** Its share in a dissolve with the shot before. */
  share(frame: number): number;
  /** The colour it fades in from, and how much of that lies over the picture. */
  readonly colour: number | undefined;
  veil(frame: number): number;
  readonly change: { readonly from: number; readonly to: number };
}

function layOut(shots: readonly Shot[]): Laid[] {
  let start = 0;
  return shots.map((shot, n) => {
    const own = start;
    start += shot.frames;
    const next = shots[n + 1]?.begins;
    const begins = n === 0 ? undefined : shot.begins;
    const length = begins === undefined || begins.kind === 'cut' ? 1 : begins.frames;
    const from = own - (length >> 1);
    const dissolve = begins?.kind === 'dissolve';
    const after = next?.kind === 'dissolve' ? next.frames - (next.frames >> 1) : 0;
    return {
      shot,
      start: own,
      first: dissolve ? from : own,
      last: start - 1 + after,
      share: (frame) => (dissolve ? Math.min(1, (frame - from + 1) / (length + 1)) : 1),
      colour: begins?.kind === 'fade' ? (begins.through === 'white' ? 235 : 16) : undefined,
      veil: (frame) => Math.max(0, 1 - Math.abs(frame - own) / ((length + 1) / 2)),
      change: { from: length === 1 ? own : from, to: length === 1 ? own : from + length - 1 },
    };
  });
}

function camera({ shot, start }: Laid, moment: number): View {
  const from = shot.from ?? MIDDLE;
  const to = shot.to ?? from;
  const way = (moment - start) / Math.max(1, shot.frames - 1);
  const tremble = (salt: number) => {
    if (shot.shake === undefined) return 0;
    return (random(salt + 2 * Math.floor(2 * moment))() * 2 - 1) * shot.shake;
  };
  return {
    x: from.x + (to.x - from.x) * way + tremble(1),
    y: from.y + (to.y - from.y) * way + tremble(2),
    size: from.size + (to.size - from.size) * Math.min(1, Math.max(0, way)),
  };
}

function light(picture: Planes, { shot, start }: Laid, frame: number): void {
  if (shot.brightness !== undefined) fadeTo(picture, 16, 1 - shot.brightness);
  const lit = shot.flashes?.some((flash) => {
    const since = frame - start - flash.frame;
    return since >= 0 && since < flash.frames;
  });
  if (lit === true) fadeTo(picture, 235, 0.75);
}

/** Noise from one table, laid at another place on every frame. */
function roughen(picture: Planes, grain: number, frame: number): void {
  noise ??= Int8Array.from(
    { length: 1 << 16 },
    (
      (next) => () =>
        Math.round((next() + next() - 1) * 127)
    )(random(7)),
  );
  const shift = Math.floor(random(frame)() * noise.length);
  const weight = Math.round((grain * 256) / 127);
  for (let n = 0; n < picture.y.length; n++) {
    const value = picture.y[n]! + ((noise[(n * 3 + shift) & 0xffff]! * weight) >> 8);
    picture.y[n] = Math.min(235, Math.max(16, value));
  }
}
let noise: Int8Array | undefined;
