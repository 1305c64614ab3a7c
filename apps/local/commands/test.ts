import type { Command } from '../cli.ts';
export const test: Command = { help: '', run: async () => 2 };
