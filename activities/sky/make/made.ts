/** From a call to its file, with what whoever asked for it is told. */
import { tmpdir } from 'node:os';
import type { CutoutFacts, CutoutTimings } from '@darkroom/contract';
import type { MadeBytes } from './bytes.ts';
import type { CutoutCall } from './call.ts';
import { composeFile, type Room } from './compose.ts';
import { CutoutMemory } from './memory.ts';
import type { OpenSource } from './plan.ts';
import { Sources, type SourcesDeps } from './sources.ts';

export interface MadeFile {
  /** To be disposed of. */
  readonly file: MadeBytes;
  readonly contentType: string;
  readonly facts: CutoutFacts;
  /** Milliseconds. */
  readonly timings: CutoutTimings;
}

/** Throws SkyError, StorageError, or the signal's reason. */
export type MakeFile = (call: CutoutCall, signal: AbortSignal) => Promise<MadeFile>;

const contentTypes = { fits: 'application/fits', png: 'image/png', jpeg: 'image/jpeg', webp: 'image/webp' };

/** For all cutouts of a process. */
export const roomOf = ({ cutouts }: SourcesDeps['config']): Room => ({
  memory: new CutoutMemory(cutouts.memoryBytes),
  folder: tmpdir(),
});

/** Throws as `composeFile` does. */
export async function makeFile(
  call: CutoutCall,
  open: OpenSource,
  signal: AbortSignal,
  room: Room,
): Promise<MadeFile> {
  const { file, facts, timings } = await composeFile(call, open, signal, room);
  const verified = call.sources.every((source) => source.verified);
  return { file, contentType: contentTypes[call.request.format], facts: { ...facts, verified }, timings };
}

/** Makes each for itself. */
export function makeFileOver(deps: SourcesDeps): MakeFile {
  const sources = new Sources(deps);
  const room = roomOf(deps.config);
  return (call, signal) => makeFile(call, (source) => sources.open(call, source, signal), signal, room);
}
