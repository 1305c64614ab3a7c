import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { choosePorts, listeningInodes, portHolder, ports, takenMessage } from './ports.ts';

const server = createServer();
let taken: number;

beforeEach(async () => {
  await new Promise<void>((done) => server.listen({ port: 0, host: '127.0.0.1' }, done));
  const address = server.address();
  taken = typeof address === 'object' && address ? address.port : 0;
});
afterEach(async () => {
  await new Promise((done) => server.close(done));
});

describe('choosePorts', () => {
  it('names the port, its holder and the way out when a fixed port is taken', async () => {
    const failed = choosePorts(['s3'], 'fixed', { DARKROOM_S3_PORT: String(taken) });
    await expect(failed).rejects.toThrow(
      new RegExp(
        `^Port ${taken}, meant for S3, is taken by .+ \\(pid ${process.pid}\\)\\..*DARKROOM_S3_PORT=${taken + 1} npm start$`,
      ),
    );
  });

  it('sees a port that is taken on the other address of localhost', async ({ skip }) => {
    const other = createServer();
    const hasIPv6 = await new Promise<boolean>((done) => {
      other.once('error', () => done(false));
      other.listen({ port: 0, host: '::1' }, () => done(true));
    });
    if (!hasIPv6) skip('this machine has no ::1');
    const address = other.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    try {
      const failed = choosePorts(['api'], 'fixed', { API_PORT: String(port) });
      await expect(failed).rejects.toThrow(`(pid ${process.pid})`);
    } finally {
      await new Promise((done) => other.close(done));
    }
  });

  it('finds different free ports', async () => {
    const chosen = await choosePorts(['api', 'temporal', 'temporalUi', 'postgres', 's3'], 'free', {});
    expect(new Set(Object.values(chosen)).size).toBe(Object.keys(chosen).length);
    expect(chosen.api).not.toBe(ports.api.fallback);
  });

  it('keeps to the port that is asked for, whatever the policy', async () => {
    const failed = choosePorts(['api'], 'free', { API_PORT: String(taken) });
    await expect(failed).rejects.toThrow('API_PORT=');
  });

  it('leaves alone what is not wanted', async () => {
    expect(await choosePorts([], 'fixed', { API_PORT: String(taken) })).toMatchObject({
      api: taken,
      s3: 7070,
    });
  });

  it.each(['0', '70000', 'http'])('refuses %s as a port', async (text) => {
    await expect(choosePorts(['api'], 'fixed', { API_PORT: text })).rejects.toThrow('API_PORT');
  });
});

describe('portHolder', () => {
  it('finds this process', async () => {
    expect(await portHolder(taken)).toMatchObject({ pid: process.pid });
  });

  it('finds nobody on a free port', async () => {
    const free = (await choosePorts(['s3'], 'free', {})).s3;
    expect(await portHolder(free)).toBeUndefined();
  });
});

describe('listeningInodes', () => {
  it('reads listeners of the port only', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1',
      '   1: 0100007F:1B9E 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1',
      '   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1',
    ].join('\n');
    expect(listeningInodes(table, 0x1b9e)).toEqual(['4711']);
  });
});

describe('takenMessage', () => {
  it('does without a holder', () => {
    expect(takenMessage(ports.api, 8000, undefined)).toBe(
      'Port 8000, meant for the API, is taken. Stop that, or choose another: API_PORT=8001 npm start',
    );
  });
});
