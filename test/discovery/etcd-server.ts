/** Real etcd for a test: one member or several, on free ports, in a directory of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pickPort } from '../../lib/testing/ports.js';
import { until } from '../helpers/package.js';

const run = promisify(execFile);

export interface EtcdServer {
  readonly endpoints: readonly string[];
  readonly directory: string;
  /** `etcdctl` with the endpoints; more arguments where there is TLS or a user. */
  ctl(...args: string[]): Promise<string>;
  kill(member?: number, signal?: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals, member?: number): void;
  /** Starts those that are not running, on the same ports. With `isWiped` without their data. */
  start(isWiped?: boolean): Promise<void>;
  /** The member that leads. */
  leader(): Promise<number>;
  close(): Promise<void>;
}

export interface EtcdServerOptions {
  readonly members?: number;
  /** Flags for each member, as those for TLS. */
  readonly flags?: (directory: string) => readonly string[];
  readonly scheme?: 'http' | 'https';
  /** Flags for `etcdctl`. */
  readonly ctlFlags?: (directory: string) => readonly string[];
}

export async function startEtcd(options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const { members: count = 1, scheme = 'http', flags = () => [], ctlFlags = () => [] } = options;
  const directory = mkdtempSync(join(tmpdir(), 'ih-etcd-'));
  const ports = await Promise.all(Array.from({ length: 2 * count }, pickPort));
  const members = Array.from({ length: count }, (_, index) => ({
    name: `m${index}`,
    client: `${scheme}://127.0.0.1:${ports[index]}`,
    peer: `http://127.0.0.1:${ports[count + index]}`,
    child: null as ChildProcess | null,
  }));
  const endpoints = members.map(({ client }) => client);
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');

  async function ctl(...args: string[]): Promise<string> {
    const env = { ...process.env, ETCDCTL_API: '3' };
    const common = [`--endpoints=${endpoints.join(',')}`, '--command-timeout=10s', ...ctlFlags(directory)];
    const { stdout } = await run('etcdctl', [...common, ...args], { env });
    return stdout;
  }

  async function start(isWiped = false): Promise<void> {
    for (const member of members) {
      if (member.child !== null) continue;
      const data = join(directory, member.name);
      if (isWiped) rmSync(data, { recursive: true, force: true });
      member.child = spawn(
        'etcd',
        [
          ['--name', member.name, '--data-dir', data, '--logger', 'zap', '--log-level', 'panic'],
          ['--listen-client-urls', member.client, '--advertise-client-urls', member.client],
          ['--listen-peer-urls', member.peer, '--initial-advertise-peer-urls', member.peer],
          ['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
          ['--heartbeat-interval', '50', '--election-timeout', '500'],
          flags(directory),
        ].flat(),
        { stdio: 'ignore' },
      );
    }
    await until(
      () =>
        ctl('get', 'x').then(
          () => true,
          () => false,
        ),
      20_000,
    );
  }

  async function kill(index?: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    for (const member of index === undefined ? members : [members[index]!]) {
      const { child } = member;
      if (child === null) continue;
      member.child = null;
      const ended = once(child, 'exit');
      child.kill('SIGCONT');
      child.kill(signal);
      await ended;
    }
  }

  const server: EtcdServer = {
    endpoints,
    directory,
    ctl,
    kill,
    start,
    signal(signal, index) {
      for (const { child } of index === undefined ? members : [members[index]!]) child?.kill(signal);
    },
    leader: () =>
      // There is none while they elect one.
      until(async () => {
        const statuses = JSON.parse(await ctl('endpoint', 'status', '-w', 'json')) as {
          Endpoint: string;
          Status: { header: { member_id: number }; leader: number };
        }[];
        const leading = statuses.find(({ Status }) => Status.header.member_id === Status.leader);
        return leading && { index: endpoints.indexOf(leading.Endpoint) };
      }).then(({ index }) => index),
    async close() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    await start();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}
