/** The one line of registration of each kind. */
import { photoKind } from './analysis.ts';
import type { KindDefinition } from './kind.ts';

export const kinds: Readonly<Record<string, KindDefinition>> = {
  [photoKind.kind]: photoKind,
};
export type Kinds = typeof kinds;
