/** What a hostile file is, for tests. */
import type { ProblemCode } from '@darkroom/contract';
import { bytes } from '../boxes.ts';

/** What the files name: whoever opens the one or connects to the other was led there. */
export interface Bait {
  /** Absolute path. */
  readonly file: string;
  /** http://127.0.0.1:… */
  readonly url: string;
}

export interface HostileFile {
  readonly name: string;
  readonly bytes: Buffer;
  /** How the first pass over it ends: with one of these problems, or `read` where its own pictures are harmless. */
  readonly ends: readonly (ProblemCode | 'read')[];
}

export const file = (name: string, content: Buffer, ...ends: HostileFile['ends']): HostileFile => ({
  name,
  bytes: content,
  ends,
});
export const text = (name: string, ...lines: readonly string[]): HostileFile =>
  file(name, bytes(`${lines.join('\n')}\n`), 'unsupported_video');
