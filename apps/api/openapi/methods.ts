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

/**
 * What tells the media types that the route of a method and path takes a body as; none where it takes none. Asked several times a request:
 * where nothing in a path is a parameter, it is looked up. To be asked once all routes are registered.
 */
export function bodyTypes(api: Api): (method: string, path: string) => readonly string[] {
  let found: ((method: string, path: string) => readonly string[]) | undefined;
  return (method, path) => {
    found ??= typesIn(api);
    return found(method, path);
  };
}

function typesIn(api: Api): (method: string, path: string) => readonly string[] {
  const routes = api.openAPIRegistry.definitions.flatMap((definition) => {
    if (definition.type !== 'route') return [];
    const { method, path, request } = definition.route;
    return [{ method, path, types: Object.keys(request?.body?.content ?? {}) }];
  });
  const search = (method: string, path: string): readonly string[] =>
    routes.flatMap((route) => (route.method === method && fits(route.path, path) ? route.types : []));
  const plain = routes.filter(({ path }) => !/[:{]/.test(path));
  const known = new Map<string, readonly string[]>(
    plain.map(({ method, path }) => [`${method} ${path}`, search(method, path)] as const),
  );
  return (method, path) => {
    const lower = method.toLowerCase();
    return known.get(`${lower} ${path}`) ?? search(lower, path);
  };
}

function fits(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => (/^[:{]/.test(part) ? given[i] !== '' : part === given[i]))
  );
}
