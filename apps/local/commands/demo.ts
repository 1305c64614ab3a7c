import type { Command } from '../cli.ts';
export const demo: Command = { help: '', run: async () => 2 };
