import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ListenResult } from '../../lib/probe/server.js';
import { ENGINES } from './probe-server.js';

function firstUnprivilegedPort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 1024;
  }
}

describe.each(ENGINES)('%s run by an ordinary user', (engine) => {
  test.skipIf(firstUnprivilegedPort() <= 81)('says what it may not do', () => {
    const directory = mkdtempSync(join(tmpdir(), 'probe-'));
    const child = spawnSync(
      process.execPath,
      [join(import.meta.dirname, 'unprivileged.cjs'), engine, join(directory, 'health.sock')],
      { encoding: 'utf8', timeout: 50_000, killSignal: 'SIGKILL' },
    );
    rmSync(directory, { recursive: true });
    expect(child.stderr).toBe('');
    const { port, socket } = JSON.parse(child.stdout) as { port: ListenResult; socket: ListenResult };
    expect(port).toMatchObject({ ok: false, failure: { code: 'ERR_PORT_FORBIDDEN' } });
    expect(port.ok ? '' : port.failure.message).toContain(
      '127.0.0.1:81: expected a port that this user may bind (EACCES)',
    );
    expect(socket).toMatchObject({ ok: false, failure: { code: 'ERR_PORT_FORBIDDEN' } });
    expect(socket.ok ? '' : socket.failure.message).toContain(
      'expected a directory that this user may write to (EACCES)',
    );
  });
});
