/** Path templates: which objects are files of a survey, and of which tile and band. */

const parts = /\{(tile|band|plane)\}|\*|[^{}*]+|[{}]/g;

/** What is wrong with a template, if anything. */
export function templateProblem(path: string): string | undefined {
  for (const [part] of path.matchAll(parts))
    if (part === '{' || part === '}') return 'has { or } that is not {tile}, {band} or {plane}';
  if (!path.includes('{tile}')) return 'lacks {tile}, which tells whose file it is';
  if (path.startsWith('/') || (path.includes('://') && !path.startsWith('s3://')))
    return 'begins with s3://bucket/, or with a name below root';
  return path.startsWith('s3://') && /^s3:\/\/[^/]*[{*]/.test(path)
    ? 'names the bucket without { or *'
    : undefined;
}

/** A template that is made ready for one plane. */
export interface PathTemplate {
  /** `s3://bucket/prefix/` that all of its files lie below. */
  readonly prefix: string;
  /** Tile and band of an object; `band` is '' where the path does not say. Undefined for an object that is none of its files. */
  match(uri: string): { readonly tile: string; readonly band: string } | undefined;
}

export interface TemplateOf {
  readonly path: string;
  readonly root?: string | undefined;
  readonly plane: string;
  /** Names of the bands. */
  readonly bands: readonly string[];
  /** Regular expression of tiles' names. */
  readonly tile: string;
}

/** Throws Error for a relative path without a root. */
export function pathTemplate({ path, root, plane, bands, tile }: TemplateOf): PathTemplate {
  if (!path.startsWith('s3://') && root === undefined)
    throw new Error(
      `${path} is relative, and there is no root: give it in the file, or name s3://bucket/prefix/.`,
    );
  const whole = (path.startsWith('s3://') ? path : `${root}${path}`).replaceAll('{plane}', plane);
  const literal = /^[^{*]*\//.exec(whole)?.[0] ?? whole;
  const seen = new Set<string>();
  const named = (name: 'tile' | 'band', expression: string): string => {
    if (seen.has(name)) return `\\k<${name}>`;
    seen.add(name);
    return `(?<${name}>${expression})`;
  };
  // The longest names first: of `N` and `N2`, both could begin `N2`.
  const anyBand = bands
    .toSorted((a, b) => b.length - a.length)
    .map(escaped)
    .join('|');
  const expression = Array.from(whole.matchAll(parts), ([part, placeholder]) => {
    if (placeholder === 'tile') return named('tile', tile);
    if (placeholder === 'band') return named('band', anyBand);
    return part === '*' ? '[^/]*' : escaped(part);
  }).join('');
  const pattern = new RegExp(`^${expression}$`, 'u');
  return {
    prefix: literal,
    match(uri) {
      const found = pattern.exec(uri)?.groups;
      return found?.tile === undefined ? undefined : { tile: found.tile, band: found.band ?? '' };
    },
  };
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
