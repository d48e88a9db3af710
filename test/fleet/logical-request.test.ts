import { describe, expect, it } from 'vitest';
import { createLogicalRequest, type RequestOutput } from '../../lib/fleet/logical-request.js';
import { createQuarantine } from '../../lib/fleet/quarantine.js';

const request = { promptTokens: 10, maxTokens: 20, endTokens: [], isReplayable: true, deadlineMs: null };
const patience = { firstMs: 1000, nextMs: 1000 };
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function started(options: { choices?: number; stop?: string[]; migrationLimit?: number } = {}) {
  const { migrationLimit = 3, ...rest } = options;
  const logical = createLogicalRequest({ request, limits: { migrationLimit }, ...rest });
  const out: RequestOutput[] = [];
  const take = (output: RequestOutput): RequestOutput => {
    out.push(output);
    output.effects.forEach(({ choice, effect }, i) => {
      if (effect.type !== 'pick') return;
      const ref = { worker: `w${out.length}-${i}`, incarnation: '1' };
      take(logical.step(choice, { type: 'picked', atMs: 0, ref, patience }));
    });
    return output;
  };
  take(logical.start(0));
  return {
    logical,
    take,
    frame: (choice: number, epoch: number, seq: number, text: string) =>
      take(logical.frame(choice, { atMs: 0, epoch, seq, tokenId: seq, bytes: encode(text) })),
    client: () => out.flatMap(({ client }) => client),
    text: (choice: number) =>
      out
        .flatMap(({ client }) => client)
        .map((event) => (event.type === 'text' && event.choice === choice ? event.text : ''))
        .join(''),
  };
}

describe('a logical request', () => {
  it('ends once, when its last choice has, and counts the prompt once', () => {
    const { logical, frame, take, client, text } = started({ choices: 2 });
    frame(0, 0, 0, 'one');
    frame(1, 0, 0, 'two');
    take(logical.step(0, { type: 'finish', atMs: 1, epoch: 0, reason: 'stop', length: 1 }));
    expect(logical.isEnded).toBe(false);
    frame(1, 0, 1, '!');
    take(logical.step(1, { type: 'finish', atMs: 1, epoch: 0, reason: 'length', length: 2 }));
    expect([text(0), text(1)]).toEqual(['one', 'two!']);
    expect(client().slice(-1)).toEqual([
      {
        type: 'end',
        usage: { promptTokens: 10, completionTokens: 3, replayedTokens: 0, migrations: 0 },
      },
    ]);
  });

  it('finds a stop string that begins on one worker and ends on another', () => {
    const { logical, frame, take, client, text } = started({ stop: ['STOP'] });
    frame(0, 0, 0, 'go on ST');
    take(logical.step(0, { type: 'failed', atMs: 1, epoch: 0, outcome: 'shutdown', random: 0 }));
    frame(0, 1, 1, 'OP and more');
    expect(text(0)).toBe('go on ');
    expect(client().at(-2)).toEqual({ type: 'choice_end', choice: 0, reason: 'stop' });
    expect(client().at(-1)).toMatchObject({
      type: 'end',
      usage: { completionTokens: 2, replayedTokens: 11 },
    });
  });

  it('keeps its choices together, so that a poisonous one kills two workers and no more', () => {
    const { logical, take } = started({ choices: 3 });
    const at = (choice: number, epoch: number) =>
      take(logical.step(choice, { type: 'failed', atMs: 1, epoch, outcome: 'reset', random: 0 }));
    const where = new Set<string>();
    const look = (output: RequestOutput): void => {
      for (const { effect } of output.effects) if (effect.type === 'outcome') where.add(effect.ref.worker);
    };
    for (let choice = 0; choice < 3; choice += 1) look(at(choice, 0));
    expect(where.size).toBe(1);
    expect(logical.isEnded).toBe(false);
    const last = at(0, 1);
    look(last);
    expect(where.size).toBe(2);
    expect(last.client).toMatchObject([{ type: 'error', outcome: 'poison' }]);
    expect(last.effects.filter(({ effect }) => effect.type === 'poison')).toHaveLength(1);
  });

  it('gives one error for all choices when one cannot go on', () => {
    const { logical, frame, take, client } = started({ choices: 3, migrationLimit: 0 });
    frame(0, 0, 0, 'a');
    take(logical.step(1, { type: 'failed', atMs: 1, epoch: 0, outcome: 'reset', random: 0 }));
    frame(0, 0, 1, 'b');
    take(logical.stepAll({ type: 'cancel', atMs: 2 }));
    const ends = client().filter(({ type }) => type === 'end' || type === 'error');
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatchObject({ type: 'error', outcome: 'reset' });
    expect(client().filter(({ type }) => type === 'text')).toHaveLength(1);
  });
});

describe('the quarantine', () => {
  it('refuses a request for its time, and forgets the oldest of too many', () => {
    const quarantine = createQuarantine({ durationMs: 1000, maxEntries: 2 });
    quarantine.add('a', 0);
    expect(quarantine.leftMs('a', 400)).toBe(600);
    expect(quarantine.has('a', 1000)).toBe(false);
    quarantine.add('b', 1000);
    quarantine.add('c', 1000);
    quarantine.add('b', 1100);
    quarantine.add('d', 1200);
    expect([quarantine.has('b', 1300), quarantine.has('c', 1300), quarantine.has('d', 1300)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(quarantine.size).toBe(2);
  });
});
