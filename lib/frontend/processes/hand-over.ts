/** The API's port: accepts connections and gives each to the process that has least to do. */
import { createServer, type Server, type Socket } from 'node:net';

export interface Taker {
  /** Requests that it last said to have in flight. */
  inFlight(): number;
  /** It has not been heard of for a while. */
  isSilent(): boolean;
  /** @param done called with an error where it could not be sent */
  give(id: number, socket: Socket, done: (error: Error | null) => void): void;
}

export interface HandOver {
  readonly server: Server;
  add(taker: Taker): void;
  /** It has its connection. */
  taken(taker: Taker, id: number): void;
  /** It said how busy it is: what it was given since the last time is in there. */
  reported(taker: Taker): void;
  /** It is silent no more: what has waited for one that is not goes to it. */
  awake(): void;
  /** It has ended: what it had not taken goes to another one. Not before: two would read from one connection. */
  remove(taker: Taker): void;
  close(): void;
}

/** Connections that wait for a process while there is none. More are closed at once. */
const MAX_WAITING = 1024;
/** A process that leaves a connection so long may have been stopped just now: others come first. */
const TAKEN_WITHIN_MS = 250;

interface Given {
  readonly socket: Socket;
  readonly atMs: number;
}

interface State {
  /** By age. */
  readonly given: Map<number, Given>;
  sinceReport: number;
}

export function createHandOver(): HandOver {
  const takers = new Map<Taker, State>();
  const waiting = new Set<Socket>();
  let lastId = 0;

  function isSlow({ given }: State): boolean {
    const [oldest] = given.values();
    return oldest !== undefined && performance.now() - oldest.atMs > TAKEN_WITHIN_MS;
  }

  /** The least busy one that takes what it is given, else of those that are not silent. */
  function choose(): [Taker, State] | null {
    const awake = [...takers].filter(([taker]) => !taker.isSilent());
    const prompt = awake.filter(([, state]) => !isSlow(state));
    let best: [Taker, State] | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [taker, state] of prompt.length > 0 ? prompt : awake) {
      const load = taker.inFlight() + state.sinceReport;
      if (load >= least) continue;
      least = load;
      best = [taker, state];
    }
    return best;
  }

  function hand(socket: Socket): void {
    if (socket.destroyed) return;
    const chosen = choose();
    if (chosen === null) {
      if (waiting.size < MAX_WAITING) waiting.add(socket);
      else socket.destroy();
      return;
    }
    const [taker, state] = chosen;
    // Moved to the end: of those that are as busy as each other, each has its turn.
    takers.delete(taker);
    takers.set(taker, state);
    lastId += 1;
    const id = lastId;
    state.given.set(id, { socket, atMs: performance.now() });
    state.sinceReport += 1;
    taker.give(id, socket, (error) => {
      if (error !== null && state.given.delete(id)) hand(socket);
    });
  }

  function handWaiting(): void {
    const held = [...waiting];
    waiting.clear();
    for (const socket of held) hand(socket);
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => waiting.delete(socket));
    hand(socket);
  });

  return {
    server,
    add(taker) {
      takers.set(taker, { given: new Map(), sinceReport: 0 });
      handWaiting();
    },
    taken(taker, id) {
      const state = takers.get(taker);
      const given = state?.given.get(id);
      state?.given.delete(id);
      // Only this process's hold on it: the other one has its own.
      given?.socket.destroy();
    },
    reported(taker) {
      const state = takers.get(taker);
      if (state !== undefined) state.sinceReport = state.given.size;
    },
    awake: handWaiting,
    remove(taker) {
      const state = takers.get(taker);
      takers.delete(taker);
      for (const { socket } of state?.given.values() ?? []) hand(socket);
    },
    close() {
      server.close();
      for (const socket of waiting) socket.destroy();
    },
  };
}
