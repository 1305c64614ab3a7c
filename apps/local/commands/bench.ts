import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from '../cli.ts';
import { repository } from '../home/layout.ts';
import { SetupError } from '../terminal.ts';

const folder = join(repository, 'test', 'bench');

/** `npm run bench -- NAME`: hands over to test/bench/NAME.ts. */
export const bench: Command = {
  help: `npm run bench -- NAME [options]

  photo     a task of 200 photos and single photos against a bare process; the API alone at 50 clients
  video     ten minutes of 1080p against ffmpeg's own pass and bare inference; memory
  predict   predictions against bare Hono, FastAPI with an insert, and LitServe, at 1, 16 and 64 clients
  predict-faults
            predictions while workers, lanes and APIs die or are restarted: own answers, failed requests, kill to answer
  predict-overload
            three times as many predictions as can be made: what is made, what is refused, and how soon
  predict-lists
            lists of predictions among ten million
  models    switches between versions of a model under load; memory over loads and unloads; killed lanes
  engine    the smallest durable runs by way and store; small jobs and what each costs
  delete    200 deletes at once of running jobs while another user sends photos
  items     jobs of 100,000 small items: rate, reads, memory, archive, delete
  abuse     100 clients that do what is forbidden, and another user's wait; 300 hostile files beside another user's photos
  predict-beside  real-time predictions alone and beside a batch of 5000 pictures
  lanes     what it costs to open a lane: time, processor time, memory
  scenes    scenes against PySceneDetect's AdaptiveDetector, in sixteen kinds of films
  cutouts   stamps out of survey tiles against astropy over fsspec and fitsio; what one stamp reads; requests to an API with one worker
  cutout-jobs
            cutouts by the ten thousand as one job, against Cutana; requests beside it; estimates; packs
  fast      mode=fast against PySceneDetect, in films as archives have them

Each tells its options with --help, as in: npm run bench -- photo --help`,
  async run([name, ...args]) {
    const script = join(folder, `${name}.ts`);
    if (!name || !/^[\w-]+$/.test(name) || !existsSync(script)) {
      throw new SetupError(
        `Give the name of a benchmark: ${(await benchmarks()).join(', ') || 'there are none yet'}.`,
      );
    }
    const child = spawn(process.execPath, [script, ...args], { cwd: repository, stdio: 'inherit' });
    // The terminal's Ctrl-C reaches the benchmark too, which ends by itself.
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    return new Promise((done, fail) => {
      child.on('error', fail);
      child.on('exit', (code) => done(code ?? 1));
    });
  },
};

async function benchmarks(): Promise<string[]> {
  const files = existsSync(folder) ? await readdir(folder) : [];
  return files.filter((file) => /^[\w-]+\.ts$/.test(file)).map((file) => file.replace(/\.ts$/, ''));
}
