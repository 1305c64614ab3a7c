/**
 * What the engine costs: `npm run bench -- engine`. The smallest durable runs, by how they are run and how the server keeps them; then
 * jobs of one photo each on the whole platform, and another user's photo beside them.
 */
import { parseArgs } from 'node:util';
import { measureSmallJobs } from './engine/jobs.ts';
import { measureRuns } from './engine/runs.ts';
import { gather, say } from './measure/report.ts';
import { startBenchStack, storePhotos } from './measure/stack.ts';

const help = `npm run bench -- engine [options]

Runs a second and p50 alone of a workflow with an activity, one with a local activity, and a standalone activity, with the
store of the development server as shipped, in WAL mode with synchronous=full, and with synchronous=normal. Then jobs of one
photo each of one user: jobs a second, and the processor time a job; and another user's photo beside a crowd of them.

  --rounds N    rounds of each measurement (2)
  --seconds N   seconds of load of each way on each store in a round (4)
  --jobs N      jobs of one photo each (200); 0: none
  --crowd N     jobs beside which another user's photo is timed (300); 0: none
  --only WHAT   runs or jobs alone`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '4' },
    jobs: { type: 'string', default: '200' },
    crowd: { type: 'string', default: '300' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const rounds = Number(options.rounds);
  const { wanted, add, report } = gather('engine', options);
  if (wanted('runs')) {
    say('starting a server for each way to keep the store');
    add('runs', await measureRuns({ rounds, seconds: Number(options.seconds) }));
  }
  if (wanted('jobs')) {
    say('starting Postgres, S3 and Temporal');
    const stack = await startBenchStack('bench');
    try {
      const photos = 50;
      await storePhotos(stack, photos);
      const [jobs, crowd] = [Number(options.jobs), Number(options.crowd)];
      add('jobs', await measureSmallJobs(stack, { jobs, crowd, rounds, photos }));
    } finally {
      await stack.close();
    }
  }
  await report();
}
