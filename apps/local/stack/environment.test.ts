import { loadConfig } from '@darkroom/platform';
import { environment as variables } from '@darkroom/platform/config/environment.ts';
import { ports } from '@darkroom/servers/run/ports.ts';
import { expect, it } from 'vitest';
import { start } from '../commands/start.ts';
import { layoutOf } from '../home/layout.ts';
import { silent } from '../terminal.ts';
import { childEnvironment } from './environment.ts';
import { describeStack, makePlan } from './plan.ts';

const secrets = {
  stack: 'id',
  postgresPassword: 'p',
  accessKeyId: 'EMBEDDED',
  secretAccessKey: 's',
  linkSecret: 'l'.repeat(64),
};

/** What the API and the worker of a stack would run with, where the person has set `env`. */
async function environmentOf(env: NodeJS.ProcessEnv) {
  const layout = layoutOf('/nowhere');
  const options = { home: layout.home, ports: 'free', parts: 'all', terminal: silent, env } as const;
  const plan = await makePlan(options, layout, secrets);
  return childEnvironment(await describeStack(plan), plan);
}

it('what npm start says may be set is known to the API and the worker', async () => {
  const said = [...start.help.matchAll(/\b(?:DARKROOM|API|TEMPORAL|S3)_\w+/g)].map(([name]) => name);
  const read = [...said, ...Object.values(ports).map(({ variable }) => variable)];
  expect(read).toContain('DARKROOM_TEMPORAL_SYNCHRONOUS');
  expect(read.filter((name) => !(name in variables.shape))).toEqual([]);
  const environment = await environmentOf({ DARKROOM_TEMPORAL_SYNCHRONOUS: 'normal' });
  expect(() => loadConfig(environment)).not.toThrow();
});

it('the port of the API is told as it is, also where an address would leave it out', async () => {
  const layout = layoutOf('/nowhere');
  const env = {};
  const plan = await makePlan(
    { home: layout.home, ports: 'free', parts: 'all', terminal: silent, env },
    layout,
    secrets,
  );
  const at80 = { ...plan, ports: { ...plan.ports, api: 80 } };
  expect(childEnvironment(await describeStack(at80), at80).API_PORT).toBe('80');
});

it('an API that listens on one address alone is asked there', async () => {
  expect((await environmentOf({ API_HOST: '192.0.2.7' })).PUBLIC_URL).toMatch(/^http:\/\/192\.0\.2\.7:\d+$/);
  expect((await environmentOf({ API_HOST: '0.0.0.0' })).PUBLIC_URL).toMatch(/^http:\/\/localhost:\d+$/);
});

it('what gives access to servers elsewhere does not go with the embedded ones', async () => {
  const elsewhere = {
    TEMPORAL_API_KEY: 'k',
    TEMPORAL_TLS: 'true',
    TEMPORAL_PROFILE: 'cloud',
    TEMPORAL_CONFIG_FILE: '/home/me/temporal.toml',
    TEMPORAL_NAMESPACE: 'pictures',
    AWS_PROFILE: 'me',
    AWS_SESSION_TOKEN: 't',
    AWS_ACCESS_KEY_ID: 'MINE',
    AWS_SECRET_ACCESS_KEY: 'mine',
  };
  const embedded = await environmentOf(elsewhere);
  expect(embedded).not.toHaveProperty('TEMPORAL_API_KEY');
  expect(embedded).not.toHaveProperty('TEMPORAL_TLS');
  expect(embedded).not.toHaveProperty('TEMPORAL_PROFILE');
  expect(embedded).toMatchObject({
    TEMPORAL_NAMESPACE: 'pictures',
    AWS_ACCESS_KEY_ID: 'EMBEDDED',
    AWS_PROFILE: '',
    AWS_SESSION_TOKEN: '',
  });
  expect(embedded.TEMPORAL_CONFIG_FILE).not.toBe('/home/me/temporal.toml');

  const theirs = { TEMPORAL_ADDRESS: 'cloud.example:7233', S3_ENDPOINT: 'https://s3.example' };
  const given = await environmentOf({ ...elsewhere, ...theirs });
  expect(given).toMatchObject({ ...elsewhere, ...theirs });
  // The profile may tell it.
  expect(given).not.toHaveProperty('S3_REGION');
});
