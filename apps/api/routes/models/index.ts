/** The registry of models: what there is, what is loaded, and which names stand for which versions. */
import type { Api } from '../../context.ts';
import { registerAliases } from './aliases.ts';
import { registerModelDefaults } from './defaults.ts';
import { registerModelList } from './list.ts';
import { registerRegistration } from './register.ts';
import { registerVersions } from './versions.ts';

/** Registers the routes. */
export function registerModels(api: Api): void {
  registerModelList(api);
  registerRegistration(api);
  // Before what takes any name.
  registerModelDefaults(api);
  registerVersions(api);
  registerAliases(api);
}
