/** Where the house is told of the kind: a line for the contract, the API and the workers each. */
import { services as existingServices } from '@darkroom/api/app.ts';
import { kinds as existingKinds } from '@darkroom/kinds';
import { type QueueDefinition, queueDefinitions } from '@darkroom/worker/workers.ts';
import { tallyKind } from './contract.ts';
import { registerTallies } from './route.ts';

export const kinds = { ...existingKinds, [tallyKind.kind]: tallyKind };

export const services = [...existingServices, registerTallies];

export const queues: Readonly<Record<string, QueueDefinition>> = {
  ...queueDefinitions,
  tally: {
    activities: async (deps) => (await import('./activities.ts')).tallyActivities(deps),
    slots: () => 4,
  },
};
