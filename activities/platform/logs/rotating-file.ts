/** A file of lines that is appended to over restarts and rotated by size: `output.log`, then `output.log.1` (newer) … `.n` (oldest). */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface RotatingFile {
  /** Takes a line without its newline and returns at once; lines are written in their order. */
  append(line: string): void;
  /** Writes what is still held. */
  close(): Promise<void>;
}

export interface RotationOptions {
  /** Size a file does not exceed, unless a single line does. */
  maxBytes: number;
  /** Rotated files that are kept, besides the current one. */
  keep: number;
  /** Told of each write that failed; its lines are lost, later ones are tried again. */
  onError: (error: unknown) => void;
}

/** Lines held while the disk is slow; beyond that they are dropped. */
const maxHeldBytes = 8 * 1024 * 1024;

/** Opens the file with its first line. One process at a time may write to it. */
export function openRotatingFile(path: string, { maxBytes, keep, onError }: RotationOptions): RotatingFile {
  let held: string[] = [];
  let heldBytes = 0;
  let file: { handle: FileHandle; size: number } | undefined;
  let working: Promise<void> | undefined;

  const rotate = async (): Promise<void> => {
    await file?.handle.close();
    file = undefined;
    for (let n = keep; n >= 1; n--) {
      await rename(n === 1 ? path : `${path}.${n - 1}`, `${path}.${n}`).catch(ignoreAbsent);
    }
  };

  const write = async (text: string): Promise<void> => {
    const bytes = Buffer.byteLength(text);
    file ??= await openAtEnd(path);
    if (file.size > 0 && file.size + bytes > maxBytes) {
      await rotate();
      file = await openAtEnd(path);
    }
    await file.handle.appendFile(text);
    file.size += bytes;
  };

  const work = async (): Promise<void> => {
    while (held.length > 0) {
      const lines = held;
      held = [];
      heldBytes = 0;
      try {
        for (const text of packed(lines, maxBytes)) await write(text);
      } catch (error) {
        await file?.handle.close().catch(() => {});
        file = undefined;
        onError(error);
      }
    }
    working = undefined;
  };

  return {
    append(line) {
      const text = `${line}\n`;
      if (heldBytes + text.length > maxHeldBytes) {
        onError(new Error(`Lines for ${path} were dropped: the disk is too slow.`));
        return;
      }
      held.push(text);
      heldBytes += text.length;
      working ??= work();
    },
    async close() {
      await working;
      await file?.handle.close();
      file = undefined;
    },
  };
}

async function openAtEnd(path: string): Promise<{ handle: FileHandle; size: number }> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, 'a+');
  const { size } = await handle.stat();
  if (size === 0) return { handle, size };
  // A process that was killed may have left a part of a line.
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer[0] === 0x0a) return { handle, size };
  await handle.appendFile('\n');
  return { handle, size: size + 1 };
}

/** Joins lines to texts of at most `maxBytes`, so that many lines cost one write. */
function* packed(lines: readonly string[], maxBytes: number): Generator<string> {
  let text = '';
  let bytes = 0;
  for (const line of lines) {
    const size = Buffer.byteLength(line);
    if (bytes > 0 && bytes + size > maxBytes) {
      yield text;
      text = '';
      bytes = 0;
    }
    text += line;
    bytes += size;
  }
  if (bytes > 0) yield text;
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
