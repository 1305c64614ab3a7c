/** Where the house is told of the kind: a line for the kind, the API and the workers each. */
import { fileURLToPath } from 'node:url';
import { services as existingServices } from '@darkroom/api/app.ts';
import { kinds as existingKinds } from '@darkroom/kinds';
import { type QueueDefinition, queueDefinitions } from '@darkroom/worker/workers.ts';
import { stampsKind } from './contract.ts';
import { registerStamps } from './route.ts';
import { stampsRecords } from './tables.ts';

export const kinds = { ...existingKinds, [stampsKind.kind]: { ...stampsKind, records: stampsRecords } };

export const services = [...existingServices, registerStamps];

export const queues: Readonly<Record<string, QueueDefinition>> = {
  ...queueDefinitions,
  stamps: {
    activities: async (deps) => (await import('./activities.ts')).stampsActivities(deps),
    slots: () => 4,
    keepsGroups: true,
  },
};

export const workflows = fileURLToPath(new URL('workflows.ts', import.meta.url));
