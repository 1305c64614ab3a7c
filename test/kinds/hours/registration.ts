/** Where the house is told of the kind. */
import { fileURLToPath } from 'node:url';
import { kinds as existingKinds } from '@darkroom/kinds';
import { type QueueDefinition, queueDefinitions } from '@darkroom/worker/workers.ts';
import { scansKind, surveyKind } from './contract.ts';

export const kinds = { ...existingKinds, [surveyKind.kind]: surveyKind, [scansKind.kind]: scansKind };

export const queues: Readonly<Record<string, QueueDefinition>> = {
  ...queueDefinitions,
  survey: {
    activities: async (deps) => (await import('./activities.ts')).surveyActivities(deps),
    slots: () => 4,
  },
};

export const workflows = fileURLToPath(new URL('workflows.ts', import.meta.url));
