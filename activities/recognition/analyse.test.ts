import { beforeAll, describe, expect, it } from 'vitest';
import { type AnalyseOptions, type Analysis, analyse } from './analyse.ts';
import { type Model, openModel } from './model/session.ts';
import { type Stage, stages } from './stages.ts';
import {
  constantModel,
  defaultModel,
  defaultModelOptions,
  limits,
  openFile,
  tensor,
} from './testing/models.ts';
import { sample } from './testing/samples.ts';

let model: Model;
beforeAll(async () => {
  model = await defaultModel();
});

const plain: AnalyseOptions = { threshold: 0.4, annotate: false, limits };
const run = (name: string, options: Partial<AnalyseOptions> = {}) =>
  analyse(sample(name), { ...plain, ...options, model });
const found = ({ detections }: Analysis) => detections.map(({ label }) => label);
/** What is stored of an analysis. */
const stored = ({ timings: _, annotated, ...rest }: Analysis) =>
  JSON.stringify({ ...rest, annotated: annotated?.toString('base64') });

describe('analyse', () => {
  it.each([
    ['astronaut.jpg', ['person'], 512, 512],
    ['astronaut-small.jpg', ['person'], 200, 200],
    ['cat.jpg', ['cat'], 451, 300],
    ['espresso.jpg', ['cup', 'dining table'], 600, 400],
    ['rocket.jpg', [], 640, 427],
    ['deep-field.jpg', [], 1000, 872],
  ])('finds in %s %j', async (name, labels, width, height) => {
    const analysis = await run(name);
    expect(found(analysis)).toEqual(labels);
    expect(analysis).toMatchObject({ width, height, format: 'jpeg', model: model.identity });
  });

  it('puts the box where the cup is', async () => {
    const [cup] = (await run('espresso.jpg')).detections;
    expect(cup?.score).toBeGreaterThan(0.95);
    // Read off the picture, to a twentieth of its width.
    for (const [side, value] of [
      ['x', 172],
      ['y', 20],
      ['width', 238],
      ['height', 225],
    ] as const)
      expect(Math.abs((cup?.box[side] ?? 0) - value)).toBeLessThan(30);
  });

  it('sees a turned photo as its viewer does', async () => {
    const [upright] = (await run('cat.jpg')).detections;
    const [turned] = (await run('cat-turned.jpg')).detections;
    expect(turned?.label).toBe('cat');
    for (const side of ['x', 'y', 'width', 'height'] as const)
      expect(Math.abs((turned?.box[side] ?? 0) - (upright?.box[side] ?? 0))).toBeLessThan(5);
  });

  it('gives the same bytes every time, alone or among others, with any number of threads', async () => {
    const narrow = await openModel({ ...(await defaultModelOptions()), threads: 2 });
    expect(narrow).not.toBe(model);
    const names = ['cat.jpg', 'espresso.jpg', 'astronaut-small.jpg'];
    const alone: string[] = [];
    for (const name of names) alone.push(stored(await run(name, { annotate: true })));
    const crowd = await Promise.all(
      [...names, ...names, ...names].map((name) => run(name, { annotate: true })),
    );
    expect(crowd.map(stored)).toEqual([...alone, ...alone, ...alone]);
    const other = await analyse(sample('cat.jpg'), { ...plain, annotate: true, model: narrow });
    expect(stored(other)).toBe(alone[0]);
  });

  it('finds the same whether or not it draws, and fewer over a higher threshold', async () => {
    const all = await run('four.jpg', { annotate: true, threshold: 0.3 });
    expect(all.annotated?.subarray(0, 2).toString('hex')).toBe('ffd8');
    expect((await run('four.jpg', { threshold: 0.3 })).detections).toEqual(all.detections);
    const strict = await run('four.jpg', { threshold: 0.8 });
    expect(strict.detections).toEqual(all.detections.filter(({ score }) => score >= 0.8));
    expect(strict.detections.length).toBeLessThan(all.detections.length);
  });

  it('leaves out labels that are not wanted, and changes nothing else', async () => {
    const all = await run('four.jpg');
    const cats = await run('four.jpg', { labels: ['cat', 'unicorn'] });
    expect(cats.detections).toEqual(all.detections.filter(({ label }) => label === 'cat'));
    expect(cats.detections).toHaveLength(1);
  });

  it('goes through its stages in order and tells the time of each', async () => {
    const seen: Stage[] = [];
    const options = { ...plain, annotate: true, model };
    const { timings } = await analyse(sample('cat.jpg'), options, {
      onStage: (stage) => void seen.push(stage),
    });
    expect(seen).toEqual([...stages]);
    expect(Object.keys(timings)).toEqual([...stages]);
  });

  it.each(stages)('ends when aborted as %s begins', async (last) => {
    const abort = new AbortController();
    const seen: Stage[] = [];
    const onStage = (stage: Stage) => {
      seen.push(stage);
      if (stage === last) abort.abort(new Error('cancelled'));
    };
    const options = { ...plain, annotate: true, model, signal: abort.signal };
    await expect(analyse(sample('cat.jpg'), options, { onStage })).rejects.toThrow('cancelled');
    expect(seen.at(-1)).toBe(last);
  });
});

it('undoes the letterbox of any family: the same object of four YOLO heads on a wide picture', async () => {
  // In the input of 64 × 64 a picture of 600 × 400 lies in rows 10 to 53 (43 high); the object covers its right half.
  const box = [48, 31.5, 32, 43];
  const outputs = {
    v8: tensor([1, 5, 84], ...[...box, 0.9].map((v, row): [number[], number] => [[0, row, 0], v])),
    v5: tensor([1, 252, 6], ...[...box, 1, 0.9].map((v, column): [number[], number] => [[0, 0, column], v])),
    end: tensor(
      [1, 10, 6],
      ...[32, 10, 64, 53, 0.9, 0].map((v, column): [number[], number] => [[0, 0, column], v]),
    ),
  };
  for (const output of Object.values(outputs)) {
    const constant = await openFile(
      await constantModel({ outputs: { output }, metadata: { names: "{0: 'thing'}" } }),
    );
    const { detections } = await analyse(sample('espresso.jpg'), { ...plain, model: constant });
    expect(detections).toEqual([
      { label: 'thing', classId: 0, score: 0.9, box: { x: 300, y: 0, width: 300, height: 400 } },
    ]);
  }
});
