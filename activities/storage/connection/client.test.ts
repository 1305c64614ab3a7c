import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startS3, type TestS3 } from '../../../test/harness/s3.ts';
import { createStorage } from '../index.ts';

const exporter = new InMemorySpanExporter();
let s3: TestS3;

beforeAll(async () => {
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  s3 = await startS3();
});
afterAll(async () => {
  trace.disable();
  context.disable();
  await s3?.stop();
});

it('every call is a span that names bucket and key, and no secret', async () => {
  exporter.reset();
  const storage = createStorage({ ...s3, forcePathStyle: true });
  await storage.putBytes('spans/x', Buffer.from('x'), { contentType: 'text/plain' });
  await storage.getBytes('spans/x', { maxBytes: 9 });
  await storage.head('spans/none').catch(() => {});
  await storage.linkTo('spans/x', { expiresInSeconds: 60 });
  storage.close();
  const spans = exporter.getFinishedSpans();
  expect(spans.map((span) => span.name)).toEqual(['S3 PutObject', 'S3 GetObject', 'S3 HeadObject']);
  expect(spans[1]?.attributes).toMatchObject({
    'aws.s3.bucket': s3.bucket,
    'aws.s3.key': 'spans/x',
    'darkroom.attempts': 1,
  });
  expect(spans.map((span) => span.status.code)).toEqual([
    SpanStatusCode.UNSET,
    SpanStatusCode.UNSET,
    SpanStatusCode.ERROR,
  ]);
  const told = JSON.stringify(spans.map((span) => [span.attributes, span.events, span.status]));
  expect(told).not.toMatch(/X-Amz|Signature/i);
  expect(told).not.toContain(s3.accessKeyId);
});
