/** Carries a fault out on a fleet. */
import type { Fleet } from './fleet.js';
import { strikeEtcd, strikeNats } from './inject-servers.js';
import { type Injected, note } from './injected.js';
import type { Member } from './member.js';
import type { Fault } from './types.js';
import type { FleetWorker } from './worker-member.js';

const LEAVES_LIMIT_MS = 60_000;
const TURN_LIMIT_MS = 60_000;

/**
 * Strikes at once, whatever `atMs` says; with `inTurn` it resolves when the last one serves again.
 * @param random a number from 0 to 1, for `any-worker`
 */
export async function inject(fleet: Fleet, fault: Fault, random: () => number): Promise<Injected> {
  if (fault.fault.startsWith('etcd')) return strikeEtcd(fleet, fault);
  if (fault.fault.startsWith('nats')) return strikeNats(fleet, fault);
  const targets = await targetsOf(fleet, fault, random);
  if (fault.inTurn === true) return inTurn(fleet, fault, targets);
  const atMs = Date.now();
  for (const target of targets) note(fleet, fault, target.name);
  const undos = targets.map((target) => strike(target, fault)).filter((undo) => undo !== null);
  return {
    targets: targets.map(({ name }) => name),
    atMs,
    undo: undos.length === 0 ? null : () => void undos.map((undo) => undo()),
  };
}

async function targetsOf(
  fleet: Fleet,
  { target = '', leaves }: Fault,
  random: () => number,
): Promise<Member[]> {
  const { workers, frontends } = fleet;
  const named = [...workers, ...frontends].find(({ name }) => name === target);
  const deadline = Date.now() + LEAVES_LIMIT_MS;
  let serving = await fleet.routable();
  if (leaves !== undefined)
    while (serving.filter((name) => name !== target).length < leaves + (named === undefined ? 1 : 0)) {
      if (Date.now() > deadline)
        throw new Error(`fewer than ${leaves} others serve for ${LEAVES_LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      serving = await fleet.routable();
    }
  if (named !== undefined) return [named];
  if (target === 'every-worker') return [...workers];
  const fit = workers.filter((worker) => serving.includes(worker.name));
  const pool = fit.length > 0 ? fit : workers;
  if (target === 'busiest-worker') {
    const counts = await fleet.inFlight();
    const [most] = [...pool].sort((a, b) => (counts.get(b.name) ?? 0) - (counts.get(a.name) ?? 0));
    return most === undefined ? [] : [most];
  }
  const any = pool[Math.floor(random() * pool.length)];
  return any === undefined ? [] : [any];
}

async function inTurn(fleet: Fleet, fault: Fault, targets: readonly Member[]): Promise<Injected> {
  const atMs = Date.now();
  for (const target of targets) {
    note(fleet, fault, target.name);
    const { starts } = target;
    strike(target, fault);
    await target.serves(starts + 1, TURN_LIMIT_MS);
    await fleet.isWhole(TURN_LIMIT_MS);
  }
  return { targets: targets.map(({ name }) => name), atMs, undo: null };
}

const isWorker = (member: Member): member is FleetWorker => member.kind === 'worker';

function strike(target: Member, fault: Fault): (() => void) | null {
  switch (fault.fault) {
    case 'sigkill':
    case 'sigterm':
      target.expectExit();
      target.process?.signal(fault.fault === 'sigkill' ? 'SIGKILL' : 'SIGTERM');
      return null;
    case 'sigstop': {
      const { process } = target;
      process?.signal('SIGSTOP');
      return () => process?.signal('SIGCONT');
    }
    case 'sigcont':
      target.process?.signal('SIGCONT');
      return null;
  }
  if (!isWorker(target)) return null;
  switch (fault.fault) {
    case 'engine-hang': {
      const { starts } = target;
      // What stands still for too long ends by itself, to be started anew: as it would be anywhere.
      target.expectExit();
      target.hang(true);
      return () => {
        if (target.starts === starts) target.hang(false);
      };
    }
    case 'engine-kill':
      target.expectExit();
      target.process?.signalChildren('SIGKILL');
      return null;
    case 'gpu-xid':
      target.expectExit();
      target.gpus?.xid(fault.gpu ?? 0, fault.xid ?? 79);
      return null;
    default:
      return disturb(target, fault);
  }
}

function disturb(
  { links }: FleetWorker,
  { fault, link = 'frontend', delayMs = 200, bytes = 0, bytesPerSecond = 1000 }: Fault,
): (() => void) | null {
  const proxies = [links[link]].flat().filter((proxy) => proxy !== null);
  const fair = (): void => {
    for (const proxy of proxies) proxy.set({});
  };
  for (const proxy of proxies)
    switch (fault) {
      case 'tcp-reset':
        proxy.reset();
        break;
      case 'half-open':
        proxy.halfOpen();
        break;
      case 'truncate':
        proxy.truncate(bytes);
        break;
      case 'delay':
        proxy.set({ delayMs });
        break;
      case 'slow-close':
        proxy.set({ closeDelayMs: delayMs });
        break;
      case 'bandwidth':
        proxy.set({ bytesPerSecond });
        break;
      case 'partition':
        proxy.set({ isPartitioned: true });
        break;
    }
  return ['delay', 'slow-close', 'bandwidth', 'partition'].includes(fault) ? fair : null;
}
