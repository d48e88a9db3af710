// A llama.cpp engine in a process of its own: what crashes, hangs or is killed here leaves the server alive to say so.
// Started by engine-client.mjs over Node's IPC. Messages come and go in batches (arrays).
//
//   load     { path, sequences, contextSize }      → loaded { name, hasTemplate } | failed { error }, and exit code 1
//   tokenize { id, prompt }                        → tokens { id, ids }
//   chat     { id, messages }                      → tokens { id, ids } | tokens { id, error }: what the template refuses
//   generate { id, prompt, maxTokens, history? }   → token { id, seq, tokenId, bytes } …, then
//                                                    end { id, reason: 'length' | 'stop' | 'cancelled' | 'failed', error?, atMs }
//   cancel   { id }                                  the end follows after the present step
//   health   { id }                                → health { id, model, steps, running, waiting }
//            every 200 ms, by itself               → heartbeat { steps, running, waiting }
//
// `prompt` is text, or the ids of `tokenize`. With `temperature` above 0 it samples, with `seed` if there is one; else it is
// greedy. `history` are the ids of tokens that were generated already, here or elsewhere: generation goes on behind them.
import { getLlama } from 'node-llama-cpp';
import { createChatTemplate } from './chat-template.mjs';

const HEARTBEAT_MS = 200;

let outbox = [];
function post(message) {
  if (outbox.push(message) === 1) setImmediate(flush);
}
function flush() {
  const batch = outbox;
  outbox = [];
  if (process.connected) process.send(batch, () => undefined);
}

/** CLOCK_MONOTONIC, the same in every process of the machine. */
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;

let steps = 0;
let model = null;
let pieces = [];
/** Messages to ids, or null where the model has no template. */
let template = null;
/** Free sequences of the context: so many requests are computed together. */
const free = [];
const waiting = new Map();
const running = new Map();

async function load({ path, sequences, contextSize }) {
  // One thread: with two, this model is slower and the server has no core left. Never builds, never downloads.
  const llama = await getLlama({
    build: 'never',
    gpu: false,
    skipDownload: true,
    maxThreads: 1,
    progressLogs: false,
    logLevel: 'error',
  });
  model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ sequences, contextSize, batchSize: contextSize, threads: 1 });
  while (context.sequencesLeft > 0) free.push(context.getSequence());
  pieces = model.fileInfo.metadata.tokenizer.ggml.tokens.map(bytesOf);
  template = await createChatTemplate(model);
  post({ type: 'loaded', name: model.fileInfo.metadata.general.name, hasTemplate: template !== null });
  // What came while it loaded.
  next();
}

/** The exact bytes of a SentencePiece token: text would lose characters that are spread over several tokens. */
function bytesOf(piece) {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(piece);
  return byte === null
    ? Buffer.from(piece.replaceAll('\u2581', ' '))
    : Buffer.of(Number.parseInt(byte[1], 16));
}

function generate(request) {
  waiting.set(request.id, request);
  next();
}

let isNextDue = false;
/** Behind the messages that have come: a request that is cancelled already need not begin. */
function next() {
  if (isNextDue) return;
  isNextDue = true;
  setImmediate(() => {
    isNextDue = false;
    fill();
  });
}

function fill() {
  for (const [id, request] of waiting) {
    const sequence = free.pop();
    if (sequence === undefined) return;
    waiting.delete(id);
    const job = { isCancelled: false };
    running.set(id, job);
    run(request, sequence, job).then(
      (reason) => end(id, sequence, reason),
      (error) => end(id, sequence, 'failed', String(error?.message ?? error)),
    );
  }
}

function end(id, sequence, reason, error) {
  running.delete(id);
  free.push(sequence);
  post({ type: 'end', id, reason, error, atMs: monotonicMs() });
  next();
}

async function run({ id, prompt, maxTokens, history = [], temperature = 0, seed }, sequence, job) {
  await sequence.clearHistory();
  if (job.isCancelled) return 'cancelled';
  let seq = history.length;
  if (seq >= maxTokens) return 'length';
  const tokens = [...idsOf(prompt), ...history];
  const sampling = { temperature, ...(seed === undefined ? {} : { seed: (seed + seq) >>> 0 }) };
  // Greedy: the same prompt and history give the same tokens, in whichever process.
  for await (const tokenId of sequence.evaluate(tokens, sampling)) {
    steps += 1;
    if (job.isCancelled) return 'cancelled';
    if (model.isEogToken(tokenId)) return 'stop';
    post({ type: 'token', id, seq, tokenId, bytes: pieces[tokenId] });
    seq += 1;
    if (seq >= maxTokens) return 'length';
  }
  return 'stop';
}

const idsOf = (prompt) =>
  typeof prompt === 'string' ? [model.tokens.bos, ...model.tokenize(prompt)] : prompt;

function chat(messages) {
  try {
    return { ids: template(messages) };
  } catch (error) {
    return { error: String(error?.message ?? error) };
  }
}

function cancel({ id }) {
  if (waiting.delete(id)) post({ type: 'end', id, reason: 'cancelled', atMs: monotonicMs() });
  const job = running.get(id);
  if (job !== undefined) job.isCancelled = true;
}

const figures = () => ({ steps, running: running.size, waiting: waiting.size });

function receive(message) {
  switch (message.type) {
    case 'load':
      load(message).catch((error) =>
        process.send([{ type: 'failed', error: String(error?.message ?? error) }], () => process.exit(1)),
      );
      break;
    case 'tokenize':
      post({ type: 'tokens', id: message.id, ids: idsOf(message.prompt) });
      break;
    case 'chat':
      post({ type: 'tokens', id: message.id, ...chat(message.messages) });
      break;
    case 'generate':
      generate(message);
      break;
    case 'cancel':
      cancel(message);
      break;
    case 'health':
      post({ type: 'health', id: message.id, model: model !== null, ...figures() });
      break;
  }
}

process.on('message', (batch) => {
  for (const message of batch) receive(message);
});
// The server decides when this process ends: a Ctrl-C in a terminal goes to both, and requests in flight are to finish.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit());
setInterval(() => post({ type: 'heartbeat', ...figures() }), HEARTBEAT_MS).unref();
