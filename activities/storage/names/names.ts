const MAX_NAME_BYTES = 200;
const MAX_EXTENSION_BYTES = 20;

// Control, format (all direction marks, zero-width characters, byte order mark), private and unassigned characters, line separators.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

function cutToBytes(text: string, limit: number): string {
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > limit) break;
    kept += character;
  }
  return kept;
}

/**
 * A file name that is safe as the last segment of a key: no directories, control or direction characters, no leading
 * dots or outer blanks, at most 200 bytes of UTF-8 (the extension is kept), never empty (`file`). Applying it twice changes nothing.
 */
export function safeName(filename: string): string {
  const last = filename.split(/[/\\]/).pop() ?? '';
  const clean = last
    .toWellFormed()
    .replaceAll(UNSAFE, '')
    .normalize('NFC')
    .replace(/^[\s.]+/u, '')
    .trimEnd();
  if (clean === '') return 'file';
  if (Buffer.byteLength(clean) <= MAX_NAME_BYTES) return clean;
  const dot = clean.lastIndexOf('.');
  const tail = dot > 0 ? clean.slice(dot) : '';
  const extension = Buffer.byteLength(tail) <= MAX_EXTENSION_BYTES ? tail : '';
  const stem = clean.slice(0, clean.length - extension.length);
  return (cutToBytes(stem, MAX_NAME_BYTES - Buffer.byteLength(extension)) + extension).trimEnd();
}

/**
 * The Content-Disposition of a download, RFC 6266: an ASCII `filename` for old clients and `filename*` (RFC 8187) with
 * the real name, made safe by {@link safeName} first.
 */
export function contentDisposition(filename: string, type: 'attachment' | 'inline' = 'attachment'): string {
  const name = safeName(filename);
  const ascii = name.replaceAll(/[^\x20-\x7e]/gu, '_').replaceAll(/["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${type}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
