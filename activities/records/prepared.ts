/** Names for statements, under which a connection prepares each of them once. */

/** More different texts than the platform has are texts that were put together; those are not worth preparing. */
const most = 500;
const names = new Map<string, string>();

/**
 * The name to prepare a statement under; undefined for one too many. Planning the guarded writes takes several times as long as
 * carrying them out, so Postgres is to do it once a connection, not each time.
 */
export function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= most) return known;
  const name = `darkroom_${names.size + 1}`;
  names.set(text, name);
  return name;
}
