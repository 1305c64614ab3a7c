/** A table full of jobs, in the shape in which they come to lie there, written in a few statements. */
import { photoKind } from '@darkroom/contract';
import pg from 'pg';

/**
 * Writes `count` jobs that have succeeded, one a minute into the past: half of them `owner`'s, the rest of 49 others. Each with
 * its stages, an item, its task and its last events. Returns ids of `owner`'s jobs, spread evenly over the table.
 */
export async function seedJobs(url: string, owner: string, count: number): Promise<string[]> {
  // The platform's own connections cut off statements of this size.
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const stages = JSON.stringify(photoKind.stages);
  try {
    for (let from = 1; from <= count; from += rowsPerStatement) {
      const to = Math.min(count, from + rowsPerStatement - 1);
      await client.query(insertJobs, [owner, from, to, stages]);
    }
    await client.query('vacuum analyze');
    const { rows } = await client.query<{ id: string }>(spreadIds, [
      owner,
      Math.max(1, Math.floor(count / 2 / idsReturned)),
    ]);
    return rows.map(({ id }) => id);
  } finally {
    await client.end();
  }
}

const rowsPerStatement = 5_000;
const idsReturned = 500;

const spreadIds = `
  select id from (select id, row_number() over (order by id) as place from jobs where owner = $1) as mine
  where place % $2::int = 0`;

/** $1 owner, $2 first and $3 last number, $4 stages of the kind. Ids are UUIDv7 of the time of creation. */
const insertJobs = `
  with made as (
    insert into jobs (id, kind, state, owner, role, priority, input, pinned, run, claims, version, dispatched, result,
                      fingerprint, created_at, updated_at, started_at, finished_at)
    select substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-7' || substr(digest, 1, 3) || '-8' || substr(digest, 4, 3)
             || '-' || substr(digest, 7, 12),
           'photo', 'succeeded', case when n % 2 = 0 then $1 else 'owner-' || n % 49 end, 'user', 3,
           '{"model": "default", "scoreThreshold": 0.4, "labels": [], "annotate": true}'::jsonb,
           '{"model": {"name": "ssdlite", "version": "1", "digest": "0"}}'::jsonb, 1, 2, 6, true,
           '{"labels": [{"label": "cat", "count": 1, "bestScore": 0.9}], "files": 4}'::jsonb,
           md5(n::text), at, at + interval '1 second', at, at + interval '1 second'
    from (select n, now() - n * interval '1 minute' as at, md5('job ' || n) as digest,
                 lpad(to_hex((extract(epoch from now() - n * interval '1 minute') * 1000)::bigint), 12, '0') as hex
          from generate_series($2::int, $3::int) as n) as numbers
    returning id, owner, created_at
  ), staged as (
    insert into job_stages (job_id, name, ordinal, unit, weight, state, done, total, work_ms, attempts, started_at, finished_at)
    select id, stage ->> 'name', ordinal - 1, stage ->> 'unit', (stage ->> 'weight')::real, 'succeeded', 1, 1, 100, 1,
           created_at, created_at + interval '1 second'
    from made, jsonb_array_elements($4::jsonb) with ordinality as stages (stage, ordinal)
  ), itemised as (
    insert into job_items (job_id, stage, ordinal, key, input, input_digest, state, reached, counted, run, claim, attempt, result_uri, sha256, bytes)
    select id, 'recognise', 1, '1/photo.jpg',
           jsonb_build_object('uri', 's3://darkroom/input-files/' || id || '/photo.jpg', 'etag', md5(id), 'bytes', 300000, 'filename', 'photo.jpg'),
           md5(id), 'succeeded', 4, 4, 1, 1, 1, 's3://darkroom/recognition-results/' || id || '/1_result.json', md5(id), 500
    from made
  ), tasked as (
    insert into tasks (job_id, media, segments, model_name, model_version, model_digest, score_threshold)
    select id, 'photo', 1, 'ssdlite', '1', '0', 0.4 from made
  )
  insert into job_events (job_id, id, type, data, at)
  select id, n, 'state', '{"state": "succeeded", "run": 1}'::jsonb, created_at from made, generate_series(1, 6) as n`;
