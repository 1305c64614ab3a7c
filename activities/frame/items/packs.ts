/** Small files of items that end together, written as one object: a pack, of which each file is a range. */
import { createHash, hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { releaseMemory } from '@darkroom/platform';
import type { ItemFile } from '@darkroom/records';
import type { ItemObject } from '../objects.ts';

/** Larger files are objects of their own; those without a byte, too, since no range is empty. */
const mostFileBytes = 256 * 1024;
/** A pack that has come to this is written. */
const mostBytes = 8 * 1024 * 1024;
/** Less than the items a page has open: the next pack fills while one is written. */
const mostFiles = 128;
/** How long a file waits for others at most. A process that dies meanwhile loses the work on all that wait. */
const longestWaitMs = 1000;
/** Packs of a page that are being written; meanwhile one is filled. */
const mostUnderWay = 2;

export const isPackable = ({ body }: Pick<ItemObject, 'body'>): boolean =>
  body.length > 0 && body.length <= mostFileBytes;

/** The files of an item that go into a pack. */
export interface PackedItem {
  readonly ordinal: number;
  readonly objects: readonly Omit<ItemObject, 'key'>[];
}

/** A pack as it is to be written. */
export interface Pack {
  /** SHA-256 (hex) of what it is made of: equal ones are the same. */
  readonly digest: string;
  readonly body: Buffer;
  /** Of the items whose files are in it, ascending. */
  readonly ordinals: readonly number[];
}

interface Waiting extends PackedItem {
  resolve(files: ItemFile[]): void;
  reject(error: unknown): void;
}

/** Gathers the files of a page's items and has them written as packs. */
export class Packs {
  readonly #write: (pack: Pack) => Promise<string>;
  readonly #underWay = new Set<Promise<void>>();
  #waiting: Waiting[] = [];
  #bytes = 0;
  #files = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `write` puts a pack into the store and resolves with its URI. */
  constructor(write: (pack: Pack) => Promise<string>) {
    this.#write = write;
  }

  /** Waits while as much is being written as may be: what {@link add} is given then stays within bounds. */
  async room(): Promise<void> {
    while (this.#underWay.size >= mostUnderWay) await Promise.race(this.#underWay);
  }

  /**
   * Takes the files of an item, and resolves with them once their pack is written; `atOnce`, with what has come before, else when it is full
   * or has waited long enough. Rejects with what the write of the pack has failed of, as all of them do.
   */
  add(item: PackedItem, { atOnce }: { readonly atOnce: boolean }): Promise<ItemFile[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...item, resolve, reject });
      this.#files += item.objects.length;
      this.#bytes += item.objects.reduce((sum, { body }) => sum + body.length, 0);
      if (atOnce || this.#bytes >= mostBytes || this.#files >= mostFiles) this.flush();
      else this.#timer ??= setTimeout(() => this.flush(), longestWaitMs);
    });
  }

  /** Writes what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const items = this.#waiting;
    if (items.length === 0) return;
    this.#waiting = [];
    this.#bytes = 0;
    this.#files = 0;
    const writing = this.#writeOf(items)
      .catch((error: unknown) => {
        for (const { reject } of items) reject(error);
      })
      .finally(() => this.#underWay.delete(writing));
    this.#underWay.add(writing);
  }

  async #writeOf(items: readonly Waiting[]): Promise<void> {
    const { pack, filesOf } = packOf(items);
    const uri = await this.#write(pack);
    for (const [index, { resolve }] of items.entries())
      resolve(filesOf[index]!.map((file) => ({ ...file, uri })));
  }
}

/** The pack of these items' files, in the order of the items, and the files of each as they were given; takes their memory. */
export function packOf(items: readonly PackedItem[]): {
  readonly pack: Pack;
  readonly filesOf: readonly (readonly Omit<ItemFile, 'uri'>[])[];
} {
  // Neighbours of the ledger lie beside each other, so that who reads them in its order reads on.
  const order = [...items.keys()].sort((a, b) => items[a]!.ordinal - items[b]!.ordinal);
  const digest = createHash('sha256').update('pack 1\n');
  const filesOf: Omit<ItemFile, 'uri'>[][] = items.map(() => []);
  const bodies: Buffer[] = [];
  let start = 0;
  for (const index of order) {
    for (const { path, body, contentType } of items[index]!.objects) {
      const { length } = body;
      const sha256 = hash('sha256', body);
      digest.update(`${length} ${sha256}\n`);
      const range = { start, length };
      filesOf[index]!.push({ path, range, bytes: length, sha256, crc32: crc32(body), contentType });
      bodies.push(body);
      start += length;
    }
  }
  const body = Buffer.concat(bodies, start);
  for (const each of bodies) releaseMemory(each);
  const ordinals = order.map((index) => items[index]!.ordinal);
  return { pack: { digest: digest.digest('hex'), body, ordinals }, filesOf };
}
