import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { Lanes } from '@darkroom/platform/lanes.ts';
import { type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { guardIdle, untilAborted } from './bodies.ts';
import { statusOf, toStorageError } from './errors.ts';

/** How to reach the store. Without keys the SDK's own credential chain is used (environment, profile, role). Times in milliseconds. */
export interface StorageOptions {
  /** Leave out for AWS itself. */
  endpoint?: string | undefined;
  /** The address under which users reach the store; signed links carry it. Default: `endpoint`. */
  publicEndpoint?: string | undefined;
  /** Left out: as the SDK finds it (AWS_REGION, then the profile). */
  region?: string | undefined;
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
  /** Of temporary keys. */
  sessionToken?: string | undefined;
  forcePathStyle: boolean;
  /** The platform's own bucket: a bare key means an object in it. */
  bucket: string;
  /** Until the TCP (and TLS) connection stands. Default 3 s. */
  connectTimeoutMs?: number | undefined;
  /** From sending a request without a body to the first line of its answer. Default 15 s. */
  requestTimeoutMs?: number | undefined;
  /** The same for a request that carries a part or makes the store copy bytes. Default 120 s. */
  transferTimeoutMs?: number | undefined;
  /** Longest silence within the body of an answer. Default 20 s. */
  idleTimeoutMs?: number | undefined;
  /** A reader that rests longer than this gives its connection back and is reconnected when it goes on. Default 30 s. */
  restTimeoutMs?: number | undefined;
  /** Attempts of the SDK for one request. Default 4. */
  maxAttempts?: number | undefined;
  /** Most connections at a time. A request that waits for one longer than `connectTimeoutMs` fails. Default 128. */
  maxSockets?: number | undefined;
}

/** An open connection to the store: what every function of this package works with. */
export interface Connection {
  client: S3Client;
  /** Signs for `publicEndpoint`; sends nothing. */
  signer: S3Client;
  /** Knows the addresses that `client` sends to; sends nothing. */
  addresses: S3Client;
  /** The sockets of `client`. */
  agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  bucket: string;
  connectTimeoutMs: number;
  transferTimeoutMs: number;
  restTimeoutMs: number;
  /** Requests that delete take turns here, whoever's they are. */
  deletes: Lanes;
  close(): void;
}

/**
 * Requests of a connection that delete, up to a thousand objects each, whoever's they are. A store that keeps objects as files goes through
 * those of a request one by one, and waits while the next request is made: with two at a time it had nothing to do for a fifth of the time,
 * and with many what others ask of it waits.
 */
export const deletesAtOnce = 3;

/** Opens a connection; nothing is sent yet. */
export function connect(options: StorageOptions): Connection {
  const { region, forcePathStyle, bucket, endpoint, accessKeyId, secretAccessKey, sessionToken } = options;
  const agent = { keepAlive: true, maxSockets: options.maxSockets ?? 128 };
  const agents = { http: new HttpAgent(agent), https: new HttpsAgent(agent) };
  const connectTimeoutMs = options.connectTimeoutMs ?? 3_000;
  const shared: S3ClientConfig = {
    ...(region ? { region } : {}),
    forcePathStyle,
    maxAttempts: options.maxAttempts ?? 4,
    retryMode: 'standard',
    ...(accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
      : {}),
  };
  const client = new S3Client({
    ...shared,
    ...(endpoint !== undefined ? { endpoint } : {}),
    // Every body we send is a buffer, so the CRC32 goes into a header that all stores understand.
    requestChecksumCalculation: 'WHEN_SUPPORTED',
    responseChecksumValidation: 'WHEN_SUPPORTED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: connectTimeoutMs,
      requestTimeout: options.requestTimeoutMs ?? 15_000,
      // Without this the SDK merely warns and waits for ever.
      throwOnRequestTimeout: true,
      httpAgent: agents.http,
      httpsAgent: agents.https,
    }),
  });
  guardBodies(client, options.idleTimeoutMs ?? 20_000);
  traceCalls(client);
  const publicEndpoint = options.publicEndpoint ?? endpoint;
  const silent = (at: string | undefined): S3Client =>
    new S3Client({
      ...shared,
      ...(at !== undefined ? { endpoint: at } : {}),
      // A checksum in a signed link would be that of the empty body known while signing.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  const signer = silent(publicEndpoint);
  const addresses = publicEndpoint === endpoint ? signer : silent(endpoint);
  return {
    client,
    signer,
    addresses,
    agents,
    bucket,
    connectTimeoutMs,
    transferTimeoutMs: options.transferTimeoutMs ?? 120_000,
    restTimeoutMs: options.restTimeoutMs ?? 30_000,
    deletes: new Lanes(deletesAtOnce),
    close() {
      client.destroy();
      signer.destroy();
      addresses.destroy();
    },
  };
}

/** The SDK's request timeout ends with the headers: a body that stalls after them would wait for ever. */
function guardBodies(client: S3Client, idleMs: number): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response;
      if (
        typeof response === 'object' &&
        response !== null &&
        'body' in response &&
        response.body instanceof Readable
      ) {
        response.body = guardIdle(response.body, idleMs);
      }
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'guardBodies' },
  );
}

function textField(input: object, field: 'Bucket' | 'Key'): string | undefined {
  const value: unknown = Reflect.get(input, field);
  return typeof value === 'string' ? value : undefined;
}

const tracer = trace.getTracer('@darkroom/storage');

/** Runs a call in a span of its own. */
export function tracedCall<T>(
  method: string,
  { bucket, key }: { readonly bucket: string | undefined; readonly key: string | undefined },
  call: (span: Span) => Promise<T>,
): Promise<T> {
  const attributes = {
    'rpc.system': 'aws-api',
    'rpc.service': 'S3',
    'rpc.method': method,
    ...(bucket !== undefined ? { 'aws.s3.bucket': bucket } : {}),
    ...(key !== undefined ? { 'aws.s3.key': key } : {}),
  };
  return tracer.startActiveSpan(`S3 ${method}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    try {
      return await call(span);
    } catch (error) {
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.name : 'Error',
      });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** One span per call, all its attempts within; of GetObject up to the headers. */
function traceCalls(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const method = (context.commandName ?? 'call').replace(/Command$/, '');
      const place = { bucket: textField(args.input, 'Bucket'), key: textField(args.input, 'Key') };
      return tracedCall(method, place, async (span) => {
        const result = await next(args);
        span.setAttribute('darkroom.attempts', result.output.$metadata.attempts ?? 1);
        return result;
      });
    },
    { step: 'initialize', priority: 'high', name: 'traceCalls' },
  );
}

/**
 * Asks for the head of something, and where that is refused by `ask` for a little of its content: the answer to a HEAD has no body, so
 * it does not tell a wrong region, expired keys and a missing right from each other.
 */
export async function nameRefusal<T>(head: () => Promise<T>, ask: () => Promise<unknown>): Promise<T> {
  try {
    return await head();
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || ![301, 307, 400, 401, 403].includes(status)) throw error;
    const named = await ask().then(
      () => error,
      (told: unknown) => told,
    );
    throw statusOf(named) === status ? named : error;
  }
}

/** Does one call about `uri`: ends at once when `signal` aborts (throwing its reason), and turns failures into StorageError. */
export async function attempt<T>(
  s3: Pick<Connection, 'bucket'>,
  uri: string,
  signal: AbortSignal | undefined,
  call: (options: { abortSignal?: AbortSignal }) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await untilAborted(call(signal ? { abortSignal: signal } : {}), signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw toStorageError(error, uri, s3.bucket);
  }
}
