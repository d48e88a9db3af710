import { spawnSync } from 'node:child_process';
import { root } from './paths.mjs';

/**
 * Not every machine loads uWebSockets.js: its newer builds need glibc 2.38, and there is one for each Node.
 * @returns {string | null} why it does not load here, or null
 */
export function whyNoUws() {
  const name = `@uwsjs/linux-${process.arch}-${process.versions.node.split('.')[0]}`;
  const script = `try { require('uWebSockets.js') } catch { require('${name}') }`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  return status === 0 ? null : (/^Error: (.+)$/m.exec(stderr)?.[1] ?? `${name} does not load`);
}
