/** Under which paths the routes of a service are: `/v1`, and for good also those that its first users know. */
export const bases = ['/v1', ''] as const;
export type Base = (typeof bases)[number];

/** How a route is named in the document: plainly under `/v1`; the other is marked, so that generators of clients take that one. */
export const named = (operationId: string, base: Base, tag: string) =>
  base === '/v1'
    ? { operationId, tags: [tag] }
    : { operationId: `${operationId}Unversioned`, tags: ['Unversioned'], deprecated: true };
