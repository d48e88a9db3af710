// A llama.cpp engine in a process of its own: what crashes, hangs or is killed here leaves the server alive to say so.
// Started by engine-client.mjs over Node's IPC. Messages come and go in batches (arrays).
//
//   load     { path, sequences, contextSize }      → loaded { name, hasTemplate, vocabulary, canBiasEnds } | failed { error }, and exit code 1
//   tokenize { id, prompt }                        → tokens { id, ids }
//   chat     { id, messages }                      → tokens { id, ids } | tokens { id, error }: what the template refuses
//   generate { id, prompt, maxTokens, … }          → token { id, seq, tokenId, bytes } …, then
//                                                    end { id, reason: 'length' | 'stop' | 'cancelled' | 'failed', error?, atMs }
//   cancel   { id }                                  the end follows after the present step
//   health   { id }                                → health { id, model, steps, running, waiting }
//            every 200 ms, by itself               → heartbeat { steps, running, waiting }
//
// `prompt` is text, or the ids of `tokenize`. `history` are the ids of tokens that were generated already, here or elsewhere:
// generation goes on behind them. With `temperature` above 0 it samples, with a `seed` (and `choice`, which of several it is) the
// same tokens in whichever process; without it is greedy. Besides: `topP`, `topK`, `minP`, `frequencyPenalty`,
// `presencePenalty`, `repetitionPenalty` (not beside those two), `logitBias` (a Map), `minTokens`, `ignoreEos`.
import { getLlama } from 'node-llama-cpp';
import { createChatTemplate } from './chat-template.mjs';
import { piecesOf } from './pieces.mjs';
import { canBiasEnds, createSampling, keySeeds } from './sampling.mjs';

const HEARTBEAT_MS = 200;
/** Of a token that would have ended the text. */
const NO_TEXT = Buffer.alloc(0);

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
/** Options of a request to those of node-llama-cpp. */
let sampling = null;
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
  while (context.sequencesLeft > 0) free.push(keySeeds(context.getSequence()));
  pieces = piecesOf(model.fileInfo.metadata.tokenizer.ggml);
  template = await createChatTemplate(model);
  sampling = createSampling(model);
  post({
    type: 'loaded',
    name: model.fileInfo.metadata.general.name,
    hasTemplate: template !== null,
    vocabulary: pieces.length,
    canBiasEnds: canBiasEnds(model),
  });
  // What came while it loaded.
  next();
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
    const slot = free.pop();
    if (slot === undefined) return;
    waiting.delete(id);
    const job = { isCancelled: false };
    running.set(id, job);
    run(request, slot, job).then(
      (reason) => end(id, slot, reason),
      (error) => end(id, slot, 'failed', String(error?.message ?? error)),
    );
  }
}

function end(id, slot, reason, error) {
  running.delete(id);
  free.push(slot);
  post({ type: 'end', id, reason, error, atMs: monotonicMs() });
  next();
}

async function run({ id, prompt: given, maxTokens, history = [], ...rest }, slot, job) {
  const { sequence } = slot;
  await sequence.clearHistory();
  if (job.isCancelled) return 'cancelled';
  if (history.length >= maxTokens) return 'length';
  const prompt = idsOf(given);
  const generated = [...history];
  const { options, nextSeed } = sampling({ ...rest, maxTokens }, prompt, generated);
  slot.nextSeed = nextSeed;
  for await (const tokenId of sequence.evaluate([...prompt, ...generated], options)) {
    steps += 1;
    if (job.isCancelled) return 'cancelled';
    const isEnd = model.isEogToken(tokenId);
    if (isEnd && !rest.ignoreEos) return 'stop';
    post({ type: 'token', id, seq: generated.length, tokenId, bytes: isEnd ? NO_TEXT : pieces[tokenId] });
    generated.push(tokenId);
    if (generated.length >= maxTokens) return 'length';
  }
  return 'stop';
}

/** Not every model has a token for the beginning. */
function idsOf(prompt) {
  if (typeof prompt !== 'string') return prompt;
  const { bos, shouldPrependBosToken } = model.tokens;
  const ids = model.tokenize(prompt);
  return shouldPrependBosToken && bos !== null ? [bos, ...ids] : ids;
}

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
