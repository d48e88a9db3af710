// `npm test` first: what the tests need beyond npm. Costs one look through PATH per tool when all are there.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Tools by the Debian package that has them. */
const packages = [{ name: 'prometheus', tools: ['promtool', 'prometheus'] }];

function isInstalled(tool) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const missing = packages.filter(({ tools }) => !tools.every(isInstalled));
if (missing.length > 0) install(missing.map(({ name }) => name));

function install(names) {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...names];
  const byHand = `apt-get update && ${install.join(' ')}`;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !isInstalled('apt-get')) {
    stop(`The tests need ${names.join(', ')}. Install it with:\n\n  sudo sh -c '${byHand}'\n`);
  }
  console.error(`prepare-tests: installing ${names.join(', ')}`);
  // Package lists may be absent or old on a fresh machine, so update comes first; its failure shows in the install.
  run(['apt-get', 'update', '-qq']);
  if (run(install) !== 0) stop(`Installing ${names.join(', ')} failed. By hand:\n\n  ${byHand}\n`);
  const absent = packages.flatMap(({ tools }) => tools).filter((tool) => !isInstalled(tool));
  if (absent.length > 0) stop(`Still not in PATH after the installation: ${absent.join(', ')}`);
}

function run([command, ...args]) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status ?? 1;
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
