/** What the OpenAPI document shows as examples. */
import type { Job, StageProgress } from '@darkroom/contract';

const id = '0197a3c2-7d4e-7c1a-9b1e-2f4f6a8b9c0d';
const self = `http://localhost:8000/v1/jobs/${id}`;

const stage = (name: string, done: number): StageProgress => ({
  name,
  state: 'running',
  done,
  failed: 0,
  total: 200,
  unit: 'photos',
  startedAt: '2026-03-01T09:30:01.200Z',
  finishedAt: null,
  queueSeconds: 0.1,
  workSeconds: done / 40,
  attempts: 1,
  aliveAt: '2026-03-01T09:30:41.300Z',
  movedAt: '2026-03-01T09:30:40.900Z',
});

/** A photo task at work, as it is told alone. */
export const exampleJob: Job = {
  id,
  kind: 'photo',
  state: 'running',
  waiting: null,
  owner: 'ann',
  group: 'lab',
  priority: 3,
  run: 1,
  input: { model: 'default', scoreThreshold: 0.4, labels: [], annotate: true },
  size: { photos: 190, bytes: 712_000_000 },
  estimate: {
    seconds: { p50: 21.4, p90: 30.9 },
    runs: 200,
    error: { runs: 200, ratio: 1.02, withinP90: 0.905 },
  },
  estimatedEnd: '2026-03-01T09:30:52.500Z',
  queue: { place: 0, ahead: { jobs: 0, seconds: 0 }, estimatedStart: '2026-03-01T09:30:01.200Z' },
  progress: {
    stage: 'annotate',
    stages: [
      stage('probe', 90),
      stage('prepare', 88),
      stage('recognise', 84),
      stage('annotate', 80),
      stage('publish', 80),
    ],
    percent: 42.1,
    etaSeconds: 11,
  },
  warnings: 0,
  problem: null,
  result: null,
  createdAt: '2026-03-01T09:30:00.900Z',
  startedAt: '2026-03-01T09:30:01.200Z',
  finishedAt: null,
  cancelRequestedAt: null,
  cancelReason: null,
  resultsExpireAt: null,
  resultsRemovedAt: null,
  rerunOf: null,
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  temporalUrl: `http://localhost:8233/namespaces/default/workflows/${id}`,
  links: {
    self,
    events: `${self}/events`,
    log: `${self}/log`,
    items: `${self}/items`,
    results: `${self}/results`,
    cancel: `${self}/cancel`,
    resume: `${self}/resume`,
    rerun: `${self}/rerun`,
    live: `${self}/events?signature=…`,
  },
};

const { queue: _, ...listed } = exampleJob;
/** The same in a list, where nobody's place is told. */
export const exampleListedJob: Job = listed;
