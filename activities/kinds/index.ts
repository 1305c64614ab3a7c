/** The one line of registration of each kind: what the contract says of it, and what it has in the records. */
import { analysisRecords } from '@darkroom/analysis';
import { photoKind, videoKind } from '@darkroom/contract';
import type { Kinds } from '@darkroom/records';

export const kinds: Kinds = {
  [photoKind.kind]: { ...photoKind, records: analysisRecords },
  [videoKind.kind]: { ...videoKind, records: analysisRecords },
};
