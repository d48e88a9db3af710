/** llama.cpp as an engine: a child process, so that what crashes or hangs there leaves the worker alive to say so. */
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InferenceHealthError } from '../errors.js';
import type { Health } from '../lifecycle/health.js';
import { BadRequest } from './bad-request.js';
import type { ChatMessage } from './chat.js';
import type { Engine, TokenFrame } from './engine.js';
import { FIELDS, SAMPLING_OPTIONS, type SamplingOption, type SamplingOptions } from './sampling.js';

/** The process and its client are those of the package's example, which is there to be copied. */
const CLIENT = join(__dirname, '../../../examples/llama/engine-client.mjs');

/** The compiler would make a `require` of it, which older Node versions refuse for a module. */
const importModule = new Function('url', 'return import(url)') as (url: string) => Promise<unknown>;

/** Versions of node-llama-cpp that leave the tokens alone that end a text cannot do these. */
const OF_ENDS: readonly SamplingOption[] = ['minTokens', 'logitBias'];

interface LlamaModel {
  readonly hasTemplate: boolean;
  /** Number of tokens. */
  readonly vocabulary: number;
  readonly canBiasEnds: boolean;
}

interface LlamaProcess {
  readonly child: ChildProcess;
  readonly ready: Promise<LlamaModel>;
  steps(): number;
  load(): { readonly steps: number; readonly running: number; readonly waiting: number };
  tokenize(prompt: string): Promise<readonly number[]>;
  chat(messages: readonly ChatMessage[]): Promise<readonly number[]>;
  generate(request: object, signal: AbortSignal): AsyncIterable<TokenFrame>;
  close(): Promise<void>;
}

export interface LlamaOptions {
  readonly path: string;
  /** Requests that are computed together. */
  readonly sequences: number;
  /** Tokens of each, prompt included. */
  readonly contextSize: number;
  /** Default: the file's name without its ending. */
  readonly modelName?: string;
}

/**
 * Starts the process and waits for the model.
 * @throws InferenceHealthError ERR_CONFIG_INVALID without the file or the package node-llama-cpp
 */
export async function startLlama(health: Health, options: LlamaOptions): Promise<Engine> {
  const { path, sequences, contextSize } = options;
  if (!existsSync(path)) throw new InferenceHealthError('ERR_CONFIG_INVALID', `there is no model at ${path}`);
  requireLlama();
  const { startEngine } = (await importModule(pathToFileURL(CLIENT).href)) as {
    startEngine(options: object): LlamaProcess;
  };
  const llama = startEngine({ path, sequences, contextSize });
  const watch = health.engine.watch({ child: llama.child, heartbeat: 'ipc', progress: llama.steps });
  health.onShutdown('engine', () => {
    watch.stop();
    return llama.close();
  });
  const { hasTemplate, vocabulary, canBiasEnds } = await llama.ready;
  return {
    model: options.modelName ?? basename(path).replace(/\.gguf$/i, ''),
    async prompt(prompt) {
      const ids = typeof prompt === 'string' ? await llama.tokenize(prompt) : prompt;
      if (ids.length >= contextSize) throw invalid(`the prompt has ${ids.length} tokens, ${contextSize} fit`);
      return { tokens: ids.length, ids };
    },
    ...(hasTemplate
      ? {
          chatPrompt: (messages) =>
            llama.chat(messages).catch((error: Error) => {
              // What the template says of these messages; anything else is the engine's failure.
              throw error.name === 'TemplateError' ? invalid(`the chat template: ${error.message}`) : error;
            }),
        }
      : {}),
    supports: canBiasEnds ? SAMPLING_OPTIONS : SAMPLING_OPTIONS.filter((option) => !OF_ENDS.includes(option)),
    checkSampling: (sampling) => checkLlamaSampling(sampling, vocabulary),
    generate: ({ generated, maxTokens, ...request }, scope) =>
      llama.generate(
        {
          ...request,
          history: generated,
          // Past its context the engine would shift it, and a replay would see another one.
          maxTokens: Math.min(maxTokens, contextSize - request.prompt.length),
        },
        scope.stopSignal,
      ),
    figures() {
      const { steps, running, waiting } = llama.load();
      return { step: steps, running, waiting };
    },
  };
}

/** @throws BadRequest for what llama.cpp cannot do, and would do otherwise */
function checkLlamaSampling(sampling: SamplingOptions, vocabulary: number): void {
  const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = sampling;
  // It has one list of tokens for all three.
  if (repetitionPenalty !== 1 && (frequencyPenalty !== 0 || presencePenalty !== 0))
    throw new BadRequest(
      FIELDS.repetitionPenalty,
      'nothing or 1 beside frequency_penalty and presence_penalty: it counts the prompt too, they do not, and llama.cpp counts the same for all',
      repetitionPenalty,
    );
  for (const id of logitBias.keys())
    if (id >= vocabulary)
      throw new BadRequest(
        FIELDS.logitBias,
        `token ids below ${vocabulary}, the model's number of tokens`,
        id,
      );
}

function requireLlama(): void {
  try {
    createRequire(CLIENT).resolve('node-llama-cpp');
  } catch (error) {
    // It has an entry for `import` only, which is found all the same.
    if ((error as { code?: unknown }).code !== 'MODULE_NOT_FOUND') return;
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'the worker needs the package node-llama-cpp beside this one: npm install node-llama-cpp',
    );
  }
}

function invalid(message: string): Error {
  return Object.assign(new Error(message), { outcome: 'invalid' });
}
