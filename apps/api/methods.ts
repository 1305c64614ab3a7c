/** Which methods a path takes, to tell a wrong method from a wrong path. */
import type { Api } from './context.ts';

/** Methods of the documented routes that fit `path`; none if there is no such path. */
export function allowedMethods(api: Api, path: string): string[] {
  const methods = api.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === 'route' && fits(definition.route.path, path)
      ? [definition.route.method.toUpperCase()]
      : [],
  );
  return [...new Set(methods)].sort();
}

function fits(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (part.startsWith('{') ? given[i] !== '' : part === given[i]))
  );
}
