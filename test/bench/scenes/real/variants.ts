/** Films derived from the labelled ones by ffmpeg, so that their labels are known: what people do to films, and what befalls them. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type LabelledChange, type LabelledFilm, type Truth, truthOf } from './labels.ts';

const run = promisify(execFile);

export interface VariantFilm {
  readonly name: string;
  readonly film: string;
  readonly path: string;
  readonly truth: Truth;
}

/** A film as it was fetched. */
export interface Footage {
  readonly film: LabelledFilm;
  readonly path: string;
}

/** Each keeps the clean film's pictures and so its cuts. */
export const keeping = ['padded', 'cropped', 'noise', 'dark', 'held'] as const;
/** Pictures a second, about: one in so many is kept. */
export const paces = [5, 3, 2, 1] as const;
/** Pictures on both sides of a cut, at least, for it to be asked for at a low pace. */
export const leastBeside = 3;

const small = "scale='2*trunc(min(640,iw)/2)':-2";
const looks: Readonly<Record<Exclude<(typeof keeping)[number], 'held'>, string>> = {
  padded: `${small},pad=2*trunc(iw*0.67):2*trunc(ih*0.65):-1:-1`,
  cropped: `${small},crop=iw:2*trunc(min(ih\\,iw/2.4)/2)`,
  noise: `${small},noise=alls=16:allf=t`,
  dark: `${small},lutyuv=y=16+(val-16)*0.15:u=128+(val-128)*0.3:v=128+(val-128)*0.3`,
};

/** Makes films, or finds them, in one folder with one ffmpeg. */
export class VariantMaker {
  readonly #ffmpeg: string;
  readonly #folder: string;

  constructor(ffmpeg: string, folder: string) {
    this.#ffmpeg = ffmpeg;
    this.#folder = folder;
  }

  async keeping(name: (typeof keeping)[number], { film, path }: Footage): Promise<VariantFilm> {
    const filter = name === 'held' ? `${small},setpts='${held(film)}'` : looks[name];
    return {
      name,
      film: film.name,
      path: await this.#make(`${film.name}-${name}`, path, filter),
      truth: truthOf(film),
    };
  }

  /** One picture in so many that about `pace` a second are left. Changes with less than three pictures on either side are not asked for. */
  async paced(pace: number, { film, path }: Footage): Promise<VariantFilm> {
    const every = Math.round(film.rate / pace);
    const filter = `select='not(mod(n\\,${every}))',${small}`;
    return {
      name: `${pace} f/s`,
      film: film.name,
      path: await this.#make(`${film.name}-${pace}fps`, path, filter),
      truth: thinned(film, every),
    };
  }

  /** Half a second of black in every second, of a film without cuts. */
  async strobe({ film, path }: Footage): Promise<VariantFilm> {
    const filter = `${small},drawbox=c=black:t=fill:enable='lt(mod(t,1),0.5)'`;
    return {
      name: 'strobe',
      film: film.name,
      path: await this.#make(`${film.name}-strobe`, path, filter),
      // It begins, and may end, with black.
      truth: {
        changes: [],
        neutral: [
          [0, Math.round(film.rate)],
          [film.frames - Math.round(film.rate), film.frames],
        ],
      },
    };
  }

  /** A picture of the film whose hue turns by a quarter every three seconds: like layout, another colour. */
  async slides({ film, path }: Footage, picture: number): Promise<VariantFilm> {
    const filter = `select='eq(n\\,${picture})',${small},loop=loop=299:size=1,setpts=N/25/TB,hue=h='90*floor(n/75)'`;
    const cut = (at: number): LabelledChange => ({ kind: 'cut', from: at, to: at });
    return {
      name: 'slides',
      film: film.name,
      path: await this.#make(`${film.name}-slides-${picture}`, path, filter),
      truth: { changes: [75, 150, 225].map(cut), neutral: [] },
    };
  }

  /**
   * Shots of one film that begin at the frames named, 46 pictures of each, joined by transitions of 15; `box` is what of the picture is
   * film (its bars do not wipe).
   */
  async wipes({ film, path }: Footage, shots: readonly number[], box: string): Promise<VariantFilm> {
    const count = shots.length;
    const parts = shots.map(
      (from, n) =>
        `[s${n}]trim=start_frame=${from + 1}:end_frame=${from + 47},setpts=N/25/TB,fps=25,settb=1/25[p${n}]`,
    );
    const joins = shots.slice(1).map((_, n) => {
      const before = n === 0 ? 'p0' : `j${n - 1}`;
      const after = n === count - 2 ? 'out' : `j${n}`;
      return `[${before}][p${n + 1}]xfade=transition=${transitions[n]}:duration=0.6:offset=${(1.24 * (n + 1)).toFixed(2)}[${after}]`;
    });
    const names = shots.map((_, n) => `[s${n}]`).join('');
    const graph = [
      `[0:v]setpts=N/25/TB,crop=${box},scale=320:-2,format=yuv420p,split=${count}${names}`,
      ...parts,
      ...joins,
    ].join(';');
    const changes = shots
      .slice(1)
      .map((_, n): LabelledChange => ({ kind: 'wipe', from: 31 * (n + 1), to: 31 * (n + 1) + 15 }));
    return {
      name: 'wipes',
      film: film.name,
      path: await this.#make(`${film.name}-wipes`, path, graph, true),
      truth: { changes, neutral: [] },
    };
  }

  /** Matroska holds any times of pictures. The name tells the filter apart, so that a changed one makes the film anew. */
  async #make(name: string, from: string, filter: string, graph = false): Promise<string> {
    const digest = createHash('sha256').update(filter).digest('hex').slice(0, 8);
    const path = join(this.#folder, `${name}-${digest}.mkv`);
    if (existsSync(path)) return path;
    const unfinished = `${path}.unfinished.mkv`;
    const through = graph
      ? ['-filter_complex', filter, '-map', '[out]']
      : ['-map', '0:v:0', '-vf', filter, '-fps_mode', 'passthrough'];
    const encoder = ['-an', '-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '16', '-pix_fmt', 'yuv420p'];
    await run(
      this.#ffmpeg,
      ['-v', 'error', '-y', '-threads', '1', '-i', from, ...through, ...encoder, '-threads', '1', unfinished],
      { maxBuffer: 1 << 26 },
    );
    await rename(unfinished, path);
    return path;
  }
}

export const transitions = [
  'wipeleft',
  'wiperight',
  'wipeup',
  'wipedown',
  'slideleft',
  'slideright',
  'slideup',
  'smoothleft',
  'smoothright',
  'circleopen',
  'circleclose',
  'radial',
] as const;

/** ffmpeg's expressions take about a hundred terms. */
const mostHeld = 40;

/** The picture before a cut stands for three seconds more, as in a screen recording that has only packets with something new. */
function held({ cuts }: LabelledFilm): string {
  const every = Math.ceil(cuts.length / mostHeld);
  const terms = cuts.filter((_, n) => n % every === 0).map((at) => `gte(N\\,${at})`);
  return `PTS+3/TB*(${terms.join('+') || '0'})`;
}

function thinned(film: LabelledFilm, every: number): Truth {
  const { changes, neutral } = truthOf(film);
  const at = (frame: number) => Math.ceil(frame / every);
  const all = changes.map(({ kind, from, to }): LabelledChange => ({ kind, from: at(from), to: at(to) }));
  const asked = all.filter(({ from, to }, n) => {
    const before = all[n - 1]?.to ?? 0;
    const after = all[n + 1]?.from ?? at(film.frames);
    return from - before >= leastBeside && after - to >= leastBeside;
  });
  const rest = all.filter((change) => !asked.includes(change));
  return {
    changes: asked,
    neutral: [
      ...neutral.map(([from, to]) => [at(from), at(to)] as const),
      ...rest.map(({ from, to }) => [from, to] as const),
    ],
  };
}
