/** What a path takes: methods, to tell a wrong one from a wrong path, and media types of a body. */
import type { Api } from '../context.ts';

/** Methods of the routes that fit `path`, HEAD where there is GET; none if there is no such path. */
export function allowedMethods(api: Api, path: string): string[] {
  // Middleware stands among the routes as taking ALL.
  const methods = api.routes.flatMap(({ method, path: pattern }) =>
    method !== 'ALL' && fits(pattern, path) ? [method, ...(method === 'GET' ? ['HEAD'] : [])] : [],
  );
  return [...new Set(methods)].sort();
}

/** Media types that the route of that method and path takes a body as; none where it takes none. */
export function bodyTypes(api: Api, method: string, path: string): string[] {
  return api.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== 'route') return [];
    const { route } = definition;
    const meant = route.method === method.toLowerCase() && fits(route.path, path);
    return meant ? Object.keys(route.request?.body?.content ?? {}) : [];
  });
}

function fits(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (/^[:{]/.test(part) ? given[i] !== '' : part === given[i]))
  );
}
