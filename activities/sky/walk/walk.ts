/** Cutouts along a tile: what the next ones want of its files is read in bunches, each row once, while those before them are made. */
import type { Config } from '@darkroom/platform';
import { untilAborted } from '@darkroom/storage/connection/bodies.ts';
import type { CutoutCall } from '../make/call.ts';
import type { Room } from '../make/compose.ts';
import { type MadeFile, type MakeFile, makeFile, roomOf } from '../make/made.ts';
import type { OpenSource } from '../make/plan.ts';
import { Sources, type SourcesDeps } from '../make/sources.ts';
import { BunchSize, type Member, PixelsAhead, readBunch } from './bunch.ts';
import { bytesOf, type Wanted, wantedOf } from './wanted.ts';

export interface WalkDeps extends SourcesDeps {
  readonly config: Pick<Config, 'cutouts'>;
  /** Pages that are walked at once: what may be read ahead is shared out to them. Default 1. */
  readonly pages?: number;
}

/** What all pages of a process share: headers and tables of files, their checksums, and the memory that cutouts are made in. */
export class TileWalk {
  readonly #sources: Sources;
  readonly #room: Room;
  readonly #bytes: number;

  constructor(deps: WalkDeps) {
    this.#sources = new Sources(deps);
    this.#room = roomOf(deps.config);
    this.#bytes = Math.floor(deps.config.cutouts.aheadBytes / (deps.pages ?? 1));
  }

  /**
   * The cutouts of one page, in the order in which they will be made, about: by where they lie on their tile, so that neighbours share rows. `calls` are
   * asked for as they are needed. To be closed; `signal` ends it too.
   */
  walk(calls: Iterable<CutoutCall> | AsyncIterable<CutoutCall>, signal: AbortSignal): PageWalk {
    return new PageWalk(calls, { sources: this.#sources, room: this.#room, bytes: this.#bytes, signal });
  }
}

/** Cutouts of a bunch; and no more than these are read and not begun when another is read. */
const together = 128;
/** What lies so far behind the last one that has begun is not asked for any more. */
const patience = 64;
/** Listed beyond the last one that has begun. */
const foresight = 4 * together;

/** A cutout that is listed, until it has ended. */
interface Listed {
  /** In the order of the page, from 0. */
  readonly at: number;
  readonly key: string;
  readonly call: CutoutCall;
  readonly pixels: PixelsAhead;
  wanted?: readonly Wanted[];
  /** Of its pixels, as long as they are held. */
  bytes: number;
  begun: boolean;
  bunched: boolean;
  /** Settled when its bunch has been read; never rejects. */
  read?: Promise<void>;
  /** It reads for itself, or is not asked for any more. */
  alone: boolean;
}

const sumOf = (wanted: readonly Wanted[]): number => wanted.reduce((sum, one) => sum + bytesOf(one), 0);
const keyOf = ({ request, sources }: CutoutCall): string => JSON.stringify([request, sources]);

interface PageDeps {
  readonly sources: Sources;
  readonly room: Room;
  /** Of pixels that may be held ahead. */
  readonly bytes: number;
  readonly signal: AbortSignal;
}

export class PageWalk implements AsyncDisposable {
  readonly #deps: PageDeps;
  readonly #calls: AsyncIterator<CutoutCall> | Iterator<CutoutCall>;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  /** Not begun yet, in their order. */
  readonly #listed = new Map<string, Listed>();
  /** In no bunch yet, in their order. */
  readonly #queue: Listed[] = [];
  #listing: Promise<void> | undefined;
  #next = 0;
  #isWhole = false;
  /** Of listing them. */
  #failure: { readonly error: unknown } | undefined;
  /** The last one that has begun. */
  #newest = -1;
  #forming: Promise<void> | undefined;
  /** Bunches are read one after the other. */
  #reading: Promise<void> = Promise.resolve();
  /** In bunches, and not begun. */
  #waiting = 0;
  #held = 0;

  constructor(calls: Iterable<CutoutCall> | AsyncIterable<CutoutCall>, deps: PageDeps) {
    this.#deps = deps;
    this.#calls = Symbol.asyncIterator in calls ? calls[Symbol.asyncIterator]() : calls[Symbol.iterator]();
    this.#signal = AbortSignal.any([deps.signal, this.#ended.signal]);
  }

  /** Of pixels that are held, read ahead or being so; 0 at rest. */
  get heldBytes(): number {
    return this.#held;
  }

  /**
   * The file, the same to the last bit that `makeFileOver` makes of that call. One that was not listed, or comes out of its turn, is made all the same.
   * Throws as `makeFileOver` does, and what listing throws.
   */
  readonly make: MakeFile = async (call, signal) => {
    signal.throwIfAborted();
    const listed = await untilAborted(this.#find(call), signal);
    if (listed === undefined) return this.#make(call, undefined, signal);
    this.#begin(listed);
    try {
      await untilAborted(this.#ready(listed), signal);
      return await this.#make(call, listed.pixels, signal);
    } finally {
      this.#release(listed);
      this.#advance();
    }
  };

  /** Ends what is being read; cutouts that are being made go on. */
  async close(): Promise<void> {
    this.#ended.abort(new Error('The walk is over.'));
    for (const listed of this.#listed.values()) this.#release(listed);
    await this.#forming;
    await this.#reading;
    await this.#calls.return?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #make(call: CutoutCall, pixels: PixelsAhead | undefined, signal: AbortSignal): Promise<MadeFile> {
    const { sources, room } = this.#deps;
    const open: OpenSource = async (source) => {
      const image = await sources.open(call, source, signal);
      return pixels?.of(source, image) ?? image;
    };
    return makeFile(call, open, signal, room);
  }

  async #find(call: CutoutCall): Promise<Listed | undefined> {
    const key = keyOf(call);
    while (!this.#listed.has(key) && !this.#isWhole && this.#next - this.#newest <= foresight)
      await this.#list();
    const listed = this.#listed.get(key);
    if (listed === undefined && this.#failure !== undefined) throw this.#failure.error;
    return listed;
  }

  /** One more. */
  #list(): Promise<void> {
    this.#listing ??= this.#listOne().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #listOne(): Promise<void> {
    if (this.#signal.aborted) this.#isWhole = true;
    if (this.#isWhole) return;
    let call: CutoutCall;
    try {
      const next = await this.#calls.next();
      if (next.done) {
        this.#isWhole = true;
        return;
      }
      call = next.value;
    } catch (error) {
      this.#isWhole = true;
      this.#failure = { error };
      return;
    }
    const key = keyOf(call);
    const listed: Listed = {
      ...{
        at: this.#next++,
        key,
        call,
        pixels: new PixelsAhead(),
        bytes: 0,
        begun: false,
        bunched: false,
        alone: false,
      },
    };
    // Of two that are the same the first is read ahead.
    if (this.#listed.has(key)) return;
    this.#listed.set(key, listed);
    this.#queue.push(listed);
  }

  #begin(listed: Listed): void {
    listed.begun = true;
    this.#listed.delete(listed.key);
    if (listed.bunched) this.#waiting--;
    this.#newest = Math.max(this.#newest, listed.at);
    for (const late of this.#listed.values()) {
      if (late.at >= this.#newest - patience) break;
      this.#listed.delete(late.key);
      if (late.bunched) this.#waiting--;
      this.#release(late);
    }
    this.#advance();
  }

  /** Its pixels are there, as far as they are read ahead. */
  async #ready(listed: Listed): Promise<void> {
    if (listed.read === undefined) await this.#forming;
    if (listed.read === undefined) listed.alone = true;
    await listed.read;
  }

  #release(listed: Listed): void {
    listed.alone = true;
    listed.pixels.release();
    this.#held -= listed.bytes;
    listed.bytes = 0;
  }

  /** Forms the next bunch where it is time to, and there is room for it. */
  #advance(): void {
    if (this.#forming !== undefined || this.#signal.aborted) return;
    if (this.#isWhole && this.#queue.length === 0) return;
    if (this.#waiting >= together || this.#held > this.#deps.bytes / 2) return;
    this.#forming = this.#form().finally(() => {
      this.#forming = undefined;
      this.#advance();
    });
  }

  async #form(): Promise<void> {
    const most = this.#deps.bytes / 2;
    const bunch: (Listed & Member)[] = [];
    const size = new BunchSize();
    for (;;) {
      const next = await this.#unread();
      if (next === undefined) break;
      next.wanted ??= await this.#wanted(next.call, most);
      const bytes = sumOf(next.wanted);
      if (size.members > 0 && (size.members === together || size.bytes + bytes > most || size.isTooMuch))
        break;
      this.#queue.shift();
      if (next.alone) continue;
      const member = Object.assign(next, { wanted: next.wanted, bytes, bunched: true });
      size.add(member.wanted);
      this.#held += bytes;
      if (!member.begun) this.#waiting++;
      bunch.push(member);
    }
    if (bunch.length === 0 || this.#signal.aborted) return;
    this.#reading = this.#reading
      .then(() => readBunch(bunch, this.#signal))
      .catch(() => {})
      .finally(() => {
        for (const member of bunch) member.wanted = [];
      });
    for (const member of bunch) member.read = this.#reading;
  }

  /** The next that is in no bunch. */
  async #unread(): Promise<Listed | undefined> {
    for (;;) {
      const [next] = this.#queue;
      if (this.#signal.aborted) return undefined;
      if (next?.alone === false) return next;
      if (next !== undefined) this.#queue.shift();
      else if (this.#isWhole) return undefined;
      else await this.#list();
    }
  }

  /** Nothing of what takes more than a bunch may, or cannot be told: that is told to whoever makes it. */
  async #wanted(call: CutoutCall, most: number): Promise<readonly Wanted[]> {
    const { sources, room } = this.#deps;
    const open: OpenSource = (source) => sources.open(call, source, this.#signal);
    const wanted = await wantedOf(call, open, room.memory).catch(() => []);
    return sumOf(wanted) > most ? [] : wanted;
  }
}
