/**
 * Cutouts as jobs: `npm run bench -- cutout-jobs`. A list of thousands of positions end to end, against Cutana over the same rows; what somebody
 * waits for meanwhile; how good the estimates are; packs against one object each.
 */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBeside } from './cutout-jobs/beside.ts';
import { measureEstimates } from './cutout-jobs/estimates.ts';
import { measureFairness } from './cutout-jobs/fair.ts';
import { type House, openHouse } from './cutout-jobs/house.ts';
import { measurePacks } from './cutout-jobs/pack.ts';
import { measurePeer, type PeerRun } from './cutout-jobs/peer.ts';
import { theBand } from './cutout-jobs/sky.ts';
import { measureRows, type Whole } from './cutout-jobs/whole.ts';
import { bands } from './cutouts/tiles.ts';
import { type Figure, gather, type Measured, say } from './measure/report.ts';

const help = `npm run bench -- cutout-jobs [options]

  --rows N         rows of the job (10000)
  --per-tile N     rows of each tile (500)
  --size N         pixels of a tile's side (10000)
  --stamp N        pixels of a cutout's side (228: 1 arcmin of 0.263" pixels)
  --workers N      processes of Cutana (2)
  --per-process A,B  rows that each process of Cutana gets, a run each (half of the rows, and 1000)
  --requests N     for single cutouts beside a job, of each format (300)
  --beside-rows N  rows of that job, enough to last as long (20000)
  --jobs N         of mixed sizes, that estimates are learnt from (200)
  --more N         behind them, whose estimates are measured (50)
  --pack-stamp N   pixels of a side of small cutouts, for packs (64)
  --only A,B       of rows, peer, beside, fair, estimates, pack

rows: one job end to end, by stages, with memory and processor time. peer: Cutana over the same rows and tiles, as local files; its pixels
are compared with ours. beside: requests of one client, alone and beside a job. fair: one user's 10 rows beside another's many. estimates: what
jobs took against what they were estimated at. pack: small files as packs against one object each.

At most 20 distinct tiles are made, once, 62 MB each of 10,000 pixels, and kept in .darkroom/bench-tiles; of more than 20 some have equal pixels. Cutana is
left out where there is no Python of 3.11 or later, or no PyPI.`;

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000' },
    'per-tile': { type: 'string', default: '500' },
    size: { type: 'string', default: '10000' },
    stamp: { type: 'string', default: '228' },
    workers: { type: 'string', default: '2' },
    'per-process': { type: 'string' },
    requests: { type: 'string', default: '300' },
    'beside-rows': { type: 'string', default: '20000' },
    jobs: { type: 'string', default: '200' },
    more: { type: 'string', default: '50' },
    'pack-stamp': { type: 'string', default: '64' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [rows, size, stamp] = [options.rows, options.size, options.stamp].map(Number) as [
  number,
  number,
  number,
];
const tiles = Math.ceil(rows / Number(options['per-tile']));
/** Of each band, where pictures of three bands are asked for. */
const placesOfThree = 6;
const mib = 2 ** 20;

if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const gathered = gather('cutout-jobs', options);
  // What was measured is told, also where a later part came to grief.
  try {
    await measure(gathered);
  } finally {
    await gathered.report();
  }
}

async function measure({ wanted, add }: ReturnType<typeof gather>): Promise<void> {
  const spec = { rows, tiles, size, stamp };
  let whole: Whole | undefined;
  if (wanted('rows')) {
    const measured = await inHouse([theBand], tiles, (house) => measureRows(house, spec));
    add('rows', measured);
    ({ whole } = measured);
  }
  if (wanted('peer')) {
    const workers = Number(options.workers);
    const perProcess = options['per-process']?.split(',').map(Number) ?? [Math.ceil(rows / workers), 1000];
    const measured = await measurePeer({ ...spec, workers, perProcess, made });
    if (measured)
      add('peer', { ...measured, figures: [...measured.figures, ...ratios(whole, measured.runs)] });
  }
  if (wanted('beside')) {
    const counts = { rows: Number(options['beside-rows']), requests: Number(options.requests) };
    const measured = await inHouse(bands, placesOfThree, (house) =>
      measureBeside(house, { ...spec, ...counts, tiles: placesOfThree }),
    );
    add('beside', measured);
  }
  if (wanted('fair')) add('fair', await inHouse([theBand], tiles, (house) => measureFairness(house, spec)));
  if (wanted('estimates')) {
    const counts = { jobs: Number(options.jobs), more: Number(options.more) };
    const own = Math.min(tiles, placesOfThree);
    const measured = await inHouse([theBand], own, (house) =>
      measureEstimates(house, { size, tiles: own, ...counts }),
    );
    add('estimates', measured);
  }
  if (wanted('pack')) {
    const small = { ...spec, stamp: Number(options['pack-stamp']) };
    add('pack', await inHouse([theBand], tiles, (house) => measurePacks(house, small)));
  }
}

function made(path: string): void {
  say(`made ${basename(path)}`);
}

/** Measures on a stack of its own, with a survey of so many tiles of each band. */
async function inHouse<M extends Measured>(
  ofBands: readonly string[],
  tiles: number,
  work: (house: House) => Promise<M>,
): Promise<M> {
  say('starting Postgres, S3, Temporal, API and workers');
  const house = await openHouse({ tiles, bands: ofBands, size }, made);
  try {
    return await work(house);
  } finally {
    await house.close();
  }
}

/** Ours against the fastest, and the leanest, run of Cutana; none where the job was left out. */
function ratios(whole: Whole | undefined, runs: readonly PeerRun[]): Figure[] {
  if (whole === undefined) return [];
  const fastest = Math.min(...runs.map(({ seconds }) => seconds));
  const leanest = Math.min(...runs.map(({ memory }) => memory.together));
  const { worker, all } = whole.memory;
  return [
    {
      name: 'ours / Cutana, cutouts a second (its fastest run)',
      value: fastest / whole.seconds,
      unit: '×',
      least: 1,
    },
    {
      name: 'our worker / Cutana, memory (its leanest run)',
      value: worker.together / leanest,
      unit: '×',
      target: 0.25,
    },
    { name: 'our API and workers / Cutana, memory', value: all.together / leanest, unit: '×' },
    { name: 'our worker, peak', value: worker.together / mib, unit: 'MiB' },
  ];
}
