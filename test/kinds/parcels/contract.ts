/** Parcels: a kind whose results are delivered to a place of their owner's. */
import type { KindDefinition } from '@darkroom/contract';
import { z } from 'zod';

export const parcelsOptions = z.strictObject({
  deliverTo: z.string(),
  /** How long a turn of the delivery takes. */
  turnMs: z.int().min(1).default(60_000),
});

export const parcelsKind = {
  kind: 'parcels',
  title: 'Parcels',
  workflow: 'parcels',
  input: parcelsOptions,
  stages: [
    { name: 'make', unit: 'parcels', weight: 1, itemsOf: 'make' },
    { name: 'deliver', unit: 'files', weight: 1 },
    { name: 'publish', unit: 'parcels', weight: 1, itemsOf: 'make' },
  ],
  targetOf: ({ deliverTo }) => String(deliverTo),
  inputs: (id: string) => `parcel-inputs/${id}/`,
  outputs: (id: string): [string] => [`parcels/${id}/`],
} as const satisfies KindDefinition;
