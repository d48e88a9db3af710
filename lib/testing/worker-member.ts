/** A worker of a fleet: what command it is, what stands between it and the others, how its engine is stopped. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { createMember, type Member } from './member.js';
import { pickPort } from './ports.js';
import { type FaultProxy, startProxy } from './proxy.js';
import type { NamedWorker } from './scenario.js';
import type { Timeline } from './timeline.js';

/** A fake driver that one worker sees. The repository of this package has one: docs/gpu-testing.md. */
export interface FakeGpus {
  /** For the worker's process. */
  readonly env: Readonly<Record<string, string>>;
  xid(gpu: number, xid: number): void;
  close(): void;
}

export interface FleetWorker extends Member {
  readonly spec: NamedWorker;
  /** Where frontends reach it: itself, or the proxy before it. */
  readonly routedUrl: string;
  readonly links: {
    readonly frontend: FaultProxy | null;
    readonly etcd: readonly FaultProxy[];
    readonly nats: FaultProxy | null;
  };
  readonly gpus: FakeGpus | null;
  /** Lets the engine stand still though the worker's process lives. */
  hang(isHung: boolean): void;
}

export interface WorkerContext {
  readonly timeline: Timeline;
  /** Of the fleet: what its processes keep in a run directory is no other fleet's. */
  readonly folder: string;
  readonly links: readonly ('frontend' | 'etcd' | 'nats')[];
  readonly etcd: readonly string[];
  readonly nats: string | null;
  readonly leaseTtlSeconds: number;
  readonly restart: boolean;
  readonly restartDelayMs: number;
  /** Path of a GGUF file for `llama` without a model. */
  model(): Promise<string>;
  fakeGpu: ((name: string, gpus: number) => FakeGpus) | undefined;
}

export const CLI = join(__dirname, '../cli/main.js');
const TOY = join(__dirname, 'toy-worker.js');

export async function createWorker(spec: NamedWorker, context: WorkerContext): Promise<FleetWorker> {
  const { name, engine = 'toy' } = spec;
  const port = await pickPort();
  const url = `http://127.0.0.1:${port}`;
  const isLinked = (link: 'frontend' | 'etcd' | 'nats'): boolean => context.links.includes(link);
  const frontend = isLinked('frontend') ? await startProxy({ target: url }) : null;
  const etcd = isLinked('etcd')
    ? await Promise.all(context.etcd.map((target) => startProxy({ target })))
    : [];
  const nats = isLinked('nats') && context.nats !== null ? await startProxy({ target: context.nats }) : null;
  const gpus = (spec.gpus ?? 0) > 0 ? (context.fakeGpu?.(name, spec.gpus ?? 0) ?? null) : null;
  const model =
    engine === 'llama' && spec.command === undefined ? (spec.model ?? (await context.model())) : '';
  const routedUrl = frontend?.url ?? url;
  const endpoints = isLinked('etcd') ? etcd.map((proxy) => proxy.url) : context.etcd;
  const env: Record<string, string> = {
    XDG_RUNTIME_DIR: context.folder,
    ...(endpoints.length === 0
      ? {}
      : {
          DYN_DISCOVERY_BACKEND: 'etcd',
          ETCD_ENDPOINTS: endpoints.join(','),
          ETCD_LEASE_TTL: String(context.leaseTtlSeconds),
        }),
    ...(context.nats === null
      ? {}
      : { NATS_SERVER: nats === null ? context.nats : `nats://127.0.0.1:${nats.port}` }),
    ...gpus?.env,
    ...spec.env,
  };
  const member = createMember(
    {
      name,
      kind: 'worker',
      url,
      env,
      nice: spec.nice ?? 0,
      restarts: context.restart,
      restartDelayMs: context.restartDelayMs,
      command: () =>
        commandOf(spec, port, model, routedUrl === url || context.etcd.length === 0 ? null : routedUrl),
      ready: (process, line) =>
        spec.command === undefined
          ? new Promise((resolve) => line((text) => text.includes('"msg":"serving"') && resolve()))
          : listens(port, () => process.hasExited),
    },
    context.timeline,
  );

  function hang(isHung: boolean): void {
    const { process } = member;
    if (engine === 'toy' && spec.command === undefined) process?.child.stdin?.write(`{"hangs":${isHung}}\n`);
    else process?.signalChildren(isHung ? 'SIGSTOP' : 'SIGCONT');
  }

  async function end(): Promise<void> {
    await member.end();
    gpus?.close();
    await Promise.all([frontend, nats, ...etcd].map((proxy) => proxy?.close()));
  }

  // A copy would freeze what the member's getters say.
  const own = { spec, routedUrl, links: { frontend, etcd, nats }, gpus, hang, end };
  return Object.setPrototypeOf(own, member) as typeof own & Member;
}

function commandOf(
  spec: NamedWorker,
  port: number,
  model: string,
  advertised: string | null,
): readonly string[] {
  const { name, engine = 'toy', command, args = [], tokenMs = 10, sequences } = spec;
  if (command !== undefined)
    return command.map((word) => word.replaceAll('{port}', String(port)).replaceAll('{name}', name));
  if (engine === 'toy') {
    const last = advertised === null ? [] : [advertised];
    return [process.execPath, TOY, name, String(port), String(tokenMs), ...last];
  }
  return [
    process.execPath,
    CLI,
    ...['worker', '--model', model, '--name', name, '--http-port', String(port)],
    ...(sequences === undefined ? [] : ['--sequences', String(sequences)]),
    ...(advertised === null ? [] : ['--advertise', advertised]),
    ...args,
  ];
}

/** Until somebody accepts connections there. */
async function listens(port: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
