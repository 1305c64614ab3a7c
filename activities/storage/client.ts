import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { guardIdle, untilAborted } from './bodies.ts';
import { toStorageError } from './errors.ts';

/** How to reach the store. Without keys the SDK's own credential chain is used (environment, profile, role). Times in milliseconds. */
export interface StorageOptions {
  /** Leave out for AWS itself. */
  endpoint?: string | undefined;
  /** The address under which users reach the store; signed links carry it. Default: `endpoint`. */
  publicEndpoint?: string | undefined;
  region: string;
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
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
  bucket: string;
  transferTimeoutMs: number;
  restTimeoutMs: number;
  close(): void;
}

/** Opens a connection; nothing is sent yet. */
export function connect(options: StorageOptions): Connection {
  const { region, forcePathStyle, bucket, endpoint, accessKeyId, secretAccessKey } = options;
  const agent = { keepAlive: true, maxSockets: options.maxSockets ?? 128 };
  const shared: S3ClientConfig = {
    region,
    forcePathStyle,
    maxAttempts: options.maxAttempts ?? 4,
    retryMode: 'standard',
    ...(accessKeyId !== undefined && secretAccessKey !== undefined
      ? { credentials: { accessKeyId, secretAccessKey } }
      : {}),
  };
  const client = new S3Client({
    ...shared,
    ...(endpoint !== undefined ? { endpoint } : {}),
    // Every body we send is a buffer, so the CRC32 goes into a header that all stores understand.
    requestChecksumCalculation: 'WHEN_SUPPORTED',
    responseChecksumValidation: 'WHEN_SUPPORTED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: options.connectTimeoutMs ?? 3_000,
      requestTimeout: options.requestTimeoutMs ?? 15_000,
      // Without this the SDK merely warns and waits for ever.
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
    }),
  });
  guardBodies(client, options.idleTimeoutMs ?? 20_000);
  traceCalls(client);
  const publicEndpoint = options.publicEndpoint ?? endpoint;
  const signer = new S3Client({
    ...shared,
    ...(publicEndpoint !== undefined ? { endpoint: publicEndpoint } : {}),
    // A checksum in a signed link would be that of the empty body known while signing.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return {
    client,
    signer,
    bucket,
    transferTimeoutMs: options.transferTimeoutMs ?? 120_000,
    restTimeoutMs: options.restTimeoutMs ?? 30_000,
    close() {
      client.destroy();
      signer.destroy();
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

/** One span per call, all its attempts within; of GetObject up to the headers. */
function traceCalls(client: S3Client): void {
  const tracer = trace.getTracer('@darkroom/storage');
  client.middlewareStack.add(
    (next, context) => (args) => {
      const method = (context.commandName ?? 'call').replace(/Command$/, '');
      const bucket = textField(args.input, 'Bucket');
      const key = textField(args.input, 'Key');
      const attributes = {
        'rpc.system': 'aws-api',
        'rpc.service': 'S3',
        'rpc.method': method,
        ...(bucket !== undefined ? { 'aws.s3.bucket': bucket } : {}),
        ...(key !== undefined ? { 'aws.s3.key': key } : {}),
      };
      return tracer.startActiveSpan(`S3 ${method}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
        try {
          const result = await next(args);
          span.setAttribute('darkroom.attempts', result.output.$metadata.attempts ?? 1);
          return result;
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
    },
    { step: 'initialize', priority: 'high', name: 'traceCalls' },
  );
}

/** Does one call about `uri`: ends at once when `signal` aborts (throwing its reason), and turns failures into StorageError. */
export async function attempt<T>(
  uri: string,
  signal: AbortSignal | undefined,
  call: (options: { abortSignal?: AbortSignal }) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await untilAborted(call(signal ? { abortSignal: signal } : {}), signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw toStorageError(error, uri);
  }
}
