/** Compiles passes.wat into passes-code.ts: `node activities/recognition/picture/resize/compile-passes.ts`. */
import { readFile, writeFile } from 'node:fs/promises';
import wabt from 'wabt';

const source = new URL('passes.wat', import.meta.url);
const target = new URL('passes-code.ts', import.meta.url);

/** The module, as base64. */
export async function compilePasses(): Promise<string> {
  const compiler = await wabt();
  const parsed = compiler.parseWat('passes.wat', await readFile(source, 'utf8'), { simd: true });
  try {
    return Buffer.from(parsed.toBinary({}).buffer).toString('base64');
  } finally {
    parsed.destroy();
  }
}

if (import.meta.main) {
  const head = '/** passes.wat as WebAssembly, base64; made by compile-passes.ts. */';
  await writeFile(target, `${head}\nexport const passesCode =\n  '${await compilePasses()}';\n`);
}
