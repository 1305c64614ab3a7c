/** Page tokens: opaque, signed, and good only for the list and the filters they were given out with. */
import { ProblemError } from '@darkroom/contract';
import { z } from 'zod';
import { isSigned, sign } from './links.ts';

const defaultPageSize = 50;

/** Query fields of every list. A page size over the maximum is taken for the maximum, see {@link pageLimit}. */
export const pageQuery = {
  pageSize: z.coerce
    .number()
    .int()
    .min(1)
    .default(defaultPageSize)
    .meta({ description: 'Entries at most; 1,000 for anything larger.', example: defaultPageSize }),
  pageToken: z
    .string()
    .max(2000)
    .optional()
    .meta({ description: '`nextPageToken` of the page before, with the same filters.' }),
};

/** Entries that a page may have. */
export const pageLimit = (asked: number, largest: number): number => Math.min(asked, largest);

/** Field of every list's answer. */
export const nextPageToken = z
  .string()
  .nullable()
  .meta({ description: 'For the next page; null on the last one.' });

/** What a token is bound to: the list, who asks, and the filters. */
export type PageScope = readonly (string | number | null | undefined)[];

/** The token that says where the next page begins. */
export function sealPage(
  secret: string,
  scope: PageScope,
  cursor: string | number | readonly (string | number)[],
): string {
  const payload = Buffer.from(JSON.stringify(cursor)).toString('base64url');
  return `${payload}.${sign(secret, 'page', JSON.stringify(scope), payload)}`;
}

/** Where the page begins; undefined for the first one. Throws `invalid_page_token`. */
export function openPage<T>(
  secret: string,
  scope: PageScope,
  token: string | undefined,
  cursor: z.ZodType<T>,
): T | undefined {
  if (token === undefined || token === '') return undefined;
  const [payload = '', mac = ''] = token.split('.');
  if (!isSigned(mac, secret, 'page', JSON.stringify(scope), payload)) {
    throw new ProblemError(
      'invalid_page_token',
      'It was changed, or belongs to another list or other filters.',
    );
  }
  return cursor.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
}
