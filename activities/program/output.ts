/** What a program says, in pieces of bounded size of which the newest are kept; places in it count from its first byte. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const pieces = 4;

/** Writes output; the supervisor's. */
export class OutputWriter {
  readonly #folder: string;
  readonly #pieceBytes: number;
  readonly #begun: number[] = [];
  #file: number | undefined;
  #written = 0;

  /** Keeps the last `keptBytes`, or a little less. */
  constructor(folder: string, keptBytes: number) {
    this.#folder = folder;
    this.#pieceBytes = Math.max(1, Math.floor(keptBytes / pieces));
  }

  get written(): number {
    return this.#written;
  }

  write(chunk: Buffer): void {
    const begun = this.#begun.at(-1);
    if (this.#file === undefined || begun === undefined || this.#written - begun >= this.#pieceBytes)
      this.#next();
    writeSync(this.#file!, chunk);
    this.#written += chunk.length;
  }

  #next(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = openSync(join(this.#folder, String(this.#written)), 'a');
    this.#begun.push(this.#written);
    if (this.#begun.length > pieces)
      void rm(join(this.#folder, String(this.#begun.shift())), { force: true });
  }
}

/** Reads on from a place, by lines; a worker's. */
export class OutputReader {
  readonly #folder: string;
  #place: number;
  #unfinished = Buffer.alloc(0);
  #tail: string[] = [];

  constructor(folder: string, place: number) {
    this.#folder = folder;
    this.#place = place;
  }

  /** The place behind the last whole line that was read. */
  get place(): number {
    return this.#place - this.#unfinished.length;
  }

  /** The last lines that were read. */
  get tail(): readonly string[] {
    return this.#tail;
  }

  /** The lines since the last call; `ended` says that no more will follow. What was dropped before it could be read is said in its place. */
  async read(ended: boolean): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const begun = (await readdir(this.#folder)).map(Number).sort((a, b) => a - b);
      const piece = begun.findLast((start) => start <= this.#place) ?? begun[0];
      if (piece === undefined) break;
      if (piece > this.#place) {
        lines.push(`(${piece - this.#place} bytes of output were not kept)`);
        this.#place = piece;
        this.#unfinished = Buffer.alloc(0);
      }
      const chunk = await readAt(join(this.#folder, String(piece)), this.#place - piece);
      if (chunk.length === 0) {
        if (begun.some((start) => start === this.#place && start !== piece)) continue;
        break;
      }
      this.#place += chunk.length;
      this.#unfinished = Buffer.concat([this.#unfinished, chunk]);
      lines.push(...this.#takeLines());
    }
    if (ended && this.#unfinished.length > 0) {
      lines.push(this.#unfinished.toString());
      this.#unfinished = Buffer.alloc(0);
    }
    this.#tail = [...this.#tail, ...lines].slice(-tailLines);
    return lines;
  }

  /** Programs that draw a bar end its lines with a carriage return. */
  #takeLines(): string[] {
    const lines: string[] = [];
    let begun = 0;
    for (let at = 0; at < this.#unfinished.length; at++) {
      const ends = this.#unfinished[at] === 10 || this.#unfinished[at] === 13;
      if (!ends && at + 1 - begun < longestLine) continue;
      lines.push(this.#unfinished.toString('utf8', begun, ends ? at : at + 1));
      begun = at + 1;
    }
    this.#unfinished = this.#unfinished.subarray(begun);
    return lines.filter((line) => line.trim() !== '');
  }
}

const chunkBytes = 256 * 1024;
const longestLine = 8192;
const tailLines = 20;

async function readAt(path: string, from: number): Promise<Buffer> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, from);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
