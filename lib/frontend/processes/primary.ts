/** Several processes behind one port: this one has the port, the probes and what is common; the others have the requests. */
import type { ChildProcess } from 'node:child_process';
import type { Logger } from '../../config/options.js';
import { createFrontendHealth, type FrontendInstance } from '../../dialects/dynamo-frontend.js';
import type { Thresholds } from '../../fleet/admission/thresholds.js';
import type { Hold } from '../../lifecycle/claims.js';
import type { Health } from '../../lifecycle/health.js';
import { showFrontend } from '../../lifecycle/show-frontend.js';
import { listen } from '../../wire/listen.js';
import { API_TOKEN } from '../../wire/tokens.js';
import { warnOfOpenHost } from '../../worker/api.js';
import { followDrain } from '../follow-drain.js';
import type { FrontendOptions } from '../options.js';
import { createShow } from '../show.js';
import { createCrew } from './crew.js';
import { createHandOver, type Taker } from './hand-over.js';
import type { FromProcess, ToProcess } from './messages.js';
import { type FollowedReports, followReports } from './reports.js';
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

/** A process that does not turn is not waited for. */
const ANSWER_MS = 1000;
const CLOSE_MS = 2000;
const PATIENCE_MS = 3000;

interface Member extends Taker {
  readonly id: number;
  readonly reports: FollowedReports;
  readonly instances: Set<string>;
  send(message: ToProcess): void;
  onDrained: (() => void) | null;
}

/** @throws InferenceHealthError ERR_PORT_IN_USE, ERR_HOST_INVALID, ERR_PORT_FORBIDDEN, ERR_CONFIG_INVALID */
export async function startFrontendProcesses(options: ProcessesOptions): Promise<FrontendProcesses> {
  const { health, logger, host = '127.0.0.1' } = options;
  const members = new Map<ChildProcess, Member>();
  const thresholds = new Map<string, Partial<Thresholds>>();
  const handOver = createHandOver();
  const totals = createTotals(() => members.size);
  const seen = new Map<string, number>();
  const replies = new Map<number, () => void>();
  /** While no process takes requests. */
  let hold: Hold | null = health.hold('frontend');
  let lastId = 0;
  let isRefusing = false;

  const show = createShow(
    () => documented,
    (view) => showFrontend(health, view),
  );
  const documented = createFrontendHealth(options.healthMode, show.soon);
  show.now();

  /** Sends to each and resolves when all have answered that still run, or the time is over. */
  async function askAll(message: (id: number) => ToProcess): Promise<void> {
    await Promise.all(
      [...members.values()].map((member) => {
        lastId += 1;
        const id = lastId;
        return new Promise<void>((resolve) => {
          const done = (): void => {
            clearTimeout(timer);
            replies.delete(id);
            resolve();
          };
          const timer = setTimeout(done, ANSWER_MS);
          replies.set(id, done);
          member.send(message(id));
        });
      }),
    );
  }

  function ready(child: ChildProcess): void {
    lastId += 1;
    const send = (message: ToProcess): void => {
      if (child.connected) child.send(message, () => undefined);
    };
    const reports = followReports(health.requests.begin);
    const member: Member = {
      id: lastId,
      reports,
      instances: new Set(),
      send,
      onDrained: null,
      inFlight: () => reports.inFlight,
      give(id, socket, done) {
        if (!child.connected) done(new Error('the process has ended'));
        else child.send({ type: 'connection', id } satisfies ToProcess, socket, { keepOpen: true }, done);
      },
    };
    members.set(child, member);
    for (const [model, change] of thresholds) send({ type: 'thresholds', id: 0, model, change });
    if (isRefusing) send({ type: 'drain' });
    handOver.add(member);
    hold?.release();
    hold = null;
  }

  function noteInstance(member: Member, key: string, instance: FrontendInstance | null): void {
    const had = member.instances.has(key);
    if (instance !== null) {
      member.instances.add(key);
      if (!had) seen.set(key, (seen.get(key) ?? 0) + 1);
      documented.set(key, instance);
      return;
    }
    if (!member.instances.delete(key)) return;
    const left = (seen.get(key) ?? 1) - 1;
    if (left > 0) seen.set(key, left);
    else {
      seen.delete(key);
      documented.delete(key);
    }
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
    for (const key of [...member.instances]) noteInstance(member, key, null);
  }

  const toOthers = (member: Member, message: ToProcess): void => {
    for (const other of members.values()) if (other !== member) other.send(message);
  };

  function onMessage(child: ChildProcess, message: FromProcess): void {
    const member = members.get(child);
    if (member === undefined) return;
    switch (message.type) {
      case 'ready':
        break;
      case 'taken':
        handOver.taken(member, message.id);
        break;
      case 'requests':
        member.reports.take(message.report);
        handOver.reported(member);
        break;
      case 'instances':
        for (const [key, instance] of message.changes) noteInstance(member, key, instance);
        break;
      case 'poison':
        toOthers(member, message);
        break;
      case 'budget':
        toOthers(member, message);
        break;
      case 'spread': {
        const { id, model, change } = message;
        thresholds.set(model, { ...thresholds.get(model), ...change });
        void askAll((own) => ({ type: 'thresholds', id: own, model, change })).then(() =>
          member.send({ type: 'spread', id }),
        );
        break;
      }
      case 'applied':
        replies.get(message.id)?.();
        break;
      case 'figures':
        totals.set(member.id, message.figures);
        if (message.id !== null) replies.get(message.id)?.();
        break;
      case 'metrics':
        void askAll((id) => ({ type: 'collect', id }))
          .then(totals.text)
          .then((text) => member.send({ type: 'metrics', id: message.id, text }));
        break;
      case 'drained':
        member.onDrained?.();
        break;
    }
  }

  const announce = (): void => documented.setStage('draining');
  function drain(): void {
    isRefusing = true;
    announce();
    for (const { send } of members.values()) send({ type: 'drain' });
  }
  const cut = (): void => {
    crew.stop();
    for (const { send } of members.values()) send({ type: 'close' });
  };
  function resume(): void {
    isRefusing = false;
    documented.setStage('ready');
    for (const { send } of members.values()) send({ type: 'resume' });
  }
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
  logger?.info({ url, processes: options.processes }, 'frontend listens');

  return {
    url,
    async close(patienceMs = PATIENCE_MS) {
      unfollow();
      // What has begun since the last report is known to its own process alone.
      const drained = [...members.values()].map(
        (member) =>
          new Promise<void>((resolve) => {
            member.onDrained = resolve;
          }),
      );
      drain();
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, patienceMs);
      });
      await Promise.race([Promise.all(drained), late]);
      clearTimeout(timer);
      documented.setStage('stopping');
      handOver.close();
      const ended = crew.close(CLOSE_MS);
      cut();
      await ended;
    },
  };
}
