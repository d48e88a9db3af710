import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, resolve } from 'node:path';

const runtimes = '/usr/lib/llvm-19/lib/clang/19/lib/linux';
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';

/** What the scripts need beyond npm: the Debian package, and the commands or files by which it is recognised. */
const compiler = [
  { debian: 'g++', commands: ['g++'] },
  { debian: 'make', commands: ['make'] },
  { debian: 'python3', commands: ['python3'] },
];
const groups = {
  test: [
    ...compiler,
    { debian: 'cmake', commands: ['cmake'] },
    { debian: 'g++-aarch64-linux-gnu', commands: ['aarch64-linux-gnu-g++'] },
    { debian: 'qemu-user', commands: ['qemu-aarch64'] },
    { debian: 'prometheus', commands: ['prometheus', 'promtool'] },
    { debian: 'etcd-server', commands: ['etcd'] },
    { debian: 'etcd-client', commands: ['etcdctl'] },
    // Debian puts it where a normal user's PATH does not lead.
    { debian: 'nats-server', commands: ['/usr/sbin/nats-server'] },
  ],
  sanitize: [
    ...compiler,
    { debian: 'cmake', commands: ['cmake'] },
    { debian: 'clang-19', commands: ['clang++-19'] },
    { debian: 'libclang-rt-19-dev', commands: [`${runtimes}/libclang_rt.fuzzer-${machine}.a`] },
  ],
};

/** Whether a command is in PATH, or a file is there. */
export function isInstalled(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(resolve(folder, command), isAbsolute(command) ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The command that installs Debian packages, as a person would type it. */
export function aptGet(packages) {
  return `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** Installs what is missing where this user may (root, apt-get); otherwise ends the process with the command to run. */
export function requireTools(...names) {
  const needed = names.flatMap((name) => groups[name]);
  const lacking = needed.filter(({ commands }) => !commands.every(isInstalled));
  const missing = [...new Set(lacking.map(({ debian }) => debian))];
  if (missing.length === 0) return;
  const command = aptGet(missing);
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    stop(`Missing: ${missing.join(', ')}. Install with:\n\n  sudo sh -c '${command}'\n`);
  }
  console.error(`Installing ${missing.join(', ')}`);
  const { status } = spawnSync('sh', ['-c', command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) stop(`The installation failed. By hand:\n\n  ${command}\n`);
  const absent = needed.flatMap(({ commands }) => commands).filter((name) => !isInstalled(name));
  if (absent.length > 0) stop(`Still not in PATH after the installation: ${absent.join(', ')}`);
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
