/** etcd and NATS as members of a fleet: real ones, from where the system keeps them. */
import { existsSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { InferenceHealthError } from '../errors.js';
import { createMember, type Member } from './member.js';
import { pickPort } from './ports.js';
import type { Timeline } from './timeline.js';

/** Where a program is that is not always in the path of a normal user. */
export function findProgram(name: string, packageName: string): string {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/bin',
  ];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined)
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `the fleet needs the program ${name}, on Debian in the package ${packageName}`,
    );
  return found;
}

export interface Etcd {
  readonly members: readonly Member[];
  readonly endpoints: readonly string[];
  /** The one that leads; null: none does. */
  leader(): Promise<Member | null>;
  /** Resolves when a write would succeed. */
  hasQuorum(limitMs?: number): Promise<void>;
  compact(): Promise<void>;
  /** Ends all, deletes what they know, and starts them anew. */
  wipe(): Promise<void>;
}

const QUORUM_LIMIT_MS = 30_000;

export async function startEtcd(count: number, folder: string, timeline: Timeline): Promise<Etcd> {
  const program = findProgram('etcd', 'etcd-server');
  const ports = await Promise.all(Array.from({ length: count }, () => Promise.all([pickPort(), pickPort()])));
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  const cluster = ports.map(([, peer], index) => `etcd-${index}=${url(peer)}`).join(',');
  const data = (index: number): string => join(folder, `etcd-${index}`);
  const members = ports.map(([client, peer], index) =>
    createMember(
      {
        name: `etcd-${index}`,
        kind: 'etcd',
        url: url(client),
        restarts: true,
        restartDelayMs: 0,
        command: () => [
          program,
          ...[
            '--name',
            `etcd-${index}`,
            '--data-dir',
            data(index),
            '--logger',
            'zap',
            '--log-level',
            'error',
          ],
          ...['--listen-client-urls', url(client), '--advertise-client-urls', url(client)],
          ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(peer)],
          ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
          // What is tested is not the disk of the machine that tests.
          '--unsafe-no-fsync',
        ],
        ready: () => answers(`${url(client)}/version`),
      },
      timeline,
    ),
  );
  const status = async (
    member: Member,
  ): Promise<{ header: { member_id: string; revision: string }; leader: string }> =>
    (await ask(member, '/v3/maintenance/status', {})) as never;

  async function leader(): Promise<Member | null> {
    for (const member of members) {
      const seen = await status(member).catch(() => null);
      if (seen !== null && seen.leader !== '0' && seen.leader === seen.header.member_id) return member;
    }
    return null;
  }

  async function hasQuorum(limitMs = QUORUM_LIMIT_MS): Promise<void> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const healthy = await Promise.all(members.map((member) => isHealthy(member)));
      if (healthy.some(Boolean)) return;
      if (Date.now() > deadline) throw new Error(`etcd has no quorum after ${limitMs} ms`);
      await wait(50);
    }
  }

  await Promise.all(members.map((member) => member.start()));
  await hasQuorum();
  return {
    members,
    endpoints: members.map((member) => member.url),
    leader,
    hasQuorum,
    async compact() {
      const member = (await leader()) ?? members[0];
      if (member === undefined) return;
      const { header } = await status(member);
      await ask(member, '/v3/kv/compaction', { revision: header.revision, physical: true });
    },
    async wipe() {
      const starts = members.map((member) => member.starts);
      for (const member of members) {
        member.hold();
        member.expectExit();
        member.process?.signal('SIGKILL');
      }
      await Promise.all(members.map((member) => member.process?.exited));
      for (const index of members.keys()) rmSync(data(index), { recursive: true, force: true });
      for (const member of members) member.release();
      await Promise.all(members.map((member, index) => member.serves((starts[index] ?? 0) + 1)));
      await hasQuorum();
    },
  };
}

export async function startNats(timeline: Timeline): Promise<Member> {
  const program = findProgram('nats-server', 'nats-server');
  const [port, monitor] = [await pickPort(), await pickPort()];
  const member = createMember(
    {
      name: 'nats',
      kind: 'nats',
      url: `nats://127.0.0.1:${port}`,
      restarts: true,
      restartDelayMs: 0,
      command: () => [program, '-a', '127.0.0.1', '-p', String(port), '-m', String(monitor)],
      ready: () => answers(`http://127.0.0.1:${monitor}/healthz`),
    },
    timeline,
  );
  await member.start();
  return member;
}

async function ask(member: Member, path: string, body: object): Promise<unknown> {
  const response = await fetch(member.url + path, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(1000),
  });
  if (!response.ok) throw new Error(`${member.name} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

async function isHealthy(member: Member): Promise<boolean> {
  try {
    const response = await fetch(`${member.url}/health`, { signal: AbortSignal.timeout(1000) });
    return ((await response.json()) as { health: string }).health === 'true';
  } catch {
    return false;
  }
}

/** Until it answers anything: who waits ends by the limit of a start. */
async function answers(url: string): Promise<void> {
  for (;;) {
    try {
      await (await fetch(url, { signal: AbortSignal.timeout(1000) })).arrayBuffer();
      return;
    } catch {
      await wait(20);
    }
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
