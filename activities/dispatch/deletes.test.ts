import { setTimeout as sleep } from 'node:timers/promises';
import { photoKind } from '@darkroom/contract';
import { createLogger, loadConfig } from '@darkroom/platform';
import {
  type Caller,
  completeUpload,
  createUpload,
  getJobRow,
  getUpload,
  openRecords,
  type Records,
  useUpload,
} from '@darkroom/records';
import { createStorage, type Storage } from '@darkroom/storage';
import { alone } from '@darkroom/storage/testing.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshDatabase, startPostgres, type TestPostgres } from '../../test/harness/postgres.ts';
import { startS3, type TestS3 } from '../../test/harness/s3.ts';
import type { Engine } from './engine/engine.ts';
import { createDispatch, type Dispatch, fingerprintOf } from './index.ts';

/** Somebody is about to delete, and is held up; what is decided otherwise meanwhile holds, and nothing of it is deleted. */

const kinds = { photo: photoKind };
const ada: Caller = { owner: 'ada', group: null, role: 'user', priority: 2 };
const json = { contentType: 'application/json' };
const engine: Engine = {
  units: { start: async () => {}, describe: async () => 'absent', cancel: async () => {} },
  start: async () => {},
  cancel: async () => {},
  describe: async () => ({ state: 'running', waitsIn: [] }),
  isServed: async () => true,
  startRemoval: async () => {},
  ping: async () => 1,
  ensure: async () => {},
  close: async () => {},
};

let postgres: TestPostgres;
let s3: TestS3;
let records: Records;
let storage: Storage;
let dispatch: Dispatch;
/** The same as a process that has just started: its sweep begins its rounds. */
let started: () => Dispatch;
/** What is done in the place of each removal of a prefix, before it; throws to have it fail. */
let meanwhile: (prefix: string) => Promise<void>;

beforeAll(async () => {
  [postgres, s3] = await Promise.all([startPostgres(), startS3()]);
  records = openRecords({ url: await freshDatabase(postgres.url) });
  storage = createStorage({ ...s3, forcePathStyle: true });
  const heldUp: Storage = {
    ...storage,
    async removePrefix(prefix, options) {
      await meanwhile(prefix);
      return storage.removePrefix(prefix, options);
    },
  };
  const config = loadConfig({ DATABASE_URL: postgres.url, S3_ENDPOINT: s3.endpoint });
  const logger = createLogger({ service: 'test', level: 'fatal' });
  started = () => createDispatch({ records, storage: heldUp, config, logger, engine, kinds });
  dispatch = started();
});

afterAll(async () => {
  await records?.close();
  storage?.close();
  await Promise.all([postgres?.stop(), s3?.stop()]);
});

beforeEach(() => {
  meanwhile = async () => {};
});

const submission = {
  input: { scoreThreshold: 0.4 },
  fingerprint: fingerprintOf({}),
  stage: 'recognise',
  items: [
    { key: '1', input: { uri: 's3://darkroom-test/uploads/a.jpg', etag: 'e', bytes: 1, filename: 'a.jpg' } },
  ],
};
const receive = async (): Promise<string> => {
  const { id } = await dispatch.receive('photo', ada, { input: {} });
  await put(`input-files/${id}/a.jpg`);
  return id;
};
const put = (key: string) => storage.putBytes(key, Buffer.from('{}'), json);
const there = (key: string): Promise<boolean> =>
  storage.head(key).then(
    () => true,
    () => false,
  );
/** A job that failed, and whose results are past their retention. */
const overdue = async (): Promise<string> => {
  const { jobId } = await dispatch.submit('photo', ada, submission);
  await put(`recognition-results/${jobId}/1_result.json`);
  await records.sql`
    update jobs set state = 'failed', finished_at = now(), results_expire_at = now() - interval '1 minute'
    where id = ${jobId}`;
  return jobId;
};

describe('a job that is taken back while it is received', () => {
  test('cannot be submitted any more once its inputs are about to go', async () => {
    const id = await receive();
    let late: unknown;
    meanwhile = async () => {
      late = await dispatch.commit('photo', id, submission).catch((error: unknown) => error);
    };
    await dispatch.abandon(id);
    expect(late).toMatchObject({ code: 'conflict' });
    expect(await getJobRow(records.db, id)).toBeUndefined();
    expect(await there(`input-files/${id}/a.jpg`)).toBe(false);
  });

  test('stays what it is once it was submitted', async () => {
    const id = await receive();
    await dispatch.commit('photo', id, submission);
    await dispatch.abandon(id);
    expect(await getJobRow(records.db, id)).toMatchObject({ state: 'queued' });
    expect(await there(`input-files/${id}/a.jpg`)).toBe(true);
  });

  test.each(['before its objects went', 'before its row went'])(
    'is taken up by the sweep where a death came %s',
    async (when) => {
      const id = await receive();
      const died = new Error('died');
      meanwhile = async () => {
        if (when.includes('row')) await storage.removePrefix(`input-files/${id}/`, alone);
        throw died;
      };
      await expect(dispatch.abandon(id)).rejects.toBe(died);
      await expect(dispatch.commit('photo', id, submission)).rejects.toMatchObject({ code: 'conflict' });
      meanwhile = async () => {};
      expect(await dispatch.sweepOnce()).toMatchObject({ abandoned: 0, removals: 0 });
      await records.sql`
        update jobs set delete_requested_at = now() - interval '2 minutes' where id = ${id}`;
      expect(await dispatch.sweepOnce()).toMatchObject({ abandoned: 1, removals: 0 });
      expect(await getJobRow(records.db, id)).toBeUndefined();
      expect(await there(`input-files/${id}/a.jpg`)).toBe(false);
    },
  );
});

describe('results past their retention', () => {
  test('are not removed from under a job that was resumed first', async () => {
    // The sweep goes in the order of ids. It has found both, and is held up in the first.
    const before = await overdue();
    const id = await overdue();
    meanwhile = async (prefix) => {
      if (prefix.includes(before)) await dispatch.resume(id);
    };
    await dispatch.sweepOnce();
    expect(await getJobRow(records.db, id)).toMatchObject({
      state: 'queued',
      run: 2,
      resultsRemovedAt: null,
    });
    expect(await there(`recognition-results/${id}/1_result.json`)).toBe(true);
    expect(await there(`recognition-results/${before}/1_result.json`)).toBe(false);
  });

  test('are nobody’s to resume once they are about to go', async () => {
    const id = await overdue();
    let late: unknown;
    meanwhile = async (prefix) => {
      if (prefix.includes(id)) late = await dispatch.resume(id).catch((error: unknown) => error);
    };
    await dispatch.sweepOnce();
    expect(late).toMatchObject({ code: 'conflict' });
    expect(await there(`recognition-results/${id}/1_result.json`)).toBe(false);
    expect((await getJobRow(records.db, id))?.resultsPurgedAt).toBeInstanceOf(Date);
  });

  test('that a sweep did not get to the end with are the next one’s', async () => {
    const id = await overdue();
    meanwhile = async () => {
      throw new Error('died');
    };
    expect(await dispatch.sweepOnce()).toMatchObject({ expired: 0 });
    expect((await getJobRow(records.db, id))?.resultsRemovedAt).toBeInstanceOf(Date);
    meanwhile = async () => {};
    expect(await dispatch.sweepOnce()).toMatchObject({ expired: 1 });
    expect(await there(`recognition-results/${id}/1_result.json`)).toBe(false);
    expect(await dispatch.sweepOnce()).toMatchObject({ expired: 0 });
  });
});

describe('the objects of a job', () => {
  test('that the ledger knows go before anything is listed, the rest with the listing; what was delivered elsewhere stays', async () => {
    const { jobId } = await dispatch.submit('photo', ada, submission);
    const home = `recognition-results/${jobId}/`;
    const keys = {
      known: `${home}1_result.json`,
      unknown: `${home}stray.json`,
      delivered: `ada/${jobId}.json`,
    };
    for (const key of Object.values(keys)) await put(key);
    const files = [keys.known, keys.delivered].map((key) => ({ uri: `s3://${storage.bucket}/${key}` }));
    await records.sql`
      update job_items set state = 'succeeded', files = ${JSON.stringify(files)}::jsonb where job_id = ${jobId}`;
    await records.sql`update jobs set delete_requested_at = now() where id = ${jobId}`;
    const beforeListing = new Map<string, boolean>();
    meanwhile = async (prefix) => {
      if (prefix !== home) return;
      for (const key of [keys.known, keys.unknown]) beforeListing.set(key, await there(key));
    };
    await dispatch.removal.removeObjects(jobId);
    expect(beforeListing).toEqual(
      new Map([
        [keys.known, false],
        [keys.unknown, true],
      ]),
    );
    expect(await there(keys.unknown)).toBe(false);
    expect(await there(keys.delivered)).toBe(true);
  });
});

describe('removals of objects', () => {
  /** A job that is to be deleted, with so many items in the ledger, the last of which has its object. */
  async function doomed(items: number): Promise<{ jobId: string; key: string }> {
    const { jobId } = await dispatch.submit('photo', ada, submission);
    const home = `recognition-results/${jobId}/`;
    await records.sql`
      insert into job_items (job_id, stage, ordinal, key, input, state, files)
      select ${jobId}, 'recognise', n, n, '{}', 'succeeded', jsonb_build_array(jsonb_build_object('uri', ${`s3://${storage.bucket}/${home}`} || n))
      from generate_series(2, ${items}::int) as n`;
    await records.sql`update jobs set delete_requested_at = now() where id = ${jobId}`;
    const key = `${home}${items}`;
    await put(key);
    return { jobId, key };
  }

  test('stop when their turn is over, and go on from there', async () => {
    const { jobId, key } = await doomed(1200);
    const listed: string[] = [];
    meanwhile = async (prefix) => void listed.push(prefix);
    const places: unknown[] = [];
    let step = await dispatch.removal.removeSome(jobId, { ms: 0 });
    while (step.state === 'stopped') {
      places.push(step.after.ordinal);
      expect(listed).toEqual([]);
      step = await dispatch.removal.removeSome(jobId, { after: step.after, ms: 0 });
    }
    expect(step).toEqual({ state: 'done' });
    expect(places).toEqual([501, 1001, 1200]);
    expect(listed[0]).toBe(`recognition-results/${jobId}/`);
    expect(await there(key)).toBe(false);
  });

  test('are a few at a time, of large jobs fewer: the others wait outside of the process', async () => {
    const jobs = await Promise.all(Array.from({ length: 9 }, () => doomed(2)));
    const goOn = Promise.withResolvers<void>();
    let held = 0;
    meanwhile = async () => {
      held++;
      await goOn.promise;
    };
    const begin = async (from: number, to: number, after?: { stage: string; ordinal: number }) => {
      const removals = jobs.slice(from, to).map(({ jobId }) => dispatch.removal.removeSome(jobId, { after }));
      while (held < to) await sleep(10);
      return removals;
    };
    const last = jobs[8]!;
    const place = { stage: 'recognise', ordinal: 1 };
    const large = await begin(0, 2, place);
    expect(await dispatch.removal.removeSome(last.jobId, { after: place })).toEqual({ state: 'waits' });
    const small = await begin(2, 8);
    expect(await dispatch.removal.removeSome(last.jobId, {})).toEqual({ state: 'waits' });
    expect(await there(last.key)).toBe(true);
    goOn.resolve();
    expect(await Promise.all([...large, ...small])).toEqual(Array(8).fill({ state: 'done' }));
    expect(await dispatch.removal.removeSome(last.jobId, {})).toEqual({ state: 'done' });
    expect(await there(last.key)).toBe(false);
  });
});

describe('the uploads of a job', () => {
  test('outlive it for a repetition that is made before they go, in each batch', async () => {
    const id = await receive();
    await dispatch.commit('photo', id, submission);
    await dispatch.remove(id);
    // A repetition of a repetition: its source has been deleted, what it repeats has not.
    const other = await dispatch.submit('photo', ada, submission);
    await records.sql`update jobs set source_job_id = ${id} where id = ${other.jobId}`;
    await records.sql`update jobs set delete_requested_at = now() where id = ${other.jobId}`;
    meanwhile = async (prefix) => {
      if (!prefix.startsWith('input-files')) return;
      await records.sql`update jobs set delete_requested_at = null where id = ${other.jobId}`;
    };
    await expect(dispatch.removal.removeObjects(id)).rejects.toMatchObject({ name: 'Fenced' });
    expect(await there(`input-files/${id}/a.jpg`)).toBe(true);
  });
});

describe('objects that no job owns', () => {
  test('stay for a job that is made from them before they go, which holds up no other', async () => {
    const [needed, orphan] = [1, 2].map((n) => `0190a000-0000-7000-8000-${String(n).padStart(12, '0')}`);
    for (const id of [needed, orphan]) await put(`input-files/${id}/a.jpg`);
    const { jobId } = await dispatch.submit('photo', ada, submission);
    meanwhile = async (prefix) => {
      if (prefix.includes(needed!))
        await records.sql`update jobs set source_job_id = ${needed} where id = ${jobId}`;
    };
    expect(await started().sweepOnce()).toMatchObject({ orphans: 1 });
    expect([await there(`input-files/${needed}/a.jpg`), await there(`input-files/${orphan}/a.jpg`)]).toEqual([
      true,
      false,
    ]);
  });
});

describe('a direct upload', () => {
  const before = (days: number) => new Date(Date.now() - days * 24 * 3_600_000);
  async function complete(id: string): Promise<string> {
    const key = `uploads/ada/${id}/a.jpg`;
    const row = { id, owner: 'ada', filename: 'a.jpg', key, bytes: 2, partBytes: 5e6 };
    await createUpload(records.db, row, 100);
    await completeUpload(records.db, id, 'etag');
    await put(key);
    return key;
  }

  test('that a job uses while the sweep is about to forget it stays used, and nothing is removed that the job may read', async () => {
    const key = await complete('forgotten');
    await records.sql`update uploads set created_at = ${before(4)} where id = 'forgotten'`;
    const using = Promise.withResolvers<void>();
    const decide = Promise.withResolvers<void>();
    const submit = records.db.transaction(async (tx) => {
      expect(await useUpload(tx, 'forgotten')).toBe(true);
      using.resolve();
      await decide.promise;
      return there(key);
    });
    await using.promise;
    const sweep = dispatch.sweepOnce();
    await untilBlocked(records);
    decide.resolve();
    expect(await submit).toBe(true);
    expect(await sweep).toMatchObject({ uploads: 1 });
    expect(await getUpload(records.db, 'forgotten')).toMatchObject({ state: 'used' });
    expect(await there(key)).toBe(false);
    expect(await dispatch.sweepOnce()).toMatchObject({ uploads: 0 });
  });

  test('cannot be used once it is taken back, also while its objects are still there', async () => {
    const key = await complete('taken');
    meanwhile = async (prefix) => {
      if (!prefix.startsWith('uploads/')) return;
      expect(await useUpload(records.db, 'taken')).toBe(false);
      throw new Error('the store is away');
    };
    await expect(dispatch.uploads.remove('taken')).rejects.toThrow('the store is away');
    expect(await there(key)).toBe(true);
    meanwhile = async () => {};
    // Young as it is, what was taken back is not forgotten.
    expect(await dispatch.sweepOnce()).toMatchObject({ uploads: 1 });
    expect(await there(key)).toBe(false);
  });

  test('whose user died before its object went is emptied, and no other', async () => {
    const [used, open] = [await complete('used'), await complete('open')];
    await useUpload(records.db, 'used');
    expect(await dispatch.sweepOnce()).toMatchObject({ uploads: 1 });
    expect([await there(used), await there(open)]).toEqual([false, true]);
  });
});

/** Resolves when some statement waits for a lock. */
async function untilBlocked({ sql }: Records): Promise<void> {
  for (;;) {
    const [row] = await sql`select count(*)::int as waiting from pg_locks where not granted`;
    if (row?.waiting > 0) return;
    await sleep(20);
  }
}

describe('what a job is made from', () => {
  const inputsOf = (id: string): string => `s3://${storage.bucket}/input-files/${id}/a.jpg`;

  test('are the inputs of one job of the same owner at most, whose removal waits for it', async () => {
    const { jobId: first } = await dispatch.submit('photo', ada, submission);
    const { jobId: second } = await dispatch.submit('photo', ada, submission);
    const { jobId: others } = await dispatch.submit('photo', { ...ada, owner: 'bo' }, submission);
    const elsewhere = `s3://${storage.bucket}/samples/a.jpg`;
    expect(await dispatch.sourceJobOf('ada', [inputsOf(first), inputsOf(first), elsewhere])).toBe(first);
    // Whoever removes a task removes its inputs, whatever others were granted.
    expect(await dispatch.sourceJobOf('ada', [inputsOf(others), elsewhere])).toBeUndefined();
    await expect(dispatch.sourceJobOf('ada', [inputsOf(first), inputsOf(second)])).rejects.toMatchObject({
      code: 'validation_failed',
    });
    await dispatch.remove(second);
    expect(await dispatch.sourceJobOf('ada', [inputsOf(first), inputsOf(second)])).toBe(first);
  });
});
