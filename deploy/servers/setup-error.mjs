/** An error whose message is the whole story for the person at the terminal: what is wrong and what to do. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}
