// Plain JavaScript for whatever Node (>= 20) the machine has: installs what is missing, then hands over to the
// Node 24 that came with the install, which runs the TypeScript sources as they are.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
// By path: the packages are not installed yet. These files need none.
import { homeFolder, repository, toolsFolder } from '../../deploy/servers/home.mjs';
import { lock } from '../../deploy/servers/lock.mjs';
import { temporalTool, versitygwTool } from '../../deploy/servers/obtain/pins.mjs';
import { ensureProgram, findTool } from '../../deploy/servers/obtain/toolchain.mjs';

const began = Date.now();
/** npm, then the command itself. @type {import('node:child_process').ChildProcess | undefined} */
let current;
const bin = join(repository, 'node_modules', '.bin');
const [command] = process.argv.slice(2);
/** @type {{ name: string, from: number, to: number }[]} */
const steps = [];

/** @param {string} line */
function stop(line) {
  console.error(line);
  process.exit(1);
}

/** Installed, and not older than the lock file: npm writes node_modules/.package-lock.json at the end of an install. */
function isInstalled() {
  const marker = join(repository, 'node_modules', '.package-lock.json');
  if (!existsSync(marker) || !existsSync(join(bin, 'node'))) return false;
  return statSync(marker).mtimeMs >= statSync(join(repository, 'package-lock.json')).mtimeMs;
}

// A terminal sends Ctrl-C to the whole group, so whoever works has it already; passing it on would count it twice.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    // Nobody works yet: this process waits for packages that another installs.
    if (!current) process.exit(128 + constants.signals[signal]);
    if (signal !== 'SIGINT' || !process.stdin.isTTY) current.kill(signal);
  });
}
/** @type {Map<string, string>} */
const details = new Map();

/** What the one progress line shows of a server program while packages are installed. */
const listener = (/** @type {string} */ name) => ({
  say: () => {},
  progress: () => ({
    update: (/** @type {string} */ text) => details.set(name, text),
    done: () => details.delete(name),
  }),
});

/**
 * Gets the server programs while npm works, and goes on with what takes longer when the rest has begun, which waits for it.
 * What cannot be had here is tried again there, and told.
 */
async function getServers() {
  const one = async (/** @type {import('../../deploy/servers/obtain/pins.mjs').Tool} */ tool) => {
    const origin = await findTool(tool, toolsFolder());
    if (origin.kind !== 'address') await ensureProgram(tool, origin, listener(tool.name)).catch(() => {});
  };
  await Promise.all([one(temporalTool), one(versitygwTool)]);
}

/** Node's report names the glibc that it runs with, if it runs with one. */
function isMusl() {
  Object.assign(process.report, { excludeNetwork: true });
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header?.glibcVersionRuntime === undefined;
}

async function install() {
  if (spawnSync('npm', ['--version'], { stdio: 'ignore' }).error) {
    stop('npm was not found. It comes with Node.js: install Node.js 20 or later from https://nodejs.org.');
  }
  if (command === 'demo' || command === 'start' || command === 'test') void getServers();
  const started = Date.now();
  const tty = process.stdout.isTTY;
  const line = () => `Installing packages with npm ci ${Math.round((Date.now() - started) / 1000)} s`;
  const draw = () => {
    const servers = [...details].map(([name, text]) => `${name}: ${text}`);
    const text = [line(), ...servers].join(' · ');
    process.stdout.write(`\r\x1b[K${text.slice(0, Math.max(20, (process.stdout.columns ?? 80) - 1))}`);
  };
  if (!tty)
    console.log(
      'Installing packages with npm ci and getting the servers; the first time takes a minute or two.',
    );
  const timer = setInterval(() => tty && draw(), 500);
  // The install scripts of onnxruntime-node and node-av would fetch CUDA libraries and an ffmpeg program; neither is needed.
  const child = spawn('npm', ['ci', '--no-progress', '--loglevel=error'], {
    cwd: repository,
    env: { ONNXRUNTIME_NODE_INSTALL: 'skip', SKIP_FFMPEG: 'true', ...process.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  current = child;
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  current = undefined;
  clearInterval(timer);
  if (tty) process.stdout.write('\r\x1b[K');
  if (code !== 0) {
    console.error(output.trim());
    stop(`npm ci failed (exit ${code}). Read the lines above, then run the same command again.`);
  }
  steps.push({ name: 'npm ci', from: started, to: Date.now() });
  console.log(line().replace('Installing packages', 'Installed packages'));
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  stop(`Node.js ${process.versions.node} is too old: install Node.js 20 or later from https://nodejs.org.`);
}
if (process.platform === 'win32') {
  stop(
    'Darkroom runs on Linux and macOS. On Windows, clone it into WSL 2 (https://learn.microsoft.com/windows/wsl) and run it there.',
  );
}
if (process.platform === 'linux' && isMusl()) {
  stop(
    'This Linux has musl for a C library (Alpine does), and packages that Darkroom needs come for glibc. ' +
      'Run it on Debian, Ubuntu, Fedora or another with glibc, or in a container of one (node:24-bookworm).',
  );
}
if (!isInstalled()) {
  // Two at once would remove each other's packages.
  const held = await lock(join(homeFolder(), 'install'), (holder) =>
    console.log(`Waiting for the packages, which another command installs (pid ${holder}).`),
  );
  if (!isInstalled()) await install();
  await held.release();
}

const child = spawn(
  join(bin, 'node'),
  [join(repository, 'apps', 'local', 'cli.ts'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
      // Who takes it takes it out: to everything else it is a variable that nobody knows.
      ...(command === 'demo' || command === 'start'
        ? { DARKROOM_BOOTSTRAP: JSON.stringify({ began, steps }) }
        : {}),
    },
  },
);
current = child;
child.on('error', (error) =>
  stop(`Node 24 of this repository could not be started (${error.message}). Run npm ci.`),
);
child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)));
