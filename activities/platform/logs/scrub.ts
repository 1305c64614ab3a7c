/** Takes secrets out of text that is to be kept: signatures and keys in queries, bearer tokens, passwords in URLs. */
const query =
  /([?&](?:X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|signature|sig|token|access_token|key|api_key|secret)=)[^&\s"'\\<>]+/gi;
const bearer = /(\bBearer\s+)[\w.~+/=-]+/gi;
const password = /(:\/\/[^:/@\s"]*:)[^@/\s"]+@/g;

/** `text` without the secrets that a URL or an Authorization header in it carries. */
export function scrub(text: string): string {
  return text
    .replace(query, '$1[redacted]')
    .replace(bearer, '$1[redacted]')
    .replace(password, '$1[redacted]@');
}
