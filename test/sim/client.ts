/** The client of one request: reads to its end, and holds every byte against the answer of a run without faults. */
import type { ClientEvent } from '../../lib/fleet/logical-request.js';
import type { Mutable } from '../../lib/fleet/mutable.js';
import type { RequestSpec } from './scenario.js';
import { IN_TIME_MS } from './stats.js';
import { type ToyAnswer, wholeAnswer } from './toy-engine.js';
import type { World } from './world.js';

export interface SimClient {
  receive(event: ClientEvent): void;
  leave(): void;
  /** It was refused before it began. */
  refuse(): void;
  answer(choice: number): ToyAnswer;
  readonly isOver: boolean;
  /** When it had all of its answer; null: not yet, or it never will. */
  readonly servedMs: number | null;
}

export function createClient({ checks, kernel, stats }: World, spec: RequestSpec): SimClient {
  const answers: (ToyAnswer | undefined)[] = [];
  const texts: { text: string; tokens: number; isEnded: boolean }[] = [];
  while (texts.length < spec.choices) texts.push({ text: '', tokens: 0, isEnded: false });
  let hasLeft = false;
  const cameMs = kernel.nowMs;

  const answer = (choice: number): ToyAnswer => (answers[choice] ??= wholeAnswer(spec, choice));

  function text(choice: number, piece: string, tokens: number): void {
    const got = texts[choice]!;
    checks.check(3, !client.isOver && !got.isEnded, () => `${spec.id}: text after the end`);
    const right = answer(choice).text;
    checks.check(
      2,
      right.startsWith(piece, got.text.length) && got.text.length + piece.length <= right.length,
      () => `${spec.id}/${choice}: ${JSON.stringify(got.text + piece)}, not ${JSON.stringify(right)}`,
    );
    checks.check(1, tokens >= got.tokens, () => `${spec.id}: ${tokens} tokens after ${got.tokens}`);
    got.text += piece;
    got.tokens = tokens;
  }

  function choiceEnd(choice: number, reason: string): void {
    const got = texts[choice]!;
    checks.check(3, !client.isOver && !got.isEnded, () => `${spec.id}/${choice}: ends twice`);
    got.isEnded = true;
    if (reason === 'cancelled') {
      checks.check(3, hasLeft, () => `${spec.id}: cancelled by nobody`);
      return;
    }
    const right = answer(choice);
    checks.check(
      2,
      got.text === right.text,
      () => `${spec.id}/${choice}: ends with ${JSON.stringify(got.text)}, not ${JSON.stringify(right.text)}`,
    );
    const isStop = right.stopsAfter <= right.tokens.length || right.tokens.at(-1) === 2;
    checks.check(2, (reason === 'stop') === isStop, () => `${spec.id}/${choice}: ends by ${reason}`);
  }

  const client: Mutable<SimClient> = {
    answer,
    isOver: false,
    servedMs: null,
    leave() {
      hasLeft = true;
    },
    refuse() {
      checks.check(3, !client.isOver, () => `${spec.id}: refused after its end`);
      client.isOver = true;
    },
    receive(event) {
      switch (event.type) {
        case 'text':
          text(event.choice, event.text, event.tokens);
          return;
        case 'choice_end':
          choiceEnd(event.choice, event.reason);
          return;
        case 'end':
        case 'error': {
          checks.check(3, !client.isOver, () => `${spec.id}: ends twice`);
          if (event.type === 'end')
            checks.check(
              3,
              texts.every(({ isEnded }) => isEnded),
              () => `${spec.id}: ends before its choices`,
            );
          client.isOver = true;
          if (event.type === 'end' && !hasLeft) {
            client.servedMs = kernel.nowMs;
            if (client.servedMs - cameMs <= IN_TIME_MS) stats.inTime += 1;
          }
          const { promptTokens, completionTokens } = event.usage;
          checks.check(
            7,
            promptTokens === spec.promptTokens,
            () => `${spec.id}: ${promptTokens} prompt tokens`,
          );
          if (event.type === 'error' || hasLeft) return;
          let sum = 0;
          for (let choice = 0; choice < spec.choices; choice += 1) {
            const { tokens, stopsAfter } = answer(choice);
            sum += Math.min(tokens.length, stopsAfter);
          }
          checks.check(
            7,
            completionTokens === sum,
            () => `${spec.id}: ${completionTokens} tokens, not ${sum}`,
          );
          return;
        }
      }
    },
  };
  return client;
}
