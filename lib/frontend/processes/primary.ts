/** Several processes behind one port: this one has the port, the probes and what is common; the others have the requests. */
import type { ChildProcess } from 'node:child_process';
import type { Logger } from '../../config/options.js';
import { createFrontendHealth } from '../../dialects/dynamo-frontend.js';
import type { Hold } from '../../lifecycle/claims.js';
import type { Health } from '../../lifecycle/health.js';
import { showFrontend } from '../../lifecycle/show-frontend.js';
import { listen } from '../../wire/listen.js';
import { API_TOKEN } from '../../wire/tokens.js';
import { warnOfOpenHost } from '../../worker/api.js';
import { followDrain } from '../follow-drain.js';
import type { FrontendOptions } from '../options.js';
import { createShow } from '../show.js';
import { createAsks } from './asks.js';
import { createCommon } from './common.js';
import { createCrew } from './crew.js';
import { createHandOver } from './hand-over.js';
import { createSeenInstances } from './instances.js';
import { allDrained, createMember, type Member } from './member.js';
import type { FromProcess } from './messages.js';
import { watchSilence } from './silence.js';
import { createTotals } from './totals.js';

export interface ProcessesOptions
  extends Pick<FrontendOptions, 'host' | 'port' | 'healthMode' | 'tls' | 'apiToken' | 'apiTokenFile'> {
  readonly processes: number;
  readonly entry: string;
  readonly args: readonly string[];
  readonly health: Health;
  readonly logger?: Logger;
}

export interface FrontendProcesses {
  readonly url: string;
  /** Waits for what runs, at most `patienceMs`, then ends the rest with an error. */
  close(patienceMs?: number): Promise<void>;
}

const CLOSE_MS = 2000;
const PATIENCE_MS = 3000;

/** @throws InferenceHealthError ERR_PORT_IN_USE, ERR_HOST_INVALID, ERR_PORT_FORBIDDEN, ERR_CONFIG_INVALID */
export async function startFrontendProcesses(options: ProcessesOptions): Promise<FrontendProcesses> {
  const { health, logger, host = '127.0.0.1' } = options;
  const members = new Map<ChildProcess, Member>();
  const handOver = createHandOver();
  const totals = createTotals(() => members.size);
  const asks = createAsks();
  const common = createCommon(() => members.values());
  /** While no process takes requests. */
  let hold: Hold | null = health.hold('frontend');
  let lastId = 0;

  const show = createShow(
    () => documented,
    (view) => showFrontend(health, view),
  );
  const documented = createFrontendHealth(options.healthMode, show.soon);
  const instances = createSeenInstances(documented);
  show.now();

  function ready(child: ChildProcess): void {
    lastId += 1;
    const member = createMember(lastId, child, health.requests.begin);
    members.set(child, member);
    common.tell(member);
    handOver.add(member);
    hold?.release();
    hold = null;
  }

  function ended(child: ChildProcess, willRestart: boolean): void {
    const member = members.get(child);
    if (willRestart) totals.restarted();
    if (member === undefined) return;
    members.delete(child);
    handOver.remove(member);
    if (members.size === 0) hold ??= health.hold('frontend');
    member.reports.lost();
    member.onDrained?.();
    totals.ended(member.id);
    instances.forget(member.instances);
  }

  function onMessage(child: ChildProcess, message: FromProcess): void {
    const member = members.get(child);
    if (member === undefined) return;
    const wasSilent = member.isSilent();
    member.silentMs = 0;
    if (wasSilent) handOver.awake();
    switch (message.type) {
      case 'ready':
      case 'alive':
        break;
      case 'taken':
        handOver.taken(member, message.id);
        break;
      case 'requests':
        member.reports.take(message.report);
        handOver.reported(member);
        break;
      case 'instances':
        for (const [key, instance] of message.changes) instances.note(member.instances, key, instance);
        break;
      case 'poison':
        common.poison(member, message.hash);
        break;
      case 'budget':
        common.spend(member, message.use);
        break;
      case 'spread': {
        const { id, model, change } = message;
        common.setThresholds(model, change);
        void asks
          .all(members.values(), (own) => ({ type: 'thresholds', id: own, model, change }))
          .then(() => member.send({ type: 'spread', id }));
        break;
      }
      case 'applied':
        asks.answered(message.id);
        break;
      case 'figures':
        totals.set(member.id, message.figures);
        if (message.id !== null) asks.answered(message.id);
        break;
      case 'metrics':
        void asks
          .all(members.values(), (id) => ({ type: 'collect', id }))
          .then(totals.text)
          .then((text) => member.send({ type: 'metrics', id: message.id, text }));
        break;
      case 'drained':
        member.onDrained?.();
        break;
    }
  }

  function announce(): void {
    documented.setStage('draining');
    common.announce();
  }
  function drain(): void {
    documented.setStage('draining');
    common.drain();
  }
  function resume(): void {
    documented.setStage('ready');
    common.resume();
  }
  const cut = (): void => {
    crew.stop();
    for (const { send } of members.values()) send({ type: 'close' });
  };
  const unfollow = followDrain(health, { announce, refuse: drain, resume, cut });

  const crew = createCrew({
    entry: options.entry,
    args: options.args,
    logger,
    ready,
    message: onMessage,
    ended,
  });
  const bound = await listen(handOver.server, options.port ?? 8000, host);
  const url = options.tls === undefined ? bound.url : bound.url.replace(/^http:/, 'https:');
  const hasToken = (options.apiToken ?? options.apiTokenFile ?? process.env[API_TOKEN] ?? '').length > 0;
  warnOfOpenHost(url, host, { hasToken, hasTls: options.tls !== undefined }, logger);
  await crew.start(options.processes, url).catch(async (error: unknown) => {
    handOver.close();
    await crew.close(0);
    throw error;
  });
  const unwatch = watchSilence(() => members.values(), logger);
  logger?.info({ url, processes: options.processes }, 'frontend listens');

  return {
    url,
    async close(patienceMs = PATIENCE_MS) {
      unfollow();
      const drained = allDrained([...members.values()], patienceMs);
      drain();
      await drained;
      unwatch();
      documented.setStage('stopping');
      handOver.close();
      const ended = crew.close(CLOSE_MS);
      cut();
      await ended;
    },
  };
}
