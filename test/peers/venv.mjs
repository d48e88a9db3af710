// Python packages of a run, in an environment of their own inside its folder.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Says what is missing, instead of the stack of a failed spawn. */
export class Missing extends Error {}

/** @returns the interpreter that has the packages */
export function pythonWith({ kind, packages }, folder) {
  if (packages === null)
    throw new Missing(`--python PATH: expected an interpreter that has ${kind}, got none`);
  const python = join(folder, 'bin', 'python');
  if (!existsSync(python)) {
    const { status, error, stderr } = spawnSync('python3', ['-m', 'venv', folder], { encoding: 'utf8' });
    if (error !== undefined)
      throw new Missing('python3 3.10 or newer with venv and pip is needed: there is none');
    if (status !== 0)
      throw new Missing(`python3 -m venv failed (on Debian: apt-get install python3-venv): ${stderr}`);
  }
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:'];
  const { status } = spawnSync(python, [...args, ...packages], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Missing(`pip could not install ${packages.join(' ')}: see above`);
  return python;
}
