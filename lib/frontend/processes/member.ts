/** A process that takes requests, as the one that has the port sees it. */
import type { ChildProcess } from 'node:child_process';
import type { Health } from '../../lifecycle/health.js';
import type { Taker } from './hand-over.js';
import type { ToProcess } from './messages.js';
import { type FollowedReports, followReports } from './reports.js';

export interface Member extends Taker {
  readonly id: number;
  readonly reports: FollowedReports;
  /** Keys of the instances that it sees. */
  readonly instances: Set<string>;
  /** Since it was last heard of; see {@link watchSilence}. */
  silentMs: number;
  send(message: ToProcess): void;
  kill(): void;
  onDrained: (() => void) | null;
}

/** New connections go elsewhere. */
const SILENT_MS = 1000;

export function createMember(id: number, child: ChildProcess, begin: Health['requests']['begin']): Member {
  const reports = followReports(begin);
  return {
    id,
    reports,
    instances: new Set(),
    silentMs: 0,
    send(message) {
      if (child.connected) child.send(message, () => undefined);
    },
    kill: () => void child.kill('SIGKILL'),
    onDrained: null,
    inFlight: () => reports.inFlight,
    isSilent() {
      return this.silentMs >= SILENT_MS;
    },
    give(connection, socket, done) {
      if (!child.connected) done(new Error('the process has ended'));
      else
        child.send(
          { type: 'connection', id: connection } satisfies ToProcess,
          socket,
          { keepOpen: true },
          done,
        );
    },
  };
}

/** What has begun since the last report is known to its own process alone: each says when it has ended. At most so long. */
export async function allDrained(members: readonly Member[], patienceMs: number): Promise<void> {
  const drained = members.map(
    (member) =>
      new Promise<void>((resolve) => {
        member.onDrained = resolve;
      }),
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, patienceMs);
  });
  await Promise.race([Promise.all(drained), late]);
  clearTimeout(timer);
}
