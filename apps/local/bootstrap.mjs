// Plain JavaScript for whatever Node (>= 20) the machine has: installs what is missing, then hands over to the
// Node 24 that came with the install, which runs the TypeScript sources as they are.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'node_modules', '.bin');

function stop(line) {
  console.error(line);
  process.exit(1);
}

/** Installed, and not older than the lock file: npm writes node_modules/.package-lock.json at the end of an install. */
function isInstalled() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(marker) || !existsSync(join(bin, 'node'))) return false;
  return statSync(marker).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

async function install() {
  if (spawnSync('npm', ['--version'], { stdio: 'ignore' }).error) {
    stop('npm was not found. It comes with Node.js: install Node.js 20 or later from https://nodejs.org.');
  }
  const started = Date.now();
  const tty = process.stdout.isTTY;
  const line = () => `Installing packages with npm ci (${Math.round((Date.now() - started) / 1000)} s)`;
  if (!tty) console.log('Installing packages with npm ci; the first time takes a minute or two.');
  const timer = setInterval(() => tty && process.stdout.write(`\r${line()} `), 1000);
  // The install scripts of onnxruntime-node and node-av would fetch CUDA libraries and an ffmpeg program; neither is needed.
  const child = spawn('npm', ['ci', '--no-progress', '--loglevel=error'], {
    cwd: root,
    env: { ONNXRUNTIME_NODE_INSTALL: 'skip', SKIP_FFMPEG: 'true', ...process.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  if (tty) process.stdout.write('\r\x1b[K');
  if (code !== 0) {
    console.error(output.trim());
    stop(`npm ci failed (exit ${code}). Read the lines above, then run the same command again.`);
  }
  console.log(line().replace('Installing packages', 'Installed packages'));
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  stop(`Node.js ${process.versions.node} is too old: install Node.js 20 or later from https://nodejs.org.`);
}
if (!isInstalled()) await install();

const child = spawn(join(bin, 'node'), [join(root, 'apps', 'local', 'cli.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
});
// A terminal sends Ctrl-C to the whole group, so the child has it already; passing it on would count it twice.
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT');
});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) =>
  stop(`Node 24 of this repository could not be started (${error.message}). Run npm ci.`),
);
child.on('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
