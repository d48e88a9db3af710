import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(fileURLToPath(new URL('.', import.meta.url)), 'node_modules');

export interface NodeBinary {
  readonly major: number;
  readonly path: string;
}

/** The running Node and the other versions that are installed here; scripts/prepare-tests.mjs installs them on x64. */
export function nodeBinaries(): readonly NodeBinary[] {
  const running = { major: Number(process.versions.node.split('.')[0]), path: process.execPath };
  const others = [22, 24, 26].map((major) => ({ major, path: join(folder, `node-${major}/bin/node`) }));
  return [running, ...others.filter(({ major, path }) => major !== running.major && existsSync(path))];
}

/** A Node for arm64, to be run by qemu. */
export const ARM64_NODE = join(folder, 'node-arm64/bin/node');
