import type { ErrorCode } from '../errors.js';
import type { ListenFailure, ListenTarget } from './server.js';

/** How a target is written in messages and logs: `127.0.0.1:8081`, `[::]:8081`, `unix:/run/health.sock`. */
export function targetName(target: ListenTarget): string {
  if (target.kind === 'unix') return `unix:${target.path}`;
  const host = target.host ?? '*';
  return host.includes(':') ? `[${host}]:${target.port}` : `${host}:${target.port}`;
}

export function listenFailure(target: ListenTarget, code: ErrorCode, reason: string): ListenFailure {
  return { code, message: `Cannot listen on ${targetName(target)}: ${reason}` };
}

export function closedFailure(target: ListenTarget): ListenFailure {
  return listenFailure(target, 'ERR_CLOSED', 'the probe server is closed.');
}

/** Names the cause that the system gave, and what to do about it. */
export function failureFromErrno(
  target: ListenTarget,
  errno: string | undefined,
  detail = '',
): ListenFailure {
  return target.kind === 'unix' ? unixFailure(target, errno, detail) : tcpFailure(target, errno, detail);
}

function tcpFailure(
  target: ListenTarget & { kind: 'tcp' },
  errno: string | undefined,
  detail: string,
): ListenFailure {
  switch (errno) {
    case 'EADDRINUSE':
      return listenFailure(
        target,
        'ERR_PORT_IN_USE',
        `expected a free port, but another socket listens there (EADDRINUSE). Choose another \`port\` (0 takes any free one), or stop its owner: \`ss -ltnp 'sport = :${target.port}'\` shows it.`,
      );
    case 'EACCES':
    case 'EPERM':
      return listenFailure(
        target,
        'ERR_PORT_FORBIDDEN',
        `expected a port that this user may bind (${errno}). Use a port of 1024 or above, or grant CAP_NET_BIND_SERVICE; a seccomp or LSM policy can forbid it too.`,
      );
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
    case 'ENODEV':
      return listenFailure(
        target,
        'ERR_HOST_INVALID',
        `expected an address of this machine (${errno}). Use '127.0.0.1', '::1', the address of one of its interfaces, or null for all of them.`,
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return listenFailure(
        target,
        'ERR_HOST_INVALID',
        `expected an address of this machine, or a name that leads to one (${errno}). Use '127.0.0.1', or '0.0.0.0' for all of them.`,
      );
    default:
      return unexpected(target, errno, detail);
  }
}

function unixFailure(
  target: ListenTarget & { kind: 'unix' },
  errno: string | undefined,
  detail: string,
): ListenFailure {
  switch (errno) {
    case 'EADDRINUSE':
    case 'EEXIST':
      return listenFailure(
        target,
        'ERR_PORT_IN_USE',
        'expected a free path, but another process took it in the same moment. Choose another path, or stop that process.',
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return listenFailure(
        target,
        'ERR_PORT_FORBIDDEN',
        `expected a directory that this user may write to (${errno}). Choose another directory, or change its permissions.`,
      );
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
    case 'EINVAL':
      return listenFailure(
        target,
        'ERR_HOST_INVALID',
        `expected a path in a directory that exists (${errno}). Create the directory first, or choose another path.`,
      );
    default:
      return unexpected(target, errno, detail);
  }
}

/** Out of descriptors, out of memory, a full disk: nothing is wrong with the address, but the port cannot be had now. */
function unexpected(target: ListenTarget, errno: string | undefined, detail: string): ListenFailure {
  const cause = [errno, detail].filter((part) => part !== undefined && part !== '').join(': ');
  return listenFailure(
    target,
    'ERR_PORT_IN_USE',
    `the system refused it (${cause === '' ? 'no cause given' : cause}). Check the limit on open files (\`ulimit -n\`) and free memory, then try again.`,
  );
}
