/**
 * Holds the arrows between the packages as the design draws them: reads every import of every source file and names
 * those that point the wrong way, and lines of the frame that know a kind by its name. Exit code 1 when there are any.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Import {
  /** What is imported, as written. */
  readonly specifier: string;
  /** Erased before it runs: `import type`, `export type`. */
  readonly typeOnly: boolean;
}

const contract = ['contract'];
/** How the real servers are had and run: for the local stack and the tests. */
const servers = 'servers';
const platform = [...contract, 'platform'];
const storage = [...platform, 'storage'];
/** What work will take, by what others took. */
const estimates = [...platform, 'records'];
const frame = [...storage, 'records', 'estimates', 'frame'];
/** And what has work done outside the process. */
const program = [...frame, 'program', 'lane'];
const dispatch = [...storage, 'records', 'estimates', 'dispatch'];
/** What models there are, and who has them open: workers tell it, and the API decides by it. */
const models = [...contract, 'records'];
/** What analysis found, of photos and videos alike: two capabilities write it, and the API reads it. */
const analysis = [...contract, 'records', 'models'];
/** Records of predictions, and how they are gathered: a capability writes them, and the API asks for them. */
const prediction = [...platform, 'records'];
/** The registration of each kind, with the tables that it has in its capability. */
const kinds = [...analysis, 'analysis', 'prediction', 'sky', 'kinds'];
const capabilities = ['media', 'recognition', 'sky', 'pointcloud', 'raster', 'notify'];
const everything = [
  ...program,
  'dispatch',
  ...kinds,
  'prediction',
  ...capabilities,
  'workflows',
  'api',
  'worker',
  'local',
  servers,
  'console',
  'test',
];

/** Which packages a package may import, itself aside. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  platform: contract,
  storage: platform,
  records: platform,
  estimates,
  frame: [...storage, 'records', 'estimates'],
  program: frame,
  lane: platform,
  dispatch: [...storage, 'records', 'estimates'],
  models,
  analysis,
  prediction,
  kinds,
  ...Object.fromEntries(capabilities.map((name) => [name, program])),
  media: [...program, 'analysis', 'models'],
  // Its set-up gets a Python package the way the servers are had.
  recognition: [...program, 'analysis', 'models', 'prediction', servers],
  // As types alone, see below: activities are proxied, never loaded into the workflow bundle.
  workflows: [...program, ...capabilities, 'dispatch'],
  api: [...dispatch, ...program, ...kinds, 'prediction', ...capabilities, 'workflows'],
  worker: [...dispatch, ...program, ...kinds, 'prediction', ...capabilities, 'workflows'],
  servers: [],
  local: [servers, ...dispatch, ...program, ...kinds, ...capabilities, 'workflows'],
  console: contract,
  test: everything,
};

/** Only these may hold a Temporal client. */
const clientHolders = ['dispatch', 'worker', 'test'];
/** What a workflow's code may load besides its own files: all else would reach the workflow bundle. */
const workflowRuntime = [
  '@temporalio/workflow',
  '@temporalio/common',
  '@temporalio/interceptors-opentelemetry-v2',
];

/** The imports of a TypeScript source, static, dynamic and re-exported. Sources are formatted: a statement starts its line. */
export function readImports(source: string): Import[] {
  const statement = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w*\s{},$]+?\sfrom\s+)?['"]([^'"\n]+)['"]/gm;
  const call = /\b(?:import|require|import\.meta\.resolve)\(\s*['"]([^'"\n]+)['"]/g;
  return [
    ...[...source.matchAll(statement)].map((match) => ({
      specifier: match[2] ?? '',
      typeOnly: match[1] !== undefined,
    })),
    ...[...source.matchAll(call)].map((match) => ({ specifier: match[1] ?? '', typeOnly: false })),
  ];
}

/** The package of a file, by its path from the root; undefined for what belongs to none. */
export function packageOf(path: string): string | undefined {
  const [top, second] = path.split(sep);
  if (top === 'apps' || top === 'activities' || top === 'deploy') return second;
  if (top === 'workflows') return second === 'contract' ? 'contract' : 'workflows';
  return top === 'test' ? 'test' : undefined;
}

/** What is wrong with one import of the file at `path` (from the root), if anything. */
export function judge(path: string, { specifier, typeOnly }: Import): string | undefined {
  const from = packageOf(path);
  if (from === undefined || from === 'test') return undefined;
  const to = targetOf(path, specifier);
  const isTest = path.endsWith('.test.ts') || path.endsWith('/testing.ts');
  if (to === undefined) return judgeForeign(from, specifier, typeOnly, isTest);
  // A package's own tests may use the fixtures that cross packages, and the real servers.
  if (to === from || (isTest && (to === 'test' || to === servers))) return undefined;
  const may = allowed[from];
  if (!may) return `${from} is not in the picture yet: draw its arrows in test/arrows.ts`;
  if (!may.includes(to)) return `${from} must not import ${to}`;
  if (from === 'workflows' && !typeOnly && !isTest) return `workflow code may import only types of ${to}`;
  return undefined;
}

function judgeForeign(
  from: string,
  specifier: string,
  typeOnly: boolean,
  isTest: boolean,
): string | undefined {
  if (isTest || typeOnly) return undefined;
  if (specifier.startsWith('@temporalio/client') && !clientHolders.includes(from)) {
    return 'only dispatch holds a Temporal client';
  }
  const runtime = workflowRuntime.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  if (from === 'workflows' && !runtime) return `${specifier} must not reach the workflow bundle`;
  return undefined;
}

function targetOf(path: string, specifier: string): string | undefined {
  const own = /^@darkroom\/([\w-]+)/.exec(specifier);
  if (own) return own[1];
  if (!specifier.startsWith('.')) return undefined;
  return packageOf(relative('.', resolve(dirname(path), specifier)));
}

/** Packages that carry jobs of any kind; what they know of one comes in by its definition. */
const kindless = ['frame', 'dispatch', 'records', 'estimates'];
/** What only jobs of some kinds have. `task queue` is Temporal's word. */
const ofSomeKinds = /photo|video|segment|\btask(?!.?queue)/i;

/** Lines of the file at `path` (from the root) that know a kind by its name, though its package must not. */
export function kindsNamed(path: string, source: string): string[] {
  const isCode = /\.ts$/.test(path) && !/\.test\.ts$|\/testing\.ts$|\/fixtures\/|\/migrations\//.test(path);
  if (!isCode || !kindless.includes(packageOf(path) ?? '')) return [];
  return source
    .split('\n')
    .flatMap((line, index) => (ofSomeKinds.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}

export function sources(root: string): string[] {
  return ['apps', 'activities', 'deploy', 'workflows', 'test'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|mts|mjs)$/.test(file) && !/(^|\/)(node_modules|dist|\.turbo)\//.test(file))
      .map((file) => join(top, file)),
  );
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  process.chdir(root);
  const files = sources(root);
  const wrong = files.flatMap((file) => {
    const source = readFileSync(file, 'utf8');
    return [
      ...readImports(source).flatMap((one) => {
        const problem = judge(file, one);
        return problem ? [`${file}: ${one.specifier}: ${problem}`] : [];
      }),
      ...kindsNamed(file, source).map((line) => `${line}: the package must not know this kind`),
    ];
  });
  for (const line of wrong) console.error(line);
  console.log(
    `${files.length} files, ${wrong.length} arrows that point the wrong way or kinds known by name`,
  );
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
