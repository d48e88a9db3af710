/** One of several processes behind the API's port: its connections, orders and news come and go over IPC. */
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FrontendInstance } from '../../dialects/dynamo-frontend.js';
import type { Health } from '../../lifecycle/health.js';
import { monoMs } from '../../native/clock.js';
import { startFrontendWith } from '../frontend.js';
import type { Frontend, FrontendOptions } from '../options.js';
import type { SharedParts, Sharing } from '../sharing.js';
import { ALIVE_MS, type FromProcess, MAX_ITEMS, type ToProcess } from './messages.js';
import { createReports } from './reports.js';

const REPORT_MS = 50;
const BUDGET_MS = 250;
const FIGURES_MS = 1000;
/** A fleet without workers is one to say so about. */
const FIRST_WORKER_MS = 2000;

/**
 * Runs a frontend in this process until the one that started it says `close`, or is gone and the last stream has ended.
 * @param url at which all of them are reached
 */
export async function runFrontendProcess(
  options: FrontendOptions,
  { processes, url }: { readonly processes: number; readonly url: string },
): Promise<void> {
  const send = (message: FromProcess): void => {
    if (process.connected) process.send?.(message, () => undefined);
  };
  const answers = new Map<number, (text: string) => void>();
  const instances = new Map<string, FrontendInstance | null>();
  const reports = createReports(() => report());
  let lastId = 0;
  let parts: SharedParts | undefined;
  let server: Server | undefined;

  /** Resolves with the answer; what is not answered because the other process is gone, with nothing. */
  function ask(message: (id: number) => FromProcess): Promise<string> {
    if (!process.connected) return Promise.resolve('');
    lastId += 1;
    const id = lastId;
    return new Promise((resolve) => {
      answers.set(id, resolve);
      send(message(id));
    });
  }
  const answer = (id: number, text: string): void => {
    answers.get(id)?.(text);
    answers.delete(id);
  };

  const sharing: Sharing = {
    processes,
    listen(api) {
      server = api;
      // It never does: what it sets up for that is what times slow requests out.
      api.emit('listening');
      return { url };
    },
    async spread(model, change) {
      await ask((id) => ({ type: 'spread', id, model, change }));
    },
    metricsText: () => ask((id) => ({ type: 'metrics', id })),
    poisoned: (hash) => send({ type: 'poison', hash }),
    instance: (key, instance) => void instances.set(key, instance),
    attach(own) {
      parts = own;
    },
  };

  function onMessage(frontend: () => Frontend | undefined, message: ToProcess, socket?: Socket): void {
    switch (message.type) {
      case 'connection':
        send({ type: 'taken', id: message.id });
        // The client may have left meanwhile.
        if (socket !== undefined) server?.emit('connection', socket);
        break;
      case 'thresholds':
        parts?.setThresholds(message.model, message.change);
        send({ type: 'applied', id: message.id });
        break;
      case 'spread':
        answer(message.id, '');
        break;
      case 'metrics':
        answer(message.id, message.text);
        break;
      case 'poison':
        for (const [hash, ageMs] of message.hashes) parts?.quarantine(hash, ageMs);
        break;
      case 'budget': {
        const { deposits, withdrawals } = message.use;
        parts?.retryBudget.add({ deposits, withdrawals: withdrawals[0] }, monoMs());
        parts?.hedgeBudget.add({ deposits, withdrawals: withdrawals[1] }, monoMs());
        break;
      }
      case 'collect':
        void sendFigures(message.id);
        break;
      case 'announce':
        parts?.announce();
        break;
      case 'drain':
        void frontend()
          ?.drain()
          .then(() => {
            report();
            send({ type: 'drained' });
          });
        break;
      case 'resume':
        frontend()?.resume();
        break;
      case 'close':
        void frontend()
          ?.close()
          .finally(() => process.exit());
        break;
    }
  }

  async function sendFigures(id: number | null): Promise<void> {
    const figures = await parts?.figures();
    if (figures !== undefined)
      send({ type: 'figures', id, figures: id === null ? counted(figures) : figures });
  }

  function report(): void {
    const requests = reports.take();
    if (requests !== null) send({ type: 'requests', report: requests });
    const changes = [...instances].slice(0, MAX_ITEMS);
    for (const [key] of changes) instances.delete(key);
    if (changes.length > 0) send({ type: 'instances', changes });
  }

  function shareBudgets(): void {
    const retry = parts?.retryBudget.take();
    const hedge = parts?.hedgeBudget.take();
    if (
      retry === undefined ||
      hedge === undefined ||
      retry.deposits + retry.withdrawals + hedge.withdrawals === 0
    )
      return;
    const { deposits } = retry;
    send({ type: 'budget', use: { deposits, withdrawals: [retry.withdrawals, hedge.withdrawals] } });
  }

  // Stands for the health that counts requests: it is the other process's.
  const health = Object.assign(new EventEmitter(), { requests: { begin: reports.begin } });
  const frontend = await startFrontendWith({ ...options, health: health as unknown as Health }, sharing);
  process.on('message', (message: ToProcess, socket?: Socket) => onMessage(() => frontend, message, socket));
  setInterval(report, REPORT_MS);
  setInterval(() => send({ type: 'alive' }), ALIVE_MS).unref();
  setInterval(shareBudgets, BUDGET_MS).unref();
  setInterval(() => void sendFigures(null), FIGURES_MS).unref();
  const orphaned = (): void => {
    for (const id of [...answers.keys()]) answer(id, '');
    void frontend
      .drain()
      .then(() => frontend.close())
      .finally(() => process.exit());
  };
  process.on('disconnect', orphaned);
  await firstWorker(frontend);
  if (process.connected) send({ type: 'ready' });
  else orphaned();
}

/** Who takes the place of another process must not refuse what that one served, only because it has not looked yet. */
async function firstWorker(frontend: Frontend): Promise<void> {
  const untilMs = monoMs() + FIRST_WORKER_MS;
  while (monoMs() < untilMs && !frontend.workers().some(({ state }) => state === 'serving'))
    await new Promise((resolve) => setTimeout(resolve, 10));
}

/** What must not be forgotten if the process ends: that is as long however many workers there are. */
function counted<T extends { readonly type: unknown }>(figures: readonly T[]): readonly T[] {
  return figures.filter(({ type }) => String(type) !== 'gauge');
}
