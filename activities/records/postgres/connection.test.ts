import { ProblemError } from '@darkroom/contract';
import { trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createReceiving, getJob, getJobRow, listKeys, openRecords, records } from '../index.ts';
import { alice, newId, receiving, startRecords, type TestRecords, toy } from '../testing.ts';

let test: TestRecords;
let uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);
beforeAll(async () => {
  process.on('uncaughtException', note);
  test = await startRecords(4);
});
afterEach(() => {
  const thrown = uncaught;
  uncaught = [];
  expect(thrown).toEqual([]);
});
afterAll(async () => {
  process.off('uncaughtException', note);
  await test.close();
});

const unavailable = (error: unknown) =>
  error instanceof ProblemError && error.code === 'records_unavailable' ? 'records_unavailable' : error;
const outcome = (work: Promise<unknown>) => work.then(() => 'done', unavailable);

/** Ends every other connection to the database, as a failover or an operator would; resolves when their backends are gone. */
async function cutConnections(url: string): Promise<void> {
  const other = openRecords({ url, pool: 1 });
  await other.sql`
    select pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;
  await other.close();
}

describe('a lost connection', () => {
  it('is not seen by reads', async () => {
    const id = await receiving(test.records);
    const reads = Array.from({ length: 8 }, () => getJob(test.records.db, id));
    await Promise.all(reads);
    await cutConnections(test.url);
    const again = await Promise.all(Array.from({ length: 8 }, () => getJob(test.records.db, id)));
    expect(again.map((found) => found?.job.id)).toEqual(Array.from({ length: 8 }, () => id));
  });

  it('under a running statement of a transaction ends the transaction, and nothing of it stays', async () => {
    const { db } = test.records;
    const id = newId();
    const work = records(() =>
      db.transaction(async (tx) => {
        await createReceiving(tx, { id, kind: toy, caller: alice, input: {} });
        await tx.execute(sql`select pg_sleep(5)`);
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    // Waited for: it would be among the connections that the next test cuts.
    const [ended] = await Promise.all([outcome(work), cutConnections(test.url)]);
    expect(ended).toBe('records_unavailable');
    expect(await getJobRow(db, id)).toBeUndefined();
  });

  it('between two statements of a transaction: the second one does not run outside it', async () => {
    const { db } = test.records;
    const [first, second] = [newId(), newId()];
    let goneOn: Promise<unknown> = Promise.resolve();
    const work = records(() =>
      db.transaction(async (tx) => {
        await createReceiving(tx, { id: first, kind: toy, caller: alice, input: {} });
        await cutConnections(test.url);
        // Others take the pool's connections again meanwhile. A read is repeated once only, and may meet two that are lost.
        await Promise.all(Array.from({ length: 8 }, () => outcome(getJobRow(db, first))));
        goneOn = createReceiving(tx, { id: second, kind: toy, caller: alice, input: {} });
        await goneOn;
      }),
    );
    expect(await outcome(work)).toBe('records_unavailable');
    await expect.poll(() => outcome(goneOn)).toBe('records_unavailable');
    expect(await getJobRow(db, first)).toBeUndefined();
    expect(await getJobRow(db, second)).toBeUndefined();
    expect(await outcome(receiving(test.records))).toBe('done');
  });
});

describe('the pool', () => {
  it('stays whole: after many cuts under load every connection works again', async () => {
    const { db } = test.records;
    for (let round = 0; round < 5; round++) {
      const load = Array.from({ length: 12 }, (_, i) =>
        outcome(
          records(() =>
            db.transaction(async (tx) => tx.execute(sql`select pg_sleep(${i % 2 === 0 ? 0.2 : 0.001})`)),
          ),
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
      await cutConnections(test.url);
      expect(['done', 'records_unavailable']).toEqual(expect.arrayContaining(await Promise.all(load)));
    }
    // Each holds its connection until all have theirs.
    let begun = 0;
    const all = Promise.withResolvers<void>();
    const together = Array.from({ length: 4 }, () =>
      db.transaction(async (tx) => {
        await tx.execute(sql`select 1`);
        if (++begun === 4) all.resolve();
        await all.promise;
      }),
    );
    await Promise.all(together);
    expect(begun).toBe(4);
  });
});

describe('Postgres away', () => {
  it('is told at once when nothing listens, and is over as soon as it is back', async () => {
    const { records: ours, postgres } = test;
    await ours.ping();
    await postgres.kill();
    const before = Date.now();
    const asked = await Promise.all([
      outcome(ours.ping()),
      outcome(getJob(ours.db, 'x')),
      outcome(receiving(ours)),
      outcome(
        ours.db
          .transaction(async (tx) => getJobRow(tx, 'x'))
          .catch((error) => records(() => Promise.reject(error))),
      ),
    ]);
    expect(asked).toEqual(Array.from({ length: 4 }, () => 'records_unavailable'));
    expect(Date.now() - before).toBeLessThan(2000);
    await postgres.restart();
    expect(await outcome(receiving(ours))).toBe('done');
  });

  it('that accepts connections and stays silent ends in seconds', async () => {
    const fresh = openRecords({ url: test.url, pool: 1 });
    process.kill(test.postgres.pid, 'SIGSTOP');
    try {
      const before = Date.now();
      expect(await outcome(fresh.ping())).toBe('records_unavailable');
      expect(Date.now() - before).toBeLessThan(6000);
    } finally {
      process.kill(test.postgres.pid, 'SIGCONT');
      await fresh.close();
    }
  }, 15_000);

  it('is not confused with an error of the query, whose values are not told', async () => {
    const error = await records(() => test.records.db.execute(sql`select ${'a secret'}::int`)).catch(
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code: '22P02' });
    expect(Object.keys(error)).not.toContain('parameters');
  });
});

describe('listen', () => {
  it('hears what is sent, and again after its connection was cut', async () => {
    const heard: string[] = [];
    let listening = 0;
    const ear = await test.records.listen(
      'try',
      (payload) => heard.push(payload),
      () => {
        listening++;
      },
    );
    await test.records.sql`select pg_notify('try', 'one')`;
    await expect.poll(() => heard).toEqual(['one']);
    await cutConnections(test.url);
    await expect.poll(() => listening).toBe(2);
    await test.records.sql`select pg_notify('try', 'two')`;
    await expect.poll(() => heard).toEqual(['one', 'two']);
    await ear.unlisten();
    await test.records.sql`select pg_notify('try', 'three')`;
    await test.records.ping();
    expect(heard).toEqual(['one', 'two']);
  });

  it('hears again after Postgres was away for a while', async () => {
    const heard: string[] = [];
    let listening = 0;
    await test.records.listen(
      'outage',
      (payload) => heard.push(payload),
      () => {
        listening++;
      },
    );
    await test.postgres.kill();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await test.postgres.restart();
    await expect.poll(() => listening, { timeout: 5000 }).toBeGreaterThan(1);
    await test.records.sql`select pg_notify('outage', 'back')`;
    await expect.poll(() => heard).toEqual(['back']);
  });
});

describe('spans', () => {
  it('are one per query within a trace, with the text and without values', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    provider.register({ contextManager: new AsyncLocalStorageContextManager() });
    try {
      const id = 'the-id';
      await trace.getTracer('test').startActiveSpan('request', async (span) => {
        await getJobRow(test.records.db, id);
        await records(() => test.records.db.execute(sql`select ${'x'}::int`)).catch(() => {});
        span.end();
      });
      await listKeys(test.records.db);
      const spans = exporter.getFinishedSpans();
      const request = spans.find(({ name }) => name === 'request');
      const queries = spans.filter(({ name }) => name === 'SQL SELECT');
      expect(spans).toHaveLength(3);
      expect(queries.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
        Array.from({ length: 2 }, () => request?.spanContext().spanId),
      );
      expect(queries.map(({ status }) => status.message)).toEqual([undefined, '22P02']);
      expect(String(queries[0]?.attributes['db.statement'])).toContain('where "jobs"."id" = $1');
      expect(JSON.stringify(queries.map(({ attributes }) => attributes))).not.toContain(id);
    } finally {
      await provider.shutdown();
      trace.disable();
    }
  });
});
