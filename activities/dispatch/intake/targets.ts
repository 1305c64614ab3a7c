/** Where results are to be delivered to: refused before there is a job, or another run of it, that would find out at its end. */
import type { Caller } from '@darkroom/records';
import { requireTarget } from '@darkroom/storage';
import type { DispatchDeps } from '../index.ts';
import { kindOf } from './receive.ts';

/**
 * Throws `target_not_granted`, `target_unusable` or `validation_failed` where the options of a job name a target that its owner may not
 * deliver to, or that shows already that it cannot be written to; StorageError where the store is away.
 */
export async function requireTargetOf(
  deps: Pick<DispatchDeps, 'kinds' | 'config' | 'storage'>,
  owner: Pick<Caller, 'owner' | 'group'>,
  kind: string,
  input: Record<string, unknown>,
): Promise<void> {
  const target = kindOf(deps, kind).targetOf?.(input);
  if (target !== undefined) await requireTarget(target, owner, deps.config, deps.storage);
}
