/** The one line of registration of each kind. */
import type { KindDefinition } from './kind.ts';
import { photoKind } from './photo.ts';
import { videoKind } from './video.ts';

export const kinds: Readonly<Record<string, KindDefinition>> = {
  [photoKind.kind]: photoKind,
  [videoKind.kind]: videoKind,
};
export type Kinds = typeof kinds;
