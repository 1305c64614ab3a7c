/** Requests for a job of many rows: their list is sent along, is an upload, or lies in the store; a few rows stand in JSON. */
import { archiveTypes, listTypes, type PlanSource, type Size, sourceFormatOf } from '@darkroom/contract';
import {
  type Accepted,
  fingerprintOf,
  type RowsSubmission,
  requireSourceSize,
  sourceAs,
  uploadsPrefix,
} from '@darkroom/dispatch';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { idempotencyHeader, jsonBodyProblems, unvalidated, unvalidatedQuery } from '../openapi/describe.ts';
import { discardBody, jsonOf } from './body.ts';
import { requireGranted } from './granted.ts';
import { listForm, listReader, requireNoQuery } from './list-body.ts';

/** How a kind takes its lists. */
export interface ListIntake<Request extends z.ZodType, Row extends object> {
  readonly kind: { readonly kind: string; readonly input: z.ZodObject };
  /** The stage that plans the job. */
  readonly stage: string;
  /** An archive will do as well as a list; its entries are the rows. */
  readonly archives?: boolean;
  /** A request in JSON, and what it says. */
  readonly request: Request;
  readonly read: (request: z.output<Request>) => NamedList<Row>;
  /** Throws ProblemError for options that are well-formed, and come to nothing here. */
  readonly require?: (c: ApiContext, input: Record<string, unknown>) => Promise<void>;
  /**
   * Looks at a list before a job is made of it: throws where none can be, and comes to the size that the job is expected to have. `inJson`: its
   * rows stood in the request.
   */
  readonly look?: (
    c: ApiContext,
    input: Record<string, unknown>,
    list: PlanSource,
    inJson: boolean,
  ) => Promise<Size | undefined>;
}

/** What is worked on, which is one of rows, uri and upload, and how. */
export interface NamedList<Row extends object> {
  /** The options, which the row of the job keeps. */
  readonly input: Record<string, unknown>;
  readonly rows?: Pick<RowsSubmission<Row>, 'rows' | 'planned' | 'itemStage' | 'groupOf'> | undefined;
  /** Of what lies in the store: see {@link pinList}. */
  readonly uri?: string | undefined;
  /** Id of an upload of the caller's. */
  readonly upload?: string | undefined;
}

const inQuery = 'in UTF-8; the options are parameters of the query.';

/** What the route of such requests is made with. */
export const listRequest = ({
  kind,
  request,
  archives = false,
}: Pick<ListIntake<z.ZodType, object>, 'kind' | 'request'> & { readonly archives?: boolean }) => ({
  request: {
    headers: idempotencyHeader,
    body: {
      required: true,
      content: {
        'application/json': { schema: unvalidated(request) },
        [listTypes.csv]: {
          schema: unvalidated(z.string().meta({ description: `Rows under a header, ${inQuery}` })),
        },
        [listTypes.ndjson]: {
          schema: unvalidated(z.string().meta({ description: `A row a line, ${inQuery}` })),
        },
        ...(archives &&
          Object.fromEntries(
            Object.values(archiveTypes).map((type) => [
              type,
              {
                schema: unvalidated(
                  z.file().meta({ description: 'The archive; the options are parameters of the query.' }),
                ),
              },
            ]),
          )),
        'multipart/form-data': {
          schema: unvalidated(listForm({ options: kind.input, archives })),
          encoding: { parameters: { contentType: 'application/json' } },
        },
      },
    },
  },
  ...unvalidatedQuery(kind.input),
});

/** What may be wrong with such a request. */
export const listProblems = [
  ...jsonBodyProblems,
  'idempotency_key_reused',
  'idempotency_key_deleted',
  'outcome_unknown',
  'empty_file',
  'too_large',
  'too_many_items',
  'source_not_granted',
  'source_not_found',
  'source_changed',
  'not_found',
  'upload_incomplete',
  'upload_used',
  'storage_unavailable',
] as const;

/**
 * Makes a job of a request whose route was made with {@link listRequest}. A list that is sent is stored as it comes in, however long; the
 * same `Idempotency-Key` and content again name the first job. Throws ProblemError, ZodError, StorageError.
 */
export async function submitListed<Request extends z.ZodType, Row extends object>(
  c: ApiContext,
  intake: ListIntake<Request, Row>,
): Promise<Accepted> {
  const { caller, deps } = c.var;
  const { kind, stage, archives = false, look } = intake;
  const read = listReader(c, { options: kind.input, archives }, async (input) => intake.require?.(c, input));
  if (read === undefined) return submitNamed(c, intake);
  try {
    return await deps.dispatch.submitReceivedList(kind.kind, caller, {
      idempotencyKey: keyOf(c),
      stage,
      signal: c.req.raw.signal,
      collect: async (take) => {
        const input = await read(take);
        return { input, look: look && ((list) => look(c, input, list, false)) };
      },
    });
  } catch (error) {
    await discardBody(c);
    throw error;
  }
}

async function submitNamed<Request extends z.ZodType, Row extends object>(
  c: ApiContext,
  { kind: { kind }, stage, archives = false, request, read, require, look }: ListIntake<Request, Row>,
): Promise<Accepted> {
  requireNoQuery(c, 'the body');
  const { caller, deps } = c.var;
  const { dispatch } = deps;
  const { input, rows, uri = '', upload } = read(request.parse(await jsonOf(c)));
  await require?.(c, input);
  const idempotencyKey = keyOf(c);
  const looking = look && ((list: PlanSource) => look(c, input, list, rows !== undefined));
  const fields = { idempotencyKey, input, stage, look: looking };
  if (rows !== undefined) return dispatch.submitRows(kind, caller, { ...fields, ...rows });
  const fingerprint = fingerprintOf({ uri, upload, input });
  const submission = { ...fields, fingerprint };
  return dispatch.once({ owner: caller.owner, idempotencyKey, fingerprint }, async () =>
    upload === undefined
      ? dispatch.submitList(kind, caller, { ...submission, list: await pinList(c, uri, archives) })
      : dispatch.submitUploadedList(kind, caller, {
          ...submission,
          upload,
          archives,
          signal: c.req.raw.signal,
        }),
  );
}

/** The route has validated it. */
const keyOf = (c: ApiContext): string | undefined => c.req.header('idempotency-key');

/**
 * The list at `uri` as it is now: CSV or NDJSON by its name (`.csv`, `.ndjson`, `.jsonl`), an archive by its own, or with a closing slash the
 * objects under a prefix. Throws ProblemError `source_not_granted`, `validation_failed`, `too_large`, and StorageError.
 */
export async function pinList(c: ApiContext, uri: string, archives: boolean): Promise<PlanSource> {
  const { caller, deps } = c.var;
  const { storage, config } = deps;
  const { owner, group } = caller;
  await requireGranted(uri, { owner, groups: group === null ? [] : [group] }, config.grants, {
    bucket: storage.bucket,
    uploads: uploadsPrefix(owner),
  });
  if (uri.endsWith('/')) return { format: 'listing', uri };
  const format = sourceFormatOf(uri, archives);
  const { etag, size: bytes } = await storage.head(uri);
  requireSourceSize(uri, format, bytes, config.limits);
  return sourceAs(format, { uri, etag, bytes });
}
