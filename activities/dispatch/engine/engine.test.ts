import { createLogger, loadConfig, startTelemetry } from '@darkroom/platform';
import { expect, test } from 'vitest';
import { connectEngine } from './engine.ts';

test('the connection is closed when calls have ended, those too that the client means to try again', async () => {
  const config = loadConfig({
    DATABASE_URL: 'postgres://localhost:5432/none',
    TEMPORAL_ADDRESS: '127.0.0.1:1',
  });
  const logger = createLogger({ service: 'test', level: 'fatal' });
  const engine = connectEngine(config, logger, startTelemetry({ service: 'test' }));
  const order: string[] = [];
  const asked = engine.ping().catch(({ code }: { code: string }) => order.push(code));
  await engine.close();
  order.push('closed');
  await asked;
  expect(order).toEqual(['engine_unavailable', 'closed']);
  await expect(engine.ping()).rejects.toMatchObject({ code: 'engine_unavailable' });
});
