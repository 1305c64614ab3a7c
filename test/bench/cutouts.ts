/**
 * How fast stamps are cut out of tiles of a sky survey: `npm run bench -- cutouts`. The same stamps of the same tiles in the same S3, by our
 * library and by astropy over fsspec, one process each, turn by turn; fitsio on local files beside them. Then what one stamp reads, and requests
 * to an API with one worker.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createStorage } from '@darkroom/storage';
import { pythonTools } from '../harness/python.ts';
import { startS3, type TestS3 } from '../harness/s3.ts';
import { startPlatform, wideName } from './cutouts/platform.ts';
import { type Side, startOurs, startPeer } from './cutouts/processes.ts';
import { type Reads, readsOf } from './cutouts/reads.ts';
import { measureRequests, placesOf } from './cutouts/realtime.ts';
import type { Reach, Stamp, Way } from './cutouts/side.ts';
import { rates, ratio, sideBySide } from './cutouts/side-by-side.ts';
import { lineOf, measureSizes, sizeTable } from './cutouts/sizes.ts';
import { bands, randomOf, type Shape, shapes, tilesOf } from './cutouts/tiles.ts';
import { peakMemory } from './measure/cpu.ts';
import { type Figure, gather, say } from './measure/report.ts';

const help = `npm run bench -- cutouts [options]

  --tiles N     tiles in S3 (20)
  --size N      pixels of a tile's side (10000)
  --stamp N     pixels of a stamp's side (228: 1 arcmin of 0.263" pixels)
  --rounds N    turns of each side (5)
  --stamps N    isolated stamps of a turn, each of another tile than the one before (60)
  --grouped N   stamps of one tile in a turn (300)
  --requests N  to the API, of each format, by one client and then by several (500)
  --clients N   of those several (16)
  --only PART   isolated, grouped, reads, requests or sizes alone

Tiles are made once, 62 MB each of 10,000 pixels, and kept in .darkroom/bench-tiles. astropy and fitsio are left out where there is no Python of
3.11 or later, or no PyPI.`;

const { values: options } = parseArgs({
  options: {
    tiles: { type: 'string', default: '20' },
    size: { type: 'string', default: '10000' },
    stamp: { type: 'string', default: '228' },
    rounds: { type: 'string', default: '5' },
    stamps: { type: 'string', default: '60' },
    grouped: { type: 'string', default: '300' },
    requests: { type: 'string', default: '500' },
    clients: { type: 'string', default: '16' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [tiles, size, stamp, rounds] = [options.tiles, options.size, options.stamp, options.rounds].map(
  Number,
) as [number, number, number, number];
const random = randomOf(2026);
if (options.help) console.log(help);
else await bench();

async function bench(): Promise<void> {
  const { wanted, add, report } = gather('cutouts', options);
  const made = (path: string): void => say(`made ${basename(path)}`);
  if (wanted('isolated') || wanted('grouped')) {
    const files = await tilesOf('rows', tiles, size, made);
    const python = await pythonTools('cutout-peers');
    if (python.missing !== undefined) say(`without astropy and fitsio: ${python.missing}`);
    const folder = await mkdtemp(join(tmpdir(), 'bench-cutouts-'));
    const s3 = await startS3();
    // S3 and the processes that cut end with this one, however it ends.
    const sides: Side[] = [];
    try {
      const reach = await store(s3, files);
      const ours = await startOurs(reach);
      sides.push(ours);
      const peer = python.python === undefined ? undefined : await startPeer(python.python, reach);
      if (peer) sides.push(peer);
      if (wanted('isolated')) add('isolated', await isolated(ours, peer, folder));
      if (wanted('grouped')) add('grouped', await grouped(ours, peer, folder));
      const memory = await Promise.all(sides.map(({ pid }) => peakMemory(pid)));
      add('memory', { figures: memoryFigures(memory), raw: { memory } });
    } finally {
      for (const side of sides) await side.stop();
      await s3.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }
  if (wanted('reads')) add('reads', await reads(made));
  // Whole threes: each place has all bands.
  const places = Math.max(1, Math.floor(tiles / bands.length));
  if (wanted('requests')) {
    const own = await tilesOf('rows', places * bands.length, size, made);
    say('starting Postgres, S3, Temporal, API and worker');
    const platform = await startPlatform(own, size);
    try {
      const counts = { requests: Number(options.requests), clients: Number(options.clients) };
      add('requests', await measureRequests(platform, placesOf(places, size, random), counts));
    } finally {
      await platform.close();
    }
  }
  if (wanted('sizes')) {
    const own = await tilesOf('rows', bands.length, size, made);
    say('starting Postgres, S3, Temporal, API and worker, for cutouts as large as they come');
    const platform = await startPlatform(own, size, { large: true });
    try {
      const cells = await measureSizes(platform, size, {
        wide: wideName,
        told: (cell) => say(lineOf(cell)),
      });
      console.log(`\n${sizeTable(cells)}`);
      add('sizes', { figures: [], raw: { cells } });
    } finally {
      await platform.close();
    }
  }
  await report();
}

/** Puts the tiles into S3. */
async function store(s3: TestS3, files: readonly string[]): Promise<Reach> {
  const { endpoint, region, accessKeyId, secretAccessKey, bucket } = s3;
  const storage = createStorage({
    endpoint,
    region,
    accessKeyId,
    secretAccessKey,
    bucket,
    forcePathStyle: true,
  });
  try {
    const keys = files.map((file) => `tiles/${basename(file)}`);
    for (const [i, file] of files.entries())
      await storage.uploadFile(keys[i]!, file, { contentType: 'application/fits' });
    say(`${files.length} tiles are in S3`);
    return { endpoint, region, accessKeyId, secretAccessKey, bucket, keys, files };
  } finally {
    storage.close();
  }
}

/** Stamps of one tile after the other. */
async function isolated(ours: Side, peer: Side | undefined, folder: string) {
  const turns = Array.from({ length: rounds }, () =>
    Array.from({ length: Number(options.stamps) }, (_, i) => stampOf(i % tiles)),
  );
  say(`isolated: ${rounds} rounds of ${options.stamps} stamps`);
  const measured = await sideBySide({
    sides: sidesOf(ours, ['ours', 'ours-local'], peer, ['section', 'fitsio']),
    stamps: turns,
    // Two of each tile: HDUs are open, headers and tables of tiles known.
    warm: Array.from({ length: 2 * tiles }, (_, i) => stampOf(i % tiles)),
    size: stamp,
    folder,
  });
  const figures: Figure[] = [
    ...ratio('isolated: ours / astropy .section', measured, ['ours', 'section', 'rate'], 3),
    ...ratio(
      'isolated: ours / fitsio, local, processor time',
      measured,
      ['ours-local', 'fitsio', 'perCpu'],
      0.7,
    ),
    ...rates('isolated', measured),
  ];
  return { figures, raw: { measured } };
}

/** Hundreds of stamps of one tile, another tile each round. */
async function grouped(ours: Side, peer: Side | undefined, folder: string) {
  const turns = Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: Number(options.grouped) }, () => stampOf(round % tiles)),
  );
  say(`one tile: ${rounds} rounds of ${options.grouped} stamps`);
  const measured = await sideBySide({
    sides: sidesOf(ours, ['ours-grouped'], peer, ['section', 'whole']),
    stamps: turns,
    warm: Array.from({ length: 3 * tiles }, (_, i) => stampOf(Math.floor(i / 3))),
    size: stamp,
    folder,
  });
  const title = `${options.grouped} of one tile`;
  return {
    figures: [
      ...ratio(`${title}: ours / astropy .section`, measured, ['ours-grouped', 'section', 'rate'], 5),
      ...rates(title, measured),
    ],
    raw: { measured },
  };
}

async function reads(made: (path: string) => void) {
  const figures: Figure[] = [];
  const raw: Record<string, object> = {};
  const bounds: Readonly<Record<Shape, { warm: number; share: number }>> = {
    rows: { warm: 1, share: 3 },
    squares: { warm: 4, share: 5 },
  };
  for (const shape of shapes) {
    const [path = ''] = await tilesOf(shape, 1, size, made);
    const { cold, warm } = await readsOf(
      path,
      Array.from({ length: 50 }, () => stampOf(0)),
      stamp,
    );
    raw[shape] = { cold, warm };
    const { warm: most, share } = bounds[shape];
    const of = (title: string, { reads, share: took }: Reads, atMost: number): Figure[] => [
      { name: `${shape}, ${title}: reads`, value: reads, unit: '', target: atMost },
      {
        name: `${shape}, ${title}: of the tile's bytes`,
        value: 100 * took,
        unit: '%',
        // Of a smaller tile a stamp takes more.
        ...(size >= 10_000 && { target: share }),
      },
    ];
    figures.push(...of('cold', cold, 4), ...of('warm', warm, most));
  }
  return { figures, raw };
}

function sidesOf(
  ours: Side,
  own: readonly Way[],
  peer: Side | undefined,
  theirs: readonly Way[],
): Map<Way, Side> {
  const sides = new Map<Way, Side>(own.map((way) => [way, ours]));
  if (peer) for (const way of theirs) sides.set(way, peer);
  return sides;
}

/** Anywhere on the tile, whole. */
function stampOf(tile: number): Stamp {
  const place = (): number => Math.floor(random() * (size - stamp + 1));
  return { tile, x0: place(), y0: place() };
}

function memoryFigures(memory: readonly (number | undefined)[]): Figure[] {
  return memory.flatMap((bytes, i) =>
    bytes === undefined
      ? []
      : [{ name: `peak memory: ${i === 0 ? 'ours' : 'Python'}`, value: bytes / 2 ** 20, unit: 'MiB' }],
  );
}
