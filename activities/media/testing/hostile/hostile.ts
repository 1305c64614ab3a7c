/** Files that are not what they say, or that would have their reader open, fetch or swallow what it should not. Small, the same each time. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFilm } from '../film/film.ts';
import { bombs } from './bombs.ts';
import type { Bait, HostileFile } from './hostile-file.ts';
import { lies } from './lies.ts';
import { aviFiles, references } from './references.ts';
import { otherThings, playlists } from './scripts.ts';

/** All of them. The films they are made from are encoded on the way, in a folder of their own. */
export function hostileFiles(bait: Bait): HostileFile[] {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
  try {
    const film = (name: string, muxer: Record<string, string> = {}) => {
      const path = join(folder, name);
      makeFilm(path, [{ picture: { seed: 1 }, frames: 12 }], { width: 64, height: 64, gop: 6, muxer });
      return readFileSync(path);
    };
    return [
      ...playlists(bait),
      ...otherThings(),
      ...references(film('film.mov'), film('film.mkv'), bait),
      ...lies(film('film.mp4'), film('fast.mp4', { movflags: 'faststart' }), film('film.mkv')),
      ...aviFiles(film('film.avi'), bait),
      ...bombs(film('film.mp4')),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
