import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { get } from './download.mjs';

const run = promisify(execFile);
const json = 'application/vnd.pypi.simple.v1+json';

/**
 * The package index that `pip` uses on this machine: PIP_INDEX_URL, else `index-url` of pip's configuration files (the
 * user's before the machine's), else the one that pip itself names. A machine may reach no other than the one named there.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>}
 * @throws {Error} when nothing is configured and pip is not there to tell
 */
export async function packageIndex(env) {
  if (env.PIP_INDEX_URL) return env.PIP_INDEX_URL;
  for (const file of pipConfigurations(env)) {
    const index = readIndexUrl(await readFile(file, 'utf8').catch(() => ''));
    if (index) return index;
  }
  const index = readDefaultIndex(await pipHelp(env));
  if (index) return index;
  throw new Error('no package index is configured, and pip, which would know one, was not found');
}

/**
 * What pip tells of its options; '' where there is none.
 * @param {NodeJS.ProcessEnv} env
 */
async function pipHelp(env) {
  const ask = run('python3', ['-m', 'pip', 'download', '--help'], {
    env: { ...env, COLUMNS: '200' },
    timeout: 30_000,
  });
  const { stdout } = await ask.catch(() => ({ stdout: '' }));
  return stdout;
}

/**
 * The default of `--index-url` in what `pip download --help` prints.
 * @param {string} help
 * @returns {string | undefined}
 */
export function readDefaultIndex(help) {
  return /--index-url\b[^-]*?\(default\s+(\S+?)\)/.exec(help)?.[1];
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]}
 */
function pipConfigurations(env) {
  const home = env.HOME || homedir();
  const own = env.PIP_CONFIG_FILE;
  // pip reads no configuration at all then.
  if (own === '/dev/null') return [];
  return [
    ...(own ? [own] : []),
    ...(process.platform === 'darwin' ? [join(home, 'Library/Application Support/pip/pip.conf')] : []),
    join(env.XDG_CONFIG_HOME || join(home, '.config'), 'pip/pip.conf'),
    join(home, '.pip/pip.conf'),
    '/etc/pip.conf',
    '/etc/xdg/pip/pip.conf',
    ...(process.platform === 'darwin' ? ['/Library/Application Support/pip/pip.conf'] : []),
  ];
}

/**
 * The `index-url` in the text of a pip.conf: of the section [install], else of [global].
 * @param {string} text
 * @returns {string | undefined}
 */
export function readIndexUrl(text) {
  /** @type {Record<string, string>} */
  const found = {};
  let section = '';
  for (const line of text.split('\n')) {
    section = /^\s*\[(.+)\]\s*$/.exec(line)?.[1] ?? section;
    const url = /^\s*index[-_]url\s*[=:]\s*(\S+)/.exec(line)?.[1];
    if (url) found[section] = url;
  }
  return found.install ?? found.global;
}

/**
 * The address of one file of a project in a package index, JSON (PEP 691) or HTML (PEP 503).
 * @param {string} index
 * @param {string} project
 * @param {string} file
 * @param {number} reachBy
 * @returns {Promise<string>}
 * @throws {Error} when the index does not answer or does not list the file
 */
export async function locate(index, project, file, reachBy) {
  const page = `${index.replace(/\/+$/, '')}/${project}/`;
  const answer = await get(page, { reachBy, accept: `${json}, text/html;q=0.5` });
  const text = answer.body.toString('utf8');
  const found = answer.type.startsWith(json) ? inJson(text, file) : inHtml(text, file);
  const host = new URL(page).host;
  if (found === undefined) throw new Error(`${host} does not list ${file}`);
  const url = new URL(found, answer.url);
  const credentials = new URL(page);
  // The index' own files need what the index needed; another host's must not see it.
  if (url.host === credentials.host) {
    url.username = credentials.username;
    url.password = credentials.password;
  }
  return url.href;
}

/**
 * @param {string} text
 * @param {string} file
 * @returns {string | undefined}
 */
function inJson(text, file) {
  /** @type {{ files: { filename: string, url: string }[] }} */
  const { files } = JSON.parse(text);
  return files.find(({ filename }) => filename === file)?.url;
}

/**
 * @param {string} html
 * @param {string} file
 * @returns {string | undefined}
 */
function inHtml(html, file) {
  for (const [, href = '', name = ''] of html.matchAll(
    /<a\s[^>]*?href=["']([^"'#]+)[^"']*["'][^>]*>\s*([^<\s]+)\s*<\/a>/gi,
  )) {
    if (name === file) return href.replaceAll('&amp;', '&');
  }
  return undefined;
}
