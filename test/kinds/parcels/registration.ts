/** Where the house is told of the kind. */
import { fileURLToPath } from 'node:url';
import { kinds as existingKinds } from '@darkroom/kinds';
import { type QueueDefinition, queueDefinitions } from '@darkroom/worker/workers.ts';
import { parcelsKind } from './contract.ts';

export const kinds = { ...existingKinds, [parcelsKind.kind]: parcelsKind };

export const queues: Readonly<Record<string, QueueDefinition>> = {
  ...queueDefinitions,
  parcels: {
    activities: async (deps) => (await import('./activities.ts')).parcelsActivities(deps),
    slots: () => 4,
  },
};

export const workflows = fileURLToPath(new URL('workflows.ts', import.meta.url));
