/**
 * One user's misdeeds and another user's wait: `npm run bench -- abuse`. 100 clients with one key do what is forbidden; another key's get
 * and submit are timed alone and beside them, with the limits as shipped. Then files that harm whoever decodes them, beside photos.
 */
import { parseArgs } from 'node:util';
import { shippedLimits, type TestStack } from '../harness/stack.ts';
import { measureClients } from './abuse/clients.ts';
import { measureFiles } from './abuse/files.ts';
import { gather, say } from './measure/report.ts';
import { startBenchStack } from './measure/stack.ts';

const help = `npm run bench -- abuse [options]

A quarter of the clients each: uploads that stop half-way; archives read at 1 KiB a second; event streams and logs that are not read;
and requests by the clock (lists, results, uploads that stay open, guessed keys). Another key sends gets and submits meanwhile.

  --seconds N     of abuse, and of the other key alone before it (120)
  --clients N     clients in all (100)
  --requests N    requests a second in all (500)
  --keys N        keys that the clients share (1)

Then photos of one user, alone and beside hostile files of another one: damaged, forged, small files of 100 megapixels, and files that end
the process that decodes them (by a failpoint). The worker must live on.

  --photos N      of the one user (200)
  --files N       of the other (300)
  --jobs N        that these are sent in (1)
  --pairs N       alone and beside them, by turns (3)

  --only WHAT     clients or files alone`;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    clients: { type: 'string', default: '100' },
    requests: { type: 'string', default: '500' },
    keys: { type: 'string', default: '1' },
    photos: { type: 'string', default: '200' },
    files: { type: 'string', default: '300' },
    jobs: { type: 'string', default: '1' },
    pairs: { type: 'string', default: '3' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { wanted, add, report } = gather('abuse', options);
  const ofClients = {
    seconds: Number(options.seconds),
    clients: Number(options.clients),
    requests: Number(options.requests),
    keysShared: Number(options.keys),
  };
  const ofFiles = {
    photos: Number(options.photos),
    files: Number(options.files),
    jobs: Number(options.jobs),
    pairs: Number(options.pairs),
  };
  const parts = {
    clients: (stack: TestStack) => measureClients(stack, ofClients),
    files: (stack: TestStack) => measureFiles(stack, ofFiles),
  };
  for (const [name, measure] of Object.entries(parts)) {
    if (!wanted(name)) continue;
    say('starting Postgres, S3 and Temporal');
    const stack = await startBenchStack(`bench-abuse-${name}`, shippedLimits);
    try {
      add(name, await measure(stack));
    } finally {
      await stack.close();
    }
  }
  await report();
}
