/**
 * One request of a client: a migrator and an assembler a choice, one usage, one end. What the client gets comes out of here
 * and nowhere else. Mutable, as the migrators are. See docs/fleet/logical-request.md.
 */
import { type Assembler, createAssembler } from './assembler.js';
import type {
  ClientEvent,
  LogicalRequest,
  LogicalRequestOptions,
  RequestOutput,
  Usage,
} from './logical-request-types.js';
import { createMigrator, type Migrator } from './migrator.js';
import type { MigrationEffect, MigrationEnd, MigrationEvent } from './migrator-types.js';
import { DEFAULT_LIMITS } from './migrator-types.js';
import type { Mutable } from './mutable.js';
import { createSuspicion } from './suspicion.js';
import type { WorkerRef } from './types.js';
import { isSame } from './worker-ref.js';

export type * from './logical-request-types.js';

interface Choice {
  readonly migrator: Migrator;
  readonly assembler: Assembler;
  isEnded: boolean;
}

interface Question {
  readonly index: number;
  readonly effect: MigrationEffect & { readonly type: 'pick' };
}

const NOTHING: RequestOutput = { client: [], effects: [] };

export function createLogicalRequest(options: LogicalRequestOptions): LogicalRequest {
  const { poisonTokens, poisonWorkers } = { ...DEFAULT_LIMITS, ...options.limits };
  const suspicion = createSuspicion(poisonWorkers);
  const choices: Choice[] = Array.from({ length: options.choices ?? 1 }, (_, index) => ({
    migrator: createMigrator({ ...options, suspicion, hasSibling: (ref) => hasSibling(index, ref) }),
    assembler: createAssembler(options.stop === undefined ? {} : { stop: options.stop }),
    isEnded: false,
  }));
  let replayedTokens = 0;
  let nowMs = 0;
  /** The choice whose `pick` is not answered yet. */
  let asking: number | null = null;
  const held: Question[] = [];

  function usage(): Usage {
    let completionTokens = 0;
    let migrations = 0;
    for (const { migrator } of choices) {
      completionTokens += migrator.log.length;
      migrations += migrator.migrations();
    }
    return { promptTokens: options.request.promptTokens, completionTokens, replayedTokens, migrations };
  }

  function collect(index: number, effects: readonly MigrationEffect[], out: Output): void {
    const choice = choices[index];
    if (choice === undefined) return;
    for (const effect of effects) {
      if (effect.type === 'end') finish(index, choice, effect.end, out);
      else if (effect.type === 'pick') pick({ index, effect }, out);
      else out.effects.push({ choice: index, effect });
      if (effect.type === 'dispatch' && effect.epoch > 0)
        replayedTokens += options.request.promptTokens + effect.startSeq;
    }
  }

  /** One question at a time: where the first choice goes, those that asked meanwhile go too. */
  function pick(question: Question, out: Output): void {
    const { index, effect } = question;
    const together = sibling(index, effect.excluded);
    if (together !== undefined) {
      const { ref, patience } = together;
      step(index, { type: 'picked', atMs: nowMs, ref, patience }, out);
    } else if (asking !== null && asking !== index) held.push(question);
    else {
      asking = index;
      out.effects.push({ choice: index, effect });
    }
  }

  function answered(out: Output): void {
    asking = null;
    for (const question of held.splice(0))
      if (choices[question.index]?.isEnded === false) pick(question, out);
  }

  /**
   * Choices go where another one of the same request is: the prompt is prefilled once, and a request that kills its workers
   * kills them one after the other instead of several at a time.
   */
  function sibling(index: number, excluded: readonly WorkerRef[]) {
    for (const [other, { migrator }] of choices.entries()) {
      if (other === index) continue;
      const found = migrator.attempts().find(({ ref }) => !excluded.some((each) => isSame(each, ref)));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function hasSibling(index: number, ref: WorkerRef): boolean {
    return choices.some(
      ({ migrator }, other) =>
        other !== index &&
        migrator.attempts().some((each) => each.tokens < poisonTokens && isSame(each.ref, ref)),
    );
  }

  function finish(index: number, choice: Choice, end: MigrationEnd, out: Output): void {
    choice.isEnded = true;
    if (request.isEnded) return;
    if (end.kind === 'failed') {
      fail(index, end, out);
      return;
    }
    const { text, reason } = choice.assembler.end(end.reason);
    if (text !== '')
      out.client.push({ type: 'text', choice: index, text, tokens: choice.migrator.log.length });
    out.client.push({ type: 'choice_end', choice: index, reason });
    if (!choices.every((each) => each.isEnded)) return;
    request.isEnded = true;
    out.client.push({ type: 'end', usage: usage() });
  }

  /** One choice that cannot go on ends the request: half an answer with a good end would be taken for a whole one. */
  function fail(index: number, end: MigrationEnd & { kind: 'failed' }, out: Output): void {
    request.isEnded = true;
    out.client.push({ type: 'error', outcome: end.outcome, why: end.why, usage: usage() });
    choices.forEach(({ migrator }, other) => {
      if (other !== index) collect(other, migrator.step({ type: 'cancel', atMs: nowMs }), out);
    });
  }

  function step(index: number, event: MigrationEvent, out: Output): void {
    nowMs = event.atMs;
    const choice = choices[index];
    if (choice === undefined) return;
    collect(index, choice.migrator.step(event), out);
    const isAnswer = event.type === 'picked' || event.type === 'no_worker';
    if (asking === index && (isAnswer || choice.isEnded)) answered(out);
  }

  const request: Mutable<LogicalRequest> = {
    isEnded: false,
    start(atMs) {
      const out = empty();
      choices.forEach((_choice, index) => {
        step(index, { type: 'start', atMs }, out);
      });
      return out;
    },
    frame(index, { atMs, epoch, seq, tokenId, bytes }) {
      const choice = choices[index];
      if (choice === undefined || request.isEnded) return NOTHING;
      const { migrator, assembler } = choice;
      nowMs = atMs;
      const isNew = migrator.frame(atMs, epoch, seq, tokenId);
      const effects = migrator.takeEffects();
      if (!isNew && effects.length === 0) return NOTHING;
      const out = empty();
      if (isNew) {
        const text = assembler.push(bytes);
        if (text !== '') out.client.push({ type: 'text', choice: index, text, tokens: migrator.log.length });
      }
      collect(index, effects, out);
      if (assembler.isStopped) step(index, { type: 'stopped', atMs }, out);
      return out;
    },
    step(index, event) {
      const out = empty();
      step(index, event, out);
      return out;
    },
    stepAll(event) {
      const out = empty();
      choices.forEach((_choice, index) => {
        step(index, event, out);
      });
      return out;
    },
    nextTimerMs: () => Math.min(...choices.map(({ migrator }) => migrator.nextTimerMs())),
    usage,
    tokens: (index) => choices[index]?.migrator.log.tokens() ?? new Int32Array(0),
  };
  return request;
}

interface Output {
  readonly client: ClientEvent[];
  readonly effects: { readonly choice: number; readonly effect: MigrationEffect }[];
}

function empty(): Output {
  return { client: [], effects: [] };
}
