import type { SandboxReport } from '@darkroom/contract/sandbox.ts';

/** In the child: what it is held by, to be told to its parent. */
export const held: { report?: SandboxReport } = {};
