/**
 * Loads drizzle-orm without reading its package.json, 180 KB, for each of the 400 imports among its files, as Node 24 does to learn whether
 * a file is a module, and for each of the 50 of our own, to learn what its name stands for: a third of the work of a process that starts.
 * Who starts one imports this before what imports drizzle.
 */
import { type ResolveFnOutput, registerHooks } from 'node:module';

const folder = '/node_modules/drizzle-orm/';
/** What a name stands for is the same for all of ours: there is one drizzle. */
const known = new Map<string, ResolveFnOutput>();

registerHooks({
  resolve(specifier, { parentURL, conditions }, next) {
    if (!conditions.includes('import')) return next(specifier);
    if (/^drizzle-orm(\/|$)/.test(specifier)) {
      const found = known.get(specifier) ?? { ...next(specifier), shortCircuit: true };
      known.set(specifier, found);
      return found;
    }
    const isOwn = specifier.startsWith('.') && specifier.endsWith('.js');
    if (!isOwn || !parentURL?.includes(folder)) return next(specifier);
    return { url: new URL(specifier, parentURL).href, format: 'module', shortCircuit: true };
  },
});
