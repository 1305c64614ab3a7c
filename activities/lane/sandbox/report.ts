/** How much of a sandbox there must be. */
import { type SandboxReport, sandboxLacks } from '@darkroom/contract/sandbox.ts';

export type SandboxMode = 'auto' | 'required' | 'off';

/** The sandbox is required, and this system does not give it. */
export class SandboxLacking extends Error {
  override readonly name = 'SandboxLacking';

  constructor(report: SandboxReport) {
    super(
      `The sandbox is required (SANDBOX), and this system lacks ${sandboxLacks(report).join(', ')}: ${report.missing.join('; ')}. ` +
        'Linux 5.13 or later with Landlock and seccomp gives it; SANDBOX=auto goes without what is lacking.',
    );
  }
}
