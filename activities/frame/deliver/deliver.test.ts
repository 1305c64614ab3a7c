import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Delivery, type ManifestFile, manifest, problemOf } from '@darkroom/contract';
import type { Config } from '@darkroom/platform';
import { type Fence, getJobRow, getStage } from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { alone, keysUnder } from '@darkroom/storage/testing.ts';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  attemptAt,
  claimItem,
  failItem,
  published,
  publishItem,
  submitted,
  toy,
} from '../../records/testing.ts';
import type { Attempt, FrameDeps } from '../attempt/attempt.ts';
import { startFrame, type TestFrame } from '../testing.ts';
import { type Delivering, deliverResults } from './deliver.ts';

let frame: TestFrame;
let deps: FrameDeps;
let storage: Storage;
let theirs: Storage;
let home: string;
const bucket = 'theirs-test';
beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), 'darkroom-deliver-')));
  frame = await startFrame({
    DARKROOM_GRANTS: JSON.stringify([
      { owner: 'alice', prefix: `s3://${bucket}/alice/`, access: 'read-write' },
      { everyone: true, prefix: `s3://${bucket}/read/`, access: 'read' },
      { everyone: true, prefix: 's3://darkroom-test/', access: 'read-write' },
      { everyone: true, prefix: 's3://nowhere-test/', access: 'read-write' },
    ]),
    DELIVERY_DIRECTORIES: JSON.stringify([{ everyone: true, path: `${home}/{owner}` }]),
  });
  ({ storage, deps } = frame);
  theirs = createStorage({ ...frame.s3, forcePathStyle: true, bucket });
  await theirs.ensureBucket();
});
afterAll(async () => {
  theirs?.close();
  await frame?.close();
  await rm(home, { recursive: true, force: true });
});
beforeEach(async () => {
  await rm(join(home, 'alice'), { recursive: true, force: true });
  await mkdir(join(home, 'alice', 'out'), { recursive: true });
  await theirs.removePrefix('alice/', alone);
});

interface Given {
  readonly attempt?: number;
  readonly held?: () => Promise<void>;
  readonly signal?: AbortSignal;
  readonly config?: Config;
}

async function attemptOf(jobId: string, { attempt = 1, held, signal, config }: Given = {}): Promise<Attempt> {
  const fence: Fence = await attemptAt(deps.records, jobId, { attempt, stage: 'pack', activity: 'deliver' });
  const job = (await getJobRow(deps.records.db, jobId))!;
  const counts = vi.fn();
  return {
    deps: { ...deps, ...(config !== undefined && { config }) },
    call: { jobId, run: fence.run, stage: 'pack' },
    fence,
    job,
    kind: toy,
    signal: signal ?? new AbortController().signal,
    log: { line() {} },
    progress: { counts, moved() {}, goesOn() {}, close: async () => {} },
    lose() {},
    assertHeld: held ?? (async () => {}),
  } as unknown as Attempt;
}

const bodyOf = (n: number, text = 'item'): Buffer => Buffer.from(`${text} ${n}\n`.repeat(n));

/** A job of items with a file each; the last one has failed. */
async function jobOf(
  count: number,
  text = 'item',
  packed = false,
): Promise<{ jobId: string; files: ManifestFile[] }> {
  const jobId = await submitted(deps.records, { items: count + 1 });
  const fence = await attemptAt(deps.records, jobId);
  const files: ManifestFile[] = [];
  const bodies = Array.from({ length: count }, (_, i) => bodyOf(i + 1, text));
  const contentType = 'text/x-item';
  const put = (name: string, body: Buffer) => storage.putBytes(`out/${jobId}/${name}`, body, { contentType });
  const pack = packed ? (await put('packs/a', Buffer.concat(bodies))).uri : undefined;
  let start = 0;
  for (let n = 1; n <= count; n++) {
    await claimItem(deps.records.db, fence, 'work', n);
    const body = bodies[n - 1]!;
    const lies =
      pack === undefined
        ? { uri: (await put(String(n), body)).uri }
        : { uri: pack, range: { start, length: body.length } };
    start += body.length;
    const sha256 = createHash('sha256').update(body).digest('hex');
    const file = { path: `00000/ä ${n}.txt`, ...lies, bytes: body.length, sha256, contentType };
    files.push({ ...file, item: `k${n}` });
    await publishItem(deps.records.db, fence, 'work', n, { ...published, files: [file] });
  }
  await claimItem(deps.records.db, fence, 'work', count + 1);
  await failItem(deps.records.db, fence, 'work', count + 1, problemOf('empty_file', 'no bytes'));
  return { jobId, files };
}

const deliver = async (
  jobId: string,
  to: string,
  given: Given & Partial<Delivering> = {},
): Promise<Delivery> => {
  const attempt = await attemptOf(jobId, given);
  // What it throws is the test's to look at, not the environment's to print.
  const ended = Promise.withResolvers<Delivery>();
  await new MockActivityEnvironment().run(() =>
    deliverResults(attempt, { to, ...given }).then(ended.resolve, ended.reject),
  );
  return ended.promise;
};

const prefix = `s3://${bucket}/alice/some/`;
const directory = () => `file://${home}/alice/out/`;
const inBucket = async () =>
  (await keysUnder(theirs, 'alice/some/')).map((key) => key.slice('alice/some/'.length));
const inDirectory = async () => {
  const names = await readdir(join(home, 'alice/out'), { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(`${home}/alice/out/`.length))
    .sort();
};

type Write = (uri: string, ...more: unknown[]) => Promise<unknown>;

/** Both ways to deliver, in the same words; `method` of the storage is called for each file that is written. */
const ways = [
  {
    way: 'a prefix',
    to: () => prefix,
    there: inBucket,
    read: async (path: string) => theirs.getBytes(`alice/some/${path}`, { maxBytes: 1e7 }),
    write: async (path: string, body: Buffer) =>
      void (await theirs.putBytes(`alice/some/${path}`, body, { contentType: 'text/plain' })),
    remove: async (path: string) => theirs.remove([`alice/some/${path}`], alone),
    method: 'copy',
  },
  {
    way: 'a directory',
    to: directory,
    there: inDirectory,
    read: async (path: string) => readFile(join(home, 'alice/out', path)),
    write: async (path: string, body: Buffer) => {
      await mkdir(join(home, 'alice/out', path, '..'), { recursive: true });
      await writeFile(join(home, 'alice/out', path), body);
    },
    remove: async (path: string) => unlink(join(home, 'alice/out', path)),
    method: 'get',
  },
];

describe.each(ways)('to $way', ({ to, there, read, write, remove, method }) => {
  const watched = () => {
    const spied = storage as unknown as Record<string, Write>;
    const original = spied[method]!;
    return { original, writes: vi.spyOn(spied, method) };
  };

  test('all files of what succeeded lie under their paths, and the manifest names them; nothing is there twice', async () => {
    const { jobId, files } = await jobOf(5);
    const delivery = await deliver(jobId, to());
    const names = files.map(({ path }) => path);
    expect(await there()).toEqual([...names, 'manifest.json'].sort());
    for (const { path, sha256 } of files)
      expect(
        createHash('sha256')
          .update(await read(path))
          .digest('hex'),
      ).toBe(sha256);
    const told = manifest.parse(JSON.parse(String(await read('manifest.json'))));
    expect(told).toMatchObject({ job: jobId, kind: 'toy' });
    expect(told.files.map(({ uri, ...file }) => file)).toEqual(files.map(({ uri, ...file }) => file));
    expect(told.files.every(({ uri }) => uri.startsWith(to()))).toBe(true);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0) + (await read('manifest.json')).length;
    expect(delivery).toEqual({ done: true, delivered: { to: to(), files: 6, bytes }, written: [] });
    // The stage is done: whoever comes again is told so, and what its user has taken away is not missed.
    await remove(names[0]!);
    expect(await deliver(jobId, to(), { attempt: 2 })).toEqual(delivery);
    expect(await there()).not.toContain(names[0]);
  });

  test('files that lie in a pack are files of their own there', async () => {
    const { jobId, files } = await jobOf(20, 'packed', true);
    await deliver(jobId, to());
    for (const [i, { path }] of files.entries()) expect(await read(path)).toEqual(bodyOf(i + 1, 'packed'));
    const told = manifest.parse(JSON.parse(String(await read('manifest.json'))));
    expect(told.files.map(({ path, uri, range }) => [path, uri.startsWith(to()), range])).toEqual(
      files.map(({ path }) => [path, true, undefined]),
    );
    // Another delivery finds them there.
    const { writes } = watched();
    try {
      await deliver((await jobOf(20, 'packed', true)).jobId, to());
      const delivered = writes.mock.calls.filter(([uri]) => uri.includes('packs/'));
      expect(delivered).toEqual([]);
    } finally {
      writes.mockRestore();
    }
  });

  test('a pack with other bytes than were told is delivered to nobody', async () => {
    const { jobId } = await jobOf(1, 'packed', true);
    await storage.putBytes(`out/${jobId}/packs/a`, Buffer.from('PACKED 1\n'), { contentType: 'a/b' });
    await expect(deliver(jobId, to())).rejects.toThrow('SHA-256');
    expect(await there()).toEqual([]);
  });

  test('of no file there is a manifest of none', async () => {
    const { jobId } = await jobOf(0);
    expect(await deliver(jobId, to())).toMatchObject({ done: true, delivered: { files: 1 } });
    expect(JSON.parse(String(await read('manifest.json')))).toEqual({ job: jobId, kind: 'toy', files: [] });
  });

  test('the job’s own files come last, in their order, and are kept for its publication', async () => {
    const { jobId } = await jobOf(2);
    const own: ManifestFile[] = [];
    for (const name of ['table.csv', 'manifest.json']) {
      const { uri, size, sha256 } = await storage.putBytes(`out/${jobId}/${name}`, Buffer.from(name), {
        contentType: 'text/plain',
      });
      own.push({ path: name, uri, bytes: size, sha256, contentType: 'text/plain', item: null });
    }
    const before: string[][] = [];
    const files = async () => {
      before.push(await there());
      return own;
    };
    const delivery = await deliver(jobId, to(), { files });
    expect(delivery).toMatchObject({ done: true, delivered: { files: 4 }, written: own });
    expect(before).toEqual([['00000/ä 1.txt', '00000/ä 2.txt']]);
    expect(String(await read('manifest.json'))).toBe('manifest.json');
    expect((await getStage(deps.records.db, jobId, 'pack'))?.objects).toEqual(own.map(({ uri }) => uri));
  });

  test('turns that are over at once deliver some each, and nothing twice', async () => {
    const { jobId } = await jobOf(30);
    const { writes } = watched();
    try {
      let turns = 1;
      while (!(await deliver(jobId, to(), { attempt: turns, turnMs: -1 })).done) {
        expect(await there()).not.toContain('manifest.json');
        turns++;
      }
      expect(turns).toBeGreaterThan(1);
      expect(await there()).toHaveLength(31);
      const written = writes.mock.calls.map(([uri]) => uri);
      expect(new Set(written).size).toBe(written.length);
    } finally {
      writes.mockRestore();
    }
  });

  test('an attempt that ends in the middle is gone on with: what is there is not written again', async () => {
    const { jobId, files } = await jobOf(40);
    const cancel = new AbortController();
    const stopped = new Error('enough');
    const { writes, original } = watched();
    try {
      const failing = (): Promise<never> => {
        cancel.abort(stopped);
        return Promise.reject(stopped);
      };
      writes.mockImplementation((...args) => (writes.mock.calls.length > 20 ? failing() : original(...args)));
      const first = deliver(jobId, to(), { signal: cancel.signal });
      await expect(first).rejects.toBe(stopped);
      const partly = await there();
      expect(partly.length).toBeGreaterThan(5);
      expect(partly.length).toBeLessThan(40);
      expect(partly.filter((name) => !/ä \d+\.txt$/.test(name))).toEqual([]);
      writes.mockReset();
      writes.mockImplementation(original);
      expect(await deliver(jobId, to(), { attempt: 2 })).toMatchObject({ done: true });
      const written = new Set(writes.mock.calls.map(([uri]) => uri));
      expect(files.filter(({ path, uri }) => partly.includes(path) === written.has(uri))).toEqual([]);
      for (const { path, sha256 } of files)
        expect(
          createHash('sha256')
            .update(await read(path))
            .digest('hex'),
        ).toBe(sha256);
    } finally {
      writes.mockRestore();
    }
  });

  test('what has another content is replaced, what has the same is left', async () => {
    const { jobId, files } = await jobOf(4);
    await deliver(jobId, to());
    await write(files[1]!.path, Buffer.alloc(files[1]!.bytes, 'x'));
    const again = await jobOf(4);
    const { writes } = watched();
    try {
      expect(await deliver(again.jobId, to())).toMatchObject({ done: true });
      const written = writes.mock.calls.map(([uri]) => uri);
      // And the manifest, which names the other job.
      expect(written).toEqual([again.files[1]!.uri, expect.stringMatching(/manifest\.json$/)]);
    } finally {
      writes.mockRestore();
    }
  });

  test('of two jobs at one place the later has what both name, and the others lie beside each other', async () => {
    const [one, other] = [await jobOf(3, 'one'), await jobOf(5, 'other')];
    await deliver(one.jobId, to());
    await deliver(other.jobId, to());
    expect(await there()).toHaveLength(6);
    expect(await read('00000/ä 2.txt')).toEqual(bodyOf(2, 'other'));
    expect(JSON.parse(String(await read('manifest.json')))).toMatchObject({ job: other.jobId });
  });

  test('an attempt that was replaced writes nothing more', async () => {
    const { jobId } = await jobOf(3);
    const held = async () => Promise.reject(new Error('replaced'));
    await expect(deliver(jobId, to(), { held })).rejects.toThrow('replaced');
    expect(await there()).toEqual([]);
  });

  test('where the store has lost an object its item is to be made again, and no manifest is there', async () => {
    const { jobId, files } = await jobOf(3);
    await storage.remove([files[1]!.uri], alone);
    expect(await deliver(jobId, to())).toEqual({ done: true, missing: 1 });
    expect(await there()).not.toContain('manifest.json');
    const { rows } = await deps.records.db.execute(
      `select ordinal from job_items where job_id = '${jobId}' and state = 'pending'`,
    );
    expect(rows).toEqual([{ ordinal: 2 }]);
    await storage.putBytes(`out/${jobId}/2`, bodyOf(2), { contentType: 'text/x-item' });
    const fence = await attemptAt(deps.records, jobId, { attempt: 2 });
    await claimItem(deps.records.db, fence, 'work', 2);
    const { item: _, ...file } = files[1]!;
    await publishItem(deps.records.db, fence, 'work', 2, { ...published, files: [file] });
    expect(await deliver(jobId, to(), { attempt: 3 })).toMatchObject({ done: true, delivered: { files: 4 } });
  });

  test('a grant that was withdrawn since ends it', async () => {
    const { jobId } = await jobOf(1);
    const config = { ...deps.config, grants: [], deliveryDirectories: [] };
    await expect(deliver(jobId, to(), { config })).rejects.toMatchObject({ code: 'target_not_granted' });
    expect(await there()).toEqual([]);
  });

  test('items that were made since are delivered by the next run', async () => {
    const { jobId, files } = await jobOf(2);
    await deliver(jobId, to());
    const { item: _, ...file } = files[0]!;
    await deps.records.sql`update job_items set state = 'pending' where job_id = ${jobId} and ordinal = 3`;
    const fence = await attemptAt(deps.records, jobId, { attempt: 2 });
    await claimItem(deps.records.db, fence, 'work', 3);
    const late = { ...file, path: '00000/late.txt' };
    await publishItem(deps.records.db, fence, 'work', 3, { ...published, files: [late] });
    expect(await deliver(jobId, to(), { attempt: 2 })).toMatchObject({ done: true, delivered: { files: 4 } });
    expect(await there()).toContain('00000/late.txt');
  });
});

describe('to a prefix', () => {
  test('of a bucket that does not exist is told as its user’s to put right', async () => {
    const { jobId } = await jobOf(1);
    await expect(deliver(jobId, 's3://nowhere-test/x/')).rejects.toMatchObject({ code: 'target_unusable' });
  });

  test('that has an object where a folder is to be is told so', async () => {
    const { jobId } = await jobOf(1);
    await theirs.putBytes('alice/some/00000', Buffer.from('x'), { contentType: 'text/plain' });
    await expect(deliver(jobId, prefix)).rejects.toMatchObject({ code: 'target_unusable' });
  });

  test('objects have their type, and tell their SHA-256', async () => {
    const { jobId, files } = await jobOf(1);
    await deliver(jobId, prefix);
    expect(await theirs.head(`alice/some/${files[0]!.path}`)).toMatchObject({
      contentType: 'text/x-item',
      metadata: { sha256: files[0]!.sha256 },
    });
  });
});

describe('to a directory', () => {
  test('files may be read by others, whatever mask the worker has', async () => {
    const { jobId, files } = await jobOf(1);
    await deliver(jobId, directory());
    const path = join(home, 'alice/out', files[0]!.path);
    expect((await stat(path)).mode & 0o777).toBe(0o644);
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o755);
  });

  test('who has the directory, or may write to it, may do the same with what lies there', async () => {
    const { jobId, files } = await jobOf(1);
    const out = join(home, 'alice/out');
    await chmod(out, 0o2775);
    // None but root may give a file away.
    if (process.geteuid?.() === 0) await chown(out, 4321, 4322);
    await deliver(jobId, directory());
    const { uid, gid, mode } = await stat(out);
    const path = join(out, files[0]!.path);
    expect(await stat(join(path, '..'))).toMatchObject({ uid, gid, mode });
    expect(await stat(path)).toMatchObject({ uid, gid });
  });

  test('what an attempt that died has left is removed; what others have there is not', async () => {
    const { jobId } = await jobOf(1);
    const folder = join(home, 'alice/out/00000');
    await mkdir(folder);
    await writeFile(join(folder, `.darkroom-${jobId}-abc-def.part`), 'half');
    await writeFile(join(folder, '.darkroom-another-abc-def.part'), 'half');
    await writeFile(join(folder, 'mine.txt'), 'mine');
    await deliver(jobId, directory());
    expect((await readdir(folder)).sort()).toEqual(['.darkroom-another-abc-def.part', 'mine.txt', 'ä 1.txt']);
  });

  describe('nothing is written through a link', () => {
    let outside: string;
    beforeEach(async () => {
      outside = join(home, 'outside');
      await rm(outside, { recursive: true, force: true });
      await mkdir(outside);
    });

    test('where the target itself is one', async () => {
      const { jobId } = await jobOf(1);
      await rm(join(home, 'alice/out'), { recursive: true });
      await symlink(outside, join(home, 'alice/out'));
      await expect(deliver(jobId, directory())).rejects.toMatchObject({ code: 'target_not_granted' });
      expect(await readdir(outside)).toEqual([]);
    });

    test('where the owner’s folder is one', async () => {
      const { jobId } = await jobOf(1);
      await mkdir(join(outside, 'out'));
      await rm(join(home, 'alice'), { recursive: true });
      await symlink(outside, join(home, 'alice'));
      await expect(deliver(jobId, directory())).rejects.toMatchObject({ code: 'target_not_granted' });
      expect(await readdir(join(outside, 'out'))).toEqual([]);
    });

    test('where a folder of a file’s path is one', async () => {
      const { jobId } = await jobOf(1);
      await symlink(outside, join(home, 'alice/out/00000'));
      await expect(deliver(jobId, directory())).rejects.toMatchObject({ code: 'target_unusable' });
      expect(await readdir(outside)).toEqual([]);
    });

    test('where a file’s own name is one: the link goes, what it names stays', async () => {
      const { jobId, files } = await jobOf(1);
      await mkdir(join(home, 'alice/out/00000'));
      await writeFile(join(outside, 'secret'), 'secret');
      const path = join(home, 'alice/out', files[0]!.path);
      await symlink(join(outside, 'secret'), path);
      await deliver(jobId, directory());
      expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
      expect(await readFile(path)).toEqual(bodyOf(1));
    });
  });

  test('no folder is replaced by a file', async () => {
    const { jobId, files } = await jobOf(1);
    const path = join(home, 'alice/out', files[0]!.path);
    await mkdir(path, { recursive: true });
    await expect(deliver(jobId, directory())).rejects.toMatchObject({
      code: 'target_unusable',
      message: expect.stringContaining('is a directory'),
    });
    expect(await readdir(join(path, '..'))).toEqual([files[0]!.path.split('/')[1]]);
  });

  test('a path that leads out is not followed', async () => {
    const { jobId } = await jobOf(1);
    await deps.records.sql`
      update job_items set files = jsonb_set(files, '{0,path}', '"../../bob.txt"') where job_id = ${jobId} and ordinal = 1`;
    await expect(deliver(jobId, directory())).rejects.toThrow('is no path of a file');
  });

  test('that is a file is told so', async () => {
    const { jobId } = await jobOf(1);
    await rm(join(home, 'alice/out'), { recursive: true });
    await writeFile(join(home, 'alice/out'), 'a file');
    await expect(deliver(jobId, directory())).rejects.toMatchObject({
      code: 'target_unusable',
      message: expect.stringContaining('is not a directory'),
    });
  });

  test('that is not there is told so', async () => {
    const { jobId } = await jobOf(1);
    await expect(deliver(jobId, `file://${home}/alice/none/`)).rejects.toMatchObject({
      code: 'target_unusable',
      message: expect.stringContaining('does not exist'),
    });
  });
});
