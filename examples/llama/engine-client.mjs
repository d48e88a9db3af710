// The server's side of engine.mjs.
import { fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';

const BATCH = 32;

/**
 * Starts an engine. `ready` resolves when its model is loaded.
 * @param {object} options
 * @param {string} options.path the model
 * @param {number} [options.sequences] requests that are computed together; more wait in the engine
 * @param {number} [options.contextSize] tokens of each
 * @param {'inherit' | 'ignore'} [options.stdio] of the process
 */
export function startEngine({ path, sequences = 16, contextSize = 1024, stdio = 'inherit' }) {
  const child = fork(fileURLToPath(new URL('engine.mjs', import.meta.url)), [], {
    serialization: 'advanced',
    stdio: ['ignore', stdio, stdio, 'ipc'],
    execArgv: [],
  });
  // What a turn has to say goes in few messages, but a thousand cancels in one turn do not wait for its end. A failed send
  // means that the engine has gone, and 'exit' tells that.
  let outbox = [];
  const flush = () => {
    if (outbox.length === 0) return;
    if (child.connected) child.send(outbox, () => undefined);
    outbox = [];
  };
  const send = (message) => {
    const { length } = outbox;
    outbox.push(message);
    if (length === 0) queueMicrotask(flush);
    else if (length === BATCH) flush();
  };
  const events = new EventEmitter();
  const streams = new Map();
  const asked = new Map();
  let last = { steps: 0, running: 0, waiting: 0 };
  let nextId = 1;
  let gone = null;

  const ready = new Promise((resolve, reject) => {
    events.once('loaded', resolve);
    events.once('failed', ({ error }) => reject(new Error(`the engine could not load the model: ${error}`)));
    child.once('exit', (code, signal) => {
      gone = new Error(`the engine ended with ${signal ?? `exit code ${code}`}`);
      reject(gone);
      for (const stream of streams.values()) stream.fail(gone);
      for (const { reject: refuse } of asked.values()) refuse(gone);
    });
  });
  // Whoever does not wait for it learns by the exit.
  ready.catch(() => undefined);

  child.on('message', (batch) => {
    for (const message of batch) {
      switch (message.type) {
        case 'token':
          streams.get(message.id)?.push(message);
          break;
        case 'end':
          streams.get(message.id)?.end(message);
          events.emit('ended', message);
          break;
        case 'health':
        case 'tokens':
          asked.get(message.id)?.resolve(message);
          asked.delete(message.id);
          break;
        case 'heartbeat':
          last = message;
          events.emit('heartbeat', message);
          break;
        default:
          events.emit(message.type, message);
      }
    }
  });
  send({ type: 'load', path, sequences, contextSize });

  async function ask(question) {
    if (gone !== null) throw gone;
    const id = nextId++;
    return new Promise((resolve, reject) => {
      asked.set(id, { resolve, reject });
      send({ ...question, id });
    });
  }

  return {
    child,
    ready,
    events,
    /** Steps that the engine has computed, by its last heartbeat: it stands still when the engine hangs. */
    steps: () => last.steps,
    /** Requests in the engine, by its last heartbeat. */
    load: () => last,

    /** Asks the engine; it answers even while it computes. Rejects when it ends. */
    health: () => ask({ type: 'health' }),

    /** Ids of a text as a prompt. */
    async tokenize(prompt) {
      const { ids } = await ask({ type: 'tokenize', prompt });
      return ids;
    },

    /** Ids of a chat by the model's own template, `ready` says whether it has one; a TemplateError where it refuses it. */
    async chat(messages) {
      const { ids, error } = await ask({ type: 'chat', messages });
      if (error !== undefined) throw Object.assign(new Error(error), { name: 'TemplateError' });
      return ids;
    },

    /**
     * Frames `{ seq, tokenId, bytes }` in order. Throws what ended the engine, or the signal's reason when it aborts: then
     * the engine is told at once. Leaving the loop tells it too.
     * @param {{ prompt: string | number[], maxTokens: number, history?: number[], temperature?: number, seed?: number,
     *   choice?: number, topP?: number, topK?: number, minP?: number, frequencyPenalty?: number, presencePenalty?: number,
     *   repetitionPenalty?: number, logitBias?: Map<number, number>, minTokens?: number, ignoreEos?: boolean }} request
     *   `history`: tokens that are there already; without `temperature` it is greedy. See engine.mjs
     * @param {AbortSignal} [signal]
     */
    async *generate(request, signal) {
      signal?.throwIfAborted();
      if (gone !== null) throw gone;
      const id = nextId++;
      const stream = createStream();
      streams.set(id, stream);
      const cancel = () => {
        send({ type: 'cancel', id });
        stream.fail(signal.reason);
      };
      signal?.addEventListener('abort', cancel, { once: true });
      send({ ...request, type: 'generate', id });
      try {
        yield* stream.frames();
      } finally {
        signal?.removeEventListener('abort', cancel);
        streams.delete(id);
        if (!stream.hasEnded()) send({ type: 'cancel', id });
      }
    },

    /** Ends the process; requests in it fail. */
    async close() {
      if (gone !== null) return;
      const exit = new Promise((resolve) => child.once('exit', resolve));
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill('SIGKILL'), 1000);
      await exit;
      clearTimeout(timer);
    },
  };
}

/** Frames between a callback and a loop. */
function createStream() {
  let frames = [];
  let wake = () => undefined;
  let outcome = null;
  const settle = (result) => {
    outcome ??= result;
    wake();
  };
  return {
    push({ seq, tokenId, bytes }) {
      frames.push({ seq, tokenId, bytes, tokens: 1 });
      wake();
    },
    end: ({ reason, error }) =>
      settle({ ended: true, error: reason === 'failed' ? new Error(`the engine failed: ${error}`) : null }),
    fail: (error) => settle({ ended: false, error }),
    hasEnded: () => outcome?.ended === true,
    async *frames() {
      for (;;) {
        const batch = frames;
        frames = [];
        yield* batch;
        if (frames.length > 0) continue;
        if (outcome?.error) throw outcome.error;
        if (outcome !== null) return;
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
